"""Mixed precision trains networks, and touches neither likelihoods nor evaluation."""

import concurrent.futures

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.fixture
def policy(request):
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


mixed = pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"], indirect=True)


def images(n=64):
    columns = np.arange(4)[None, None, :, None] * 3
    noise = np.random.default_rng(0).integers(0, 6, size=(n, 4, 4, 1))
    return (columns + noise).astype(np.float32) + 0.5


def image_model():
    flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=1, base_filters=4)
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16), seed=0)


class Recording(keras.layers.Layer):
    """A conditioner that records what its layers compute in."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(8)
        self.seen = []

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, x):
        y = self.dense(x)
        self.seen.append((x.dtype.name, y.dtype.name))
        return y


@mixed
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_networks_compute_low_in_training_only(policy, mode):
    network = Recording()
    flow = rnvp.AffineCoupling(rnvp.channel_mask((4,)), network)
    dist = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [4]), flow)
    x = tf.random.stateless_normal([3, 4], (0, 0))
    low = network.compute_dtype
    assert low == policy.removeprefix("mixed_")
    calls = {
        "log_prob": lambda: dist.log_prob(x),
        "sample": lambda: dist.sample(3),
        "inverse": lambda: flow.inverse(x),
        "training": lambda: dist.log_prob(x, bijector_kwargs={"training": True}),
    }
    for name, call in calls.items():
        network.seen.clear()
        result = (call if mode == "eager" else tf.function(call))()
        computed = "float32" if name != "training" else low
        assert set(network.seen) == {(computed, computed)}, name
        assert result.dtype == tf.float32
    assert network.compute_dtype == network.dense.compute_dtype == low  # As the user set it.


def recurrent():
    return keras.Sequential([keras.layers.Reshape((4, 1)), keras.layers.LSTM(8), keras.layers.Dense(8)])


def functional():
    inputs = keras.Input((4,))
    inner = keras.Sequential([keras.layers.Dense(16, "tanh"), keras.Sequential([keras.layers.Dense(16)])])
    return keras.Model(inputs, keras.layers.Dense(8)(inner(inputs)))


def mapped():
    policy = keras.dtype_policies.DTypePolicyMap(default_policy=keras.config.dtype_policy())
    return keras.layers.Dense(8, dtype=policy)


NETWORKS = {
    "sequential": lambda: keras.Sequential([keras.layers.Dense(16, "tanh"), keras.layers.Dense(8)]),
    "recurrent": recurrent,
    "functional": functional,
    "policy_map": mapped,
}
QUICK = (
    *(("sequential", first) for first in ("build", "training", "evaluation")),
    ("recurrent", "evaluation"),
    ("functional", "build"),
    ("functional", "training"),
    ("policy_map", "training"),
)


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
@pytest.mark.parametrize(
    "name, first",
    [
        pytest.param(name, first, marks=[] if (name, first) in QUICK else [pytest.mark.slow])
        for name in NETWORKS
        for first in ("build", "training", "evaluation")
    ],
)
def test_every_kind_of_network_evaluates_as_its_float32_twin(name, first, policy):
    x, make = tf.random.stateless_normal([64, 4], (0, 0)), NETWORKS[name]
    network = make()
    coupling = rnvp.AffineCoupling(rnvp.channel_mask((4,)), network)
    if first == "build":
        network.build((None, 4))
    elif first == "training":
        coupling.inverse(x, training=True)
    coupling.forward(x)
    keras.config.set_dtype_policy("float32")
    twin = make()
    twin.build((None, 4))
    twin.set_weights(network.get_weights())
    expected = rnvp.AffineCoupling(rnvp.channel_mask((4,)), twin).forward(x)
    np.testing.assert_array_equal(coupling.forward(x), expected)
    assert network.compute_dtype == "bfloat16"
    trained = coupling.inverse(coupling.forward(x), training=True)
    assert np.abs(trained - x).max() > 1e-4  # It still computes low there.


@pytest.mark.parametrize("policy", ["mixed_bfloat16"], indirect=True)
def test_threads_do_not_disturb_each_other(policy):
    network = NETWORKS["sequential"]()
    network.build((None, 4))
    coupling = rnvp.AffineCoupling(rnvp.channel_mask((4,)), network)
    x = tf.random.stateless_normal([8, 4], (0, 0))
    expected = coupling.forward(x)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: coupling.forward(x), range(150)))
    for result in results:
        np.testing.assert_array_equal(result, expected)
    assert network.compute_dtype == network.layers[0].compute_dtype == "bfloat16"


@mixed
def test_an_error_leaves_the_policy_as_it_was(policy):
    class Failing(Recording):
        def call(self, x):
            raise RuntimeError("failed")

    network = Failing()
    with pytest.raises(RuntimeError, match="failed"):
        rnvp.AffineCoupling(rnvp.channel_mask((4,)), network).forward(tf.zeros([3, 4]))
    assert network.compute_dtype == network.dense.compute_dtype == policy.removeprefix("mixed_")


@pytest.mark.parametrize(
    "policy",
    ["mixed_bfloat16", *(pytest.param(p, marks=pytest.mark.slow) for p in ("float32", "mixed_float16"))],
    indirect=True,
)
def test_fit_trains_and_evaluates_in_float32(policy, tmp_path):
    model = image_model()
    model.compile(keras.optimizers.Adam(3e-3))
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (policy == "mixed_float16")
    x = images()
    history = model.fit(x, epochs=10, batch_size=32, verbose=0).history
    assert history["bits_per_dim"][-1] < history["bits_per_dim"][0] - 0.3
    assert all(v.dtype == "float32" for v in model.trainable_variables)

    restored = x - model.decode(model.encode(x))
    assert np.abs(restored).max() < 1e-4  # Of 16 levels.
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    keras.config.set_dtype_policy("float32")
    expected = image_model()
    expected.load_weights(tmp_path / "model.weights.h5")
    log_prob = model(x)
    assert log_prob.dtype == tf.float32
    np.testing.assert_array_equal(log_prob, expected(x))
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(log_prob, loaded(x))
    np.testing.assert_array_equal(*(m.distribution.sample(3, seed=(0, 1)) for m in (model, expected)))


@mixed
def test_training_in_it_costs_little_likelihood(policy):
    """The log-determinant and base density stay float32, so only the networks round."""
    model = image_model()
    for v in model.trainable_variables:
        v.assign_add(0.1 * np.random.default_rng(0).normal(size=v.shape))
    x = images()
    training = rnvp.bits_per_dim(model(x, training=True), (4, 4, 1))
    keras.config.set_dtype_policy("float32")
    full = image_model()
    for v, w in zip(full.variables, model.variables, strict=True):
        v.assign(w)
    exact = rnvp.bits_per_dim(full(x, training=True), (4, 4, 1))
    assert training.dtype == exact.dtype == tf.float32
    difference = np.abs(training - exact)
    assert 0 < difference.max() < 0.05  # It does compute low, and loses less than a twentieth bit.
    assert abs(np.mean(training - exact)) < 0.005


def test_a_flow_keeps_its_own_policy(tmp_path):
    flow = rnvp.RealNVP((2,), num_couplings=2, dtype_policy="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"
    other = rnvp.RealNVP((2,), num_couplings=2)
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), flow))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras").distribution.bijector
    for bijector, expected in (
        (flow, "bfloat16"),
        (loaded, "bfloat16"),
        (flow.copy(), "bfloat16"),
        (other, "float32"),
    ):
        networks = [b.conditioner for b in bijector.bijectors if isinstance(b, rnvp.AffineCoupling)]
        assert {n.compute_dtype for n in networks} == {expected}
        assert bijector.forward(tf.zeros([3, 2])).dtype == tf.float32


def test_loss_scaling_can_be_left_out():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = image_model()
        model.compile("sgd", auto_scale_loss=False)
    finally:
        keras.config.set_dtype_policy("float32")
    assert not isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)


def test_a_gradient_too_large_for_float16_is_skipped():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = image_model()
        model.compile(keras.optimizers.SGD(1e-3), run_eagerly=True)
        before = [np.array(v) for v in model.trainable_variables]
        scale = float(model.optimizer.dynamic_scale)
        x = images()
        x[0] = np.nan
        model.fit(x, batch_size=64, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    for v, b in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(v, b)
    assert float(model.optimizer.dynamic_scale) == scale / 2


def test_private_names_we_rely_on():
    network = keras.Sequential([keras.layers.Dense(2), keras.Sequential([keras.layers.Dense(3)])])
    assert {type(x).__name__ for x in network._flatten_layers()} == {"Sequential", "Dense"}
    assert len(network._flatten_layers()) == 4
    assert hasattr(keras.Input((4,)), "_dtype")
    assert {"_dtype", "_dtype_policy"} <= vars(keras.layers.InputLayer((4,))).keys()
