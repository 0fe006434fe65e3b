"""No wrong value ever from a cache, of bijectors alone and in chains."""

import gc

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import CONSTRUCTORS, REPRESENTATIVES, each, representative

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

with_variables = each([n for n in REPRESENTATIVES if CONSTRUCTORS[n].bijector().trainable_variables])
WRAPPERS = {
    "alone": lambda b: b,
    "chain": lambda b: tfb.Chain([b, tfb.Identity()]),
    "our_chain": lambda b: rnvp.Chain([tfb.Identity(), b]),
}
wrapped = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())


def evaluate(bijector, entry, y):
    """Value, log-determinant and gradients of both at `y`."""
    condition = entry.kwargs((3,)).get("conditional_input")
    kwargs = rnvp.bijector_kwargs(bijector, conditional_input=condition)
    with tf.GradientTape() as tape:
        x = bijector.inverse(y, **kwargs)
        log_det = bijector.inverse_log_det_jacobian(y, len(entry.event_shape), **kwargs)
        loss = tf.reduce_sum(tf.sin(x)) + tf.reduce_sum(log_det)
    return [x, log_det, *tape.gradient(loss, bijector.trainable_variables)]


def assert_close(actual, expected):
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-10)


@with_variables
@wrapped
def test_follows_the_variables_at_the_same_tensor(entry, wrap):
    bijector = wrap(entry.bijector())
    y = tf.identity(entry.bijector().forward(entry.data((3,)), **entry.kwargs((3,))))
    before = evaluate(bijector, entry, y)[:2]
    if wrap is WRAPPERS["chain"]:  # TFP's own hands a tensor out again as long as it is kept.
        before = [value.numpy() for value in before]
    for v in bijector.trainable_variables:
        v.assign_add(0.1 * tf.ones_like(v))
    after = evaluate(bijector, entry, y)
    assert_close(after, evaluate(bijector, entry, tf.identity(y)))
    assert max(np.abs(a - b).max() for a, b in zip(after[:2], before, strict=True)) > 1e-4


@with_variables
@wrapped
def test_instances_built_alike_are_not_confused(entry, wrap):
    a, b = (wrap(entry.bijector()) for _ in range(2))
    y = tf.identity(entry.bijector().forward(entry.data((3,)), **entry.kwargs((3,))))
    for v in b.trainable_variables:
        v.assign_add(0.1 * tf.ones_like(v))
    of_a = evaluate(a, entry, y)
    of_b = evaluate(b, entry, y)
    assert max(np.abs(p - q).max() for p, q in zip(of_a[:2], of_b[:2], strict=True)) > 1e-4
    assert_close(of_b, evaluate(b, entry, tf.identity(y)))


@representative
def test_inside_and_outside_of_control_flow(entry):
    bijector = entry.bijector()
    kwargs = entry.kwargs((3,))
    ndims = len(entry.event_shape)

    @tf.function
    def run(y, flag):
        def body(i, total):
            x = bijector.inverse(y, **kwargs)
            return i + 1, total + tf.reduce_sum(x) + tf.reduce_sum(
                bijector.inverse_log_det_jacobian(y, ndims, **kwargs)
            )

        inside = tf.cond(
            flag, lambda: bijector.inverse(y, **kwargs), lambda: bijector.inverse(2.0 * y, **kwargs)
        )
        _, total = tf.while_loop(lambda i, _: i < 2, body, (0, tf.zeros([], y.dtype)))
        return (
            inside,
            total,
            bijector.inverse(y, **kwargs),
            bijector.inverse_log_det_jacobian(y, ndims, **kwargs),
        )

    y = tf.identity(bijector.forward(entry.data((3,)), **kwargs))
    inside, total, outside, log_det = run(y, tf.constant(True))
    x = bijector.inverse(y, **kwargs)
    expected = bijector.inverse_log_det_jacobian(y, ndims, **kwargs)
    assert_close([inside, outside, log_det], [x, x, expected])
    np.testing.assert_allclose(total, 2 * (tf.reduce_sum(x) + tf.reduce_sum(expected)), atol=1e-8)


@representative
def test_a_value_in_one_graph_is_none_of_another(entry):
    bijector, kwargs = entry.bijector(), entry.kwargs((3,))
    y = tf.identity(bijector.forward(entry.data((3,)), **kwargs))
    first, second = (tf.function(lambda: bijector.inverse(y, **kwargs)) for _ in range(2))
    assert_close([first()], [second()])
    assert_close([first()], [bijector.inverse(y, **kwargs)])


def test_nothing_is_kept_over_many_calls():
    calls = []
    for entry in (CONSTRUCTORS[name] for name in REPRESENTATIVES):
        bijector = tfb.Chain([entry.bijector(), tfb.Identity()])
        condition = entry.kwargs((3,)).get("conditional_input")
        kwargs = rnvp.bijector_kwargs(bijector, conditional_input=condition)
        calls.append((bijector, entry.data((3,)), len(entry.event_shape), kwargs))
    counts, tensor = [], type(tf.zeros([]))
    for _ in range(3):
        for bijector, z, ndims, kwargs in calls:
            x = bijector.forward(tf.identity(z), **kwargs)
            bijector.inverse(tf.identity(x), **kwargs)
            bijector.inverse_log_det_jacobian(tf.identity(x), ndims, **kwargs)
        del x
        gc.collect()
        counts.append(
            (
                sum(type(o) is tensor for o in gc.get_objects()),
                len(tfb.Bijector.__dict__["_cache"].storage),
            )
        )
    assert counts[1] == counts[2]


def test_a_kept_sample_is_scored_with_the_new_variables():
    """As no stock chain does; see the docstring of `Chain`."""
    flow = rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=2)
    dist = rnvp.image_distribution(flow)
    x = dist.sample(3, seed=(0, 1))
    before = dist.log_prob(x)
    for v in flow.trainable_variables:
        v.assign_add(0.1 * tf.ones_like(v))
    after = dist.log_prob(x)
    np.testing.assert_allclose(after, dist.log_prob(tf.identity(x)), rtol=1e-6)
    assert np.abs(after - before).max() > 1e-3


SCOPES = ["log_det_jacobian_penalty", "forward_log_det_jacobian", "chain/inverse_log_det_jacobian/"]


@pytest.mark.parametrize("scope", SCOPES)
def test_no_name_scope_hands_out_an_old_value(scope):
    bijector = CONSTRUCTORS["coupling_vector"].bijector()
    x = CONSTRUCTORS["coupling_vector"].data((3,))
    for _ in range(2):
        with tf.name_scope(scope), tf.GradientTape() as tape:
            y = bijector.forward(x)
        assert_close([y], [bijector.forward(tf.identity(x))])
        assert all(g is not None for g in tape.gradient(y, bijector.trainable_variables))
        for v in bijector.trainable_variables:
            v.assign_add(0.1 * tf.ones_like(v))


def by_autodiff(function):
    def log_det(x):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = function(x)
        return tf.linalg.slogdet(tape.batch_jacobian(y, x, experimental_use_pfor=False))[1]

    return log_det


def inline(flow):
    return tfb.Inline(
        forward_fn=flow.forward,
        inverse_fn=flow.inverse,
        forward_log_det_jacobian_fn=by_autodiff(flow.forward),
        inverse_log_det_jacobian_fn=by_autodiff(flow.inverse),
        forward_min_event_ndims=1,
    )


@pytest.fixture(scope="module")
def small_flow():
    return rnvp.RealNVP((2,), num_couplings=2, hidden_units=(4,))


@pytest.mark.parametrize(
    "wrap", [lambda b: b, lambda b: tfb.Chain([tfb.Scale(2.0), b])], ids=["alone", "chain"]
)
def test_a_stock_log_det_by_autodiff_sees_our_flow(small_flow, wrap):
    base = tfd.MultivariateNormalDiag(tf.zeros(2))
    y = tf.constant([[0.3, -0.5], [1.0, 2.0]])
    with tf.GradientTape() as tape:
        actual = tfd.TransformedDistribution(base, wrap(inline(small_flow))).log_prob(y)
    expected = tfd.TransformedDistribution(base, wrap(small_flow)).log_prob(y)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert any(g is not None for g in tape.gradient(actual, small_flow.trainable_variables))


def test_a_flow_inside_a_stock_bijector_keeps_nothing(small_flow):
    coupling = tfb.RealNVP(num_masked=2, bijector_fn=lambda x0, depth, **kwargs: small_flow)
    bijectors = coupling, inline(small_flow), tfb.Chain([tfb.Shift(1.0), coupling])
    counts, tensor = [], type(tf.zeros([]))
    for rounds in (1, 1, 3):
        for bijector in bijectors * rounds:
            y = tf.ones([3, 2 if bijector is bijectors[1] else 4])
            bijector.inverse_log_det_jacobian(y, 1)
            bijector.forward_log_det_jacobian(y, 1)
            del y
        gc.collect()
        counts.append(sum(type(o) is tensor for o in gc.get_objects()))
    assert counts[1] == counts[2]


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_log_det_under_a_tape_has_its_gradients(direction):
    """Its value was asked for where no tape recorded."""
    bijector = CONSTRUCTORS["coupling_vector"].bijector()
    x = CONSTRUCTORS["coupling_vector"].data((3,))
    kept = getattr(bijector, direction)(x)
    with tf.GradientTape() as tape:
        log_det = getattr(bijector, f"{direction}_log_det_jacobian")(x, 1)
    gradients = tape.gradient(log_det, bijector.trainable_variables)
    assert kept is not None and any(g is not None and np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_log_det_is_remembered_once(direction):
    bijector = CONSTRUCTORS["coupling_vector"].bijector()
    x = CONSTRUCTORS["coupling_vector"].data((3,))
    kept, log_det = getattr(bijector, direction)(x), getattr(bijector, f"{direction}_log_det_jacobian")
    before = log_det(x, 1)
    for v in bijector.trainable_variables:
        v.assign_add(0.1 * tf.ones_like(v))
    after = log_det(x, 1)
    assert kept is not None
    assert np.abs(after - before).max() > 1e-4
    assert_close([after], [log_det(tf.identity(x), 1)])
