"""Activations built anew: the same numbers as where they are kept, and nothing of them is kept."""

import copy
import gc
import random
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from tiny_models import assert_equal, values, vector_model, vectors

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


def networks(dtype, count, outputs):
    """Keras networks with everything that has state: batch norm and dropout."""
    for seed in range(count):
        layers = [
            keras.layers.Dense(8, use_bias=False),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("tanh"),
            keras.layers.Dropout(0.3, seed=seed),
            keras.layers.Dense(outputs),
        ]
        for layer in layers:
            layer.dtype_policy = dtype
        network = keras.Sequential(layers)
        network.build((None, outputs // 2))
        yield network


def own_chain(dtype, recompute):
    """A user's: a stock bijector with a variable of its own, one without, a nested chain."""
    members = []
    for i, network in enumerate(networks(dtype, 3, 12)):
        mask = rnvp.channel_mask((6,), invert=i % 2 == 1)
        members += [
            rnvp.BatchNormalization((6,), mask, dtype=dtype, name=f"norm_{i}"),
            rnvp.AffineCoupling(mask, network, dtype=dtype, name=f"coupling_{i}"),
        ]
    scale = tfb.Scale(tf.Variable(1.5, trainable=False, dtype=dtype))
    shift = tfb.Shift(tf.Variable(np.linspace(-1, 1, 6), dtype=dtype))
    half = rnvp.AffineCoupling(rnvp.channel_mask((3,)), next(networks(dtype, 1, 6)), dtype=dtype, name="half")
    inner = rnvp.FactorOut(tfb.Chain([half]), name="inner")
    members = [shift, *members[:4], inner, scale, rnvp.Chain(members[4:])]
    return rnvp.Chain(members, recompute=recompute)


def real_nvp(shape, **kwargs):
    return lambda dtype, recompute: rnvp.RealNVP(shape, dtype=dtype, recompute=recompute, **kwargs)


image = {"num_scales": 1, "num_residual_blocks": 1, "base_filters": 2}
FLOWS = {
    "own_chain": (own_chain, (6,), None),
    "vector": (real_nvp((5,), num_couplings=3, hidden_units=(8,)), (5,), None),
    "conditional": (real_nvp((4,), num_couplings=2, conditional_event_shape=(3,)), (4,), (3,)),
    "image": (real_nvp((8, 8, 2), **image), (8, 8, 2), None),
}
MODES = {
    "eager": lambda f: f,
    "graph": tf.function,
    "xla": lambda f: tf.function(f, jit_compile=True),
}

WAYS = [
    ("inverse", True, "float64", 1e-9),
    ("inverse", True, "float32", 1e-5),
    ("forward", False, "float64", 1e-9),
]


def twins(make, dtype="float64"):
    """The same flow twice, of equal variables: one that keeps activations, one that does not."""
    random.seed(0)  # Of the initial weights.
    stored, rebuilt = make(dtype, False), make(dtype, True)
    normal = np.random.default_rng(0).normal
    for a, b in zip(stored.variables, rebuilt.variables, strict=True):
        if a.dtype.is_floating:
            a.assign(
                np.abs(a + 0.2 * normal(size=a.shape))
                if "variance" in a.name
                else a + 0.2 * normal(size=a.shape)
            )
        b.assign(a)
    return stored, rebuilt


def noise(shape, dtype="float64", seed=1):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def differentiated(flow, direction, x, condition, training, compiled):
    """Log-determinant, value, and gradients by the input and every trainable variable."""
    kwargs = rnvp.bijector_kwargs(flow, training, condition)

    def f(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = getattr(flow, direction)(x, **kwargs)
            log_det = getattr(flow, f"{direction}_log_det_jacobian")(x, len(x.shape) - 1, **kwargs)
            loss = tf.reduce_mean(tf.reduce_sum(y**2, range(1, len(x.shape))) - log_det)
        return y, log_det, tape.gradient(loss, [x, *flow.trainable_variables], unconnected_gradients="zero")

    return compiled(f)(x)


def assert_close(actual, desired, tolerance):
    """Of lists of arrays, each relative to its own size.

    Those that are zero in truth, gradients of biases in front of a batch norm, come out as the
    rounding errors of the largest, and are relative to it.
    """
    largest = max(np.abs(d).max() for d in desired)
    for a, d in zip(actual, desired, strict=True):
        size = np.abs(d).max()
        assert np.abs(a - d).max() <= tolerance * (size if size > 1e-4 * largest else largest)


def cases():
    """Every flow in every mode; both ways, and in both precisions. Most of them are slow tests."""
    for name in FLOWS:
        for mode, way in (("graph", 0), ("xla", 1), ("eager", 2), ("graph", 2), ("eager", 0)):
            quick = (name == "vector") or (mode, way, name != "image") == ("graph", 0, True)
            direction, *rest = WAYS[way]
            marks = [] if quick else [pytest.mark.slow]
            yield pytest.param(
                name, mode, direction, *rest, marks=marks, id=f"{name}-{mode}-{direction}-{rest[1]}"
            )


@pytest.mark.parametrize("name, mode, direction, training, dtype, tolerance", list(cases()))
def test_nothing_changes(name, mode, direction, training, dtype, tolerance):
    make, shape, condition_shape = FLOWS[name]
    x = noise((7, *shape), dtype)
    condition = None if condition_shape is None else noise((7, *condition_shape), dtype, seed=2)
    flows = twins(make, dtype)
    before = values(flows[0].variables)
    (y, log_det, gradients), rebuilt = (
        differentiated(flow, direction, x, condition, training, MODES[mode]) for flow in flows
    )
    assert_close(rebuilt[:2], [y, log_det], tolerance)
    if (mode, dtype) == ("xla", "float32"):
        # XLA fuses the two differently: each is up to 5e-5 of a single gradient's size from float64's,
        # without XLA they are equal to the last bit. So all gradients are compared as one vector.
        rebuilt_gradient, gradient = (
            np.concatenate([np.ravel(g) for g in gs]) for gs in (rebuilt[2], gradients)
        )
        assert np.linalg.norm(rebuilt_gradient - gradient) <= tolerance * np.linalg.norm(gradient)
    else:
        assert_close(rebuilt[2], gradients, tolerance)
    assert sum(np.abs(g).max() > 0 for g in gradients) > len(gradients) / 2
    stored, rebuilt = (values(flow.variables) for flow in flows)
    assert_close(rebuilt, stored, tolerance)  # Moving statistics and seeds: moved once, and alike.
    moved = [np.any(a != b) for a, b in zip(before, stored, strict=True)]
    assert any(moved) == training


def fitted(recompute, policy=None, **compile_kwargs):
    """A model, some epochs later, with its losses."""
    random.seed(0)  # Of the initial weights.
    model = vector_model(num_couplings=4, dtype_policy=policy, recompute=recompute)
    model.compile(keras.optimizers.SGD(1e-3), **compile_kwargs)
    history = model.fit(vectors(20), batch_size=8, epochs=2, shuffle=False, verbose=0)
    return model, history.history["loss"]


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        pytest.param({"jit_compile": True}, id="jit_compile", marks=pytest.mark.slow),
        pytest.param({"run_eagerly": True}, id="run_eagerly", marks=pytest.mark.slow),
        pytest.param({"steps_per_execution": 2}, id="steps_per_execution", marks=pytest.mark.slow),
        {"policy": "mixed_bfloat16"},
    ],
    ids=lambda kwargs: "-".join(kwargs) or "plain",
)
def test_fit(kwargs):
    (stored, losses), (rebuilt, others) = (fitted(recompute, **kwargs) for recompute in (False, True))
    tolerance = 1e-2 if "policy" in kwargs else 1e-5  # Of bfloat16's 8 bits.
    np.testing.assert_allclose(others, losses, rtol=tolerance)
    assert_close(values(rebuilt.distribution.variables), values(stored.distribution.variables), tolerance)


def test_frozen_layers_stay():
    flows = twins(own_chain)
    for flow in flows:
        flow.bijectors[1].layers[0].trainable = False  # A batch norm.
        flow.bijectors[2].layers[0].layers[1].trainable = False  # One in a network.
    results = [differentiated(flow, "inverse", noise((7, 6)), None, True, MODES["eager"]) for flow in flows]
    assert len(results[0][2]) == len(flows[0].trainable_variables) + 1
    assert_close(results[1][2], results[0][2], 1e-9)
    assert_close(*(values(flow.variables) for flow in reversed(flows)), 1e-9)


def objective(flow, x):
    return tf.reduce_sum(tf.sin(flow.inverse(x))) + tf.reduce_sum(
        tf.sin(flow.inverse_log_det_jacobian(x, x.shape.rank - 1))
    )


def of_a_penalty(flow, x):
    """Gradients of a gradient's square."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = objective(flow, x)
        penalty = tf.reduce_sum(inner.gradient(value, x) ** 2)
    return outer.gradient(penalty, [x, *flow.trainable_variables], unconnected_gradients="zero")


def twice(flow, x):
    gradient = tf.gradients(objective(flow, x), x)[0]
    return tf.gradients(tf.reduce_sum(gradient**2), [x])


def forward_mode(flow, x):
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as products:
        value = objective(flow, x)
    return [products.jvp(value)]


def forward_of_a_gradient(flow, x):
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as products:
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = objective(flow, x)
        gradient = tape.gradient(value, x)
    return [products.jvp(gradient)]


@pytest.fixture(scope="module")
def stored_and_rebuilt():
    stored = rnvp.RealNVP((3,), num_couplings=3, hidden_units=(4,), dtype="float64")
    for i, v in enumerate(stored.trainable_variables):
        v.assign_add(0.2 * tf.random.stateless_normal(v.shape, (i, 1), dtype=v.dtype))
    return stored, stored.copy(recompute=True)


@pytest.mark.parametrize("second_derivative", [of_a_penalty, twice, forward_mode, forward_of_a_gradient])
def test_derivatives_in_graphs(stored_and_rebuilt, second_derivative):
    x = noise((5, 3))
    results = [tf.function(second_derivative)(flow, x) for flow in stored_and_rebuilt]
    assert_close(results[1], results[0], 1e-10)
    assert max(np.abs(value).max() for value in results[0]) > 1e-2


def test_eager_calls_raise_at_second_derivatives_but_not_in_forward_mode(stored_and_rebuilt):
    stored, rebuilt = stored_and_rebuilt
    x = noise((5, 3))
    with pytest.raises(NotImplementedError, match="recompute_grad"):
        of_a_penalty(rebuilt, x)
    assert_close(forward_mode(rebuilt, x), forward_mode(stored, x), 1e-10)


@keras.saving.register_keras_serializable("tests")
class Watched(keras.layers.Layer):
    """Counts its calls, and remembers its outputs as long as somebody else does."""

    def __init__(self, outputs, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(outputs)
        self.calls, self.outputs = 0, []

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, x):
        self.calls += 1
        x = tf.tanh(self.dense(x))
        self.outputs.append(weakref.ref(x))
        return x

    def alive(self):
        return sum(output() is not None for output in self.outputs)


@pytest.mark.parametrize("recompute", [False, True])
def test_what_is_kept_and_how_often_networks_run(recompute):
    networks = [Watched(8) for _ in range(3)]
    for network in networks:
        network.build((None, 4))
    chain = rnvp.Chain(
        [
            rnvp.AffineCoupling(rnvp.channel_mask((4,)), n, name=f"coupling_{i}")
            for i, n in enumerate(networks)
        ],
        recompute=recompute,
    )
    dist = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [4]), chain)
    x = noise((5, 4), "float32")
    with tf.GradientTape() as tape:
        log_prob = dist.log_prob(x)
    assert [n.calls for n in networks] == [1, 1, 1]
    gc.collect()
    assert [n.alive() for n in networks] == [0 if recompute else 1] * 3
    tape.gradient(log_prob, chain.trainable_variables)
    assert [n.calls for n in networks] == [1 + recompute] * 3
    dist.sample(2)
    assert [n.calls for n in networks] == [2 + recompute] * 3


def step_graph(num_couplings, recompute):
    flow = rnvp.RealNVP((4,), num_couplings=num_couplings, hidden_units=(8,), recompute=recompute)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(flow.inverse(x, training=True) ** 2)
        return tape.gradient(loss, flow.trainable_variables)

    return step.get_concrete_function(tf.TensorSpec((3, 4))).graph


@pytest.mark.parametrize("recompute", [False, True])
def test_a_graph_grows_by_as_much_for_each_coupling(recompute):
    sizes = [len(step_graph(n, recompute).get_operations()) for n in (2, 4, 8)]
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])
    assert (sizes[2] - sizes[1]) / 4 < (150 if recompute else 420)  # Operations a coupling.


def test_couplings_built_alike_share_their_functions():
    def functions(graph):
        return {op.get_attr("f").name for op in graph.get_operations() if "PartitionedCall" in op.type}

    kinds = 2  # Masks of either half.
    for n in (2, 6):
        assert len(functions(step_graph(n, recompute=True))) == 2 * kinds  # There and back.


def test_state_outside_of_keras_3_cannot_move_once():
    network = tf_keras.Sequential([tf_keras.layers.BatchNormalization(), tf_keras.layers.Dense(4)])
    network.build((None, 2))
    chain = rnvp.Chain([rnvp.AffineCoupling(rnvp.channel_mask((2,)), network)], recompute=True)
    with pytest.raises(ValueError, match=r"`recompute` needs.*moving_mean"):
        chain.inverse(noise((3, 2), "float32"), training=True)
    stored = chain.copy(recompute=False)
    results = [
        differentiated(c, "inverse", noise((3, 2), "float32"), None, False, tf.function)
        for c in (chain, stored)
    ]
    assert_close(results[0][2], results[1][2], 1e-6)


def test_networks_without_variables_yet():
    network = keras.Sequential([keras.layers.Dense(4)])
    chain = rnvp.Chain([rnvp.AffineCoupling(rnvp.channel_mask((2,)), network)], recompute=True)
    x = noise((3, 2), "float32")
    assert len(differentiated(chain, "inverse", x, None, True, lambda f: f)[2]) == 3
    stored = chain.copy(recompute=False)
    assert_equal(values(chain.inverse(x)), values(stored.inverse(x)), rtol=1e-6)


def test_copies_and_files_keep_it(tmp_path):
    model = vector_model(recompute=True)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.saving.load_model(path)
    for flow in (loaded.distribution.bijector, copy.deepcopy(model.distribution.bijector)):
        assert flow.recompute and flow.copy().recompute and not flow.copy(recompute=False).recompute
    np.testing.assert_array_equal(loaded(vectors(3)), model(vectors(3)))
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    served = exported.serve(vectors(3))
    np.testing.assert_allclose(served, model(vectors(3)), rtol=1e-6)


def test_a_condition_of_integers():
    classes = tf.constant(np.eye(3, dtype=int)[[0, 1, 2, 0, 1, 2, 0]])
    flows = twins(FLOWS["conditional"][0])
    results = [
        differentiated(flow, "inverse", noise((7, 4)), classes, True, MODES["eager"]) for flow in flows
    ]
    assert_close(results[1][2], results[0][2], 1e-9)


def test_in_stock_compositions():
    flows = twins(
        lambda dtype, recompute: tfb.Invert(tfb.Chain([tfb.Exp(), tfb.Invert(own_chain(dtype, recompute))]))
    )
    results = [
        differentiated(flow, "forward", noise((7, 6)) ** 2, None, True, MODES["eager"]) for flow in flows
    ]
    assert_close(results[1][2], results[0][2], 1e-9)


def test_second_derivatives_of_a_whole_flow():
    """Also of its last scale, whose rescaling is by a constant that the graph captures."""
    z = tf.random.stateless_normal((3, 4, 4, 1), (1, 2))

    def second(flow):
        @tf.function(autograph=False)
        def derivatives(z):
            with tf.GradientTape() as outer:
                outer.watch(z)
                with tf.GradientTape() as inner:
                    inner.watch(z)
                    value = tf.reduce_sum(flow.inverse(z) ** 3)
                squares = tf.reduce_sum(inner.gradient(value, z) ** 2)
            return outer.gradient(squares, z)

        return derivatives(z)

    flow = rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=0)
    rebuilt = flow.copy(recompute=True)
    np.testing.assert_allclose(second(rebuilt), second(flow), rtol=1e-4, atol=1e-5)


def test_segments_that_differ_in_constants():
    """Of more than 128 elements, which TensorFlow does not write into a graph."""
    size = 130

    def scale(factors):
        return tfb.Inline(
            lambda z: z * factors,
            forward_log_det_jacobian_fn=lambda z: tf.reduce_sum(tf.math.log(factors)),
            forward_min_event_ndims=1,
        )

    flows = [rnvp.RealNVP((size,), num_couplings=2, hidden_units=(2,), use_batch_norm=False) for _ in "ab"]
    scales = [scale(tf.linspace(low, 2.0, size)) for low in (0.5, 1.5)]
    members = [flows[0], scales[0], flows[1], scales[1]]
    x = tf.random.stateless_normal((3, size), (1, 2))
    compiled = tf.function(rnvp.Chain(members, recompute=True).forward, autograph=False)
    np.testing.assert_allclose(compiled(x), rnvp.Chain(members).forward(x), rtol=1e-5)
