"""The bound on the log-scale of couplings: its formula, and what it leaves as it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from constructors import image_flow

import tfp_realnvp as rnvp

x = tf.constant([[1.0, -2.0, 3.0, 0.5]])
half = rnvp.channel_mask((4,))


def coupling(log_scale, **kwargs):
    return rnvp.AffineCoupling(half, lambda x: (tf.ones_like(x), log_scale * tf.ones_like(x)), **kwargs)


def couplings(flow):
    return [b for b in flow.submodules if isinstance(b, rnvp.AffineCoupling)]


@pytest.mark.parametrize("log_scale", [-1000.0, -2.0, -0.5, 0.0, 0.5, 2.0, 1000.0, np.inf])
def test_the_formula(log_scale):
    bounded = coupling(log_scale, max_log_scale=3.0)
    s = 3 * np.tanh(log_scale / 3)
    y = bounded.forward(x)
    np.testing.assert_allclose(y, [[1.0, -2.0, 3 * np.exp(s) + 1, 0.5 * np.exp(s) + 1]], rtol=1e-5)
    np.testing.assert_allclose(bounded.inverse(tf.identity(y)), x, rtol=1e-5)
    np.testing.assert_allclose(bounded.forward_log_det_jacobian(tf.identity(x)), [2 * s], rtol=1e-5)
    np.testing.assert_allclose(bounded.inverse_log_det_jacobian(tf.identity(y)), [-2 * s], rtol=1e-5)


def test_small_log_scales_stay_nearly_as_they_are():
    np.testing.assert_allclose(
        coupling(0.01, max_log_scale=5).forward(x), coupling(0.01).forward(x), rtol=1e-6
    )


def test_without_it_a_large_scale_has_no_inverse():
    unbounded = coupling(1000.0)
    assert not np.isfinite(unbounded.forward(x)).all()
    assert not np.isfinite(unbounded.inverse(unbounded.forward(x))).all()


def test_it_is_off_by_default_and_then_in_no_graph():
    def operations(coupling):
        graph = tf.function(coupling.forward).get_concrete_function(x).graph
        return [op.type for op in graph.get_operations()]

    assert coupling(1.0).max_log_scale is None
    assert "Tanh" not in operations(coupling(1.0))
    assert "Tanh" in operations(coupling(1.0, max_log_scale=1.0))
    assert all(c.max_log_scale is None for c in couplings(image_flow("float32")))


@pytest.mark.parametrize(
    "shape, kwargs", [((4,), {}), ((8, 8, 1), {"base_filters": 2, "num_residual_blocks": 0})]
)
def test_RealNVP_hands_it_to_every_coupling_also_in_copies(shape, kwargs):
    flow = rnvp.RealNVP(shape, max_log_scale=2.5, **kwargs)
    assert {c.max_log_scale for c in couplings(flow)} == {2.5}
    assert {c.max_log_scale for c in couplings(flow.copy(name="copy"))} == {2.5}
    wider = flow.copy(max_log_scale=None)
    assert {c.max_log_scale for c in couplings(wider)} == {None}
    assert [id(v) for v in wider.variables] == [id(v) for v in flow.variables]


@pytest.mark.parametrize("compiled", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_recompute_keeps_couplings_of_different_bounds_apart(compiled):
    members = []
    for i, bound in enumerate((0.1, 1.0, None)):
        network = keras.layers.Dense(8, bias_initializer="ones")
        network.build((None, 4))
        members.append(
            rnvp.AffineCoupling(rnvp.channel_mask((4,), invert=i == 1), network, max_log_scale=bound)
        )
    results = []
    for recompute in (False, True):
        chain = rnvp.Chain(members, recompute=recompute)

        def differentiated(chain=chain):
            with tf.GradientTape() as tape:
                y = chain.inverse(x)
                log_det = chain.inverse_log_det_jacobian(x)
                loss = tf.reduce_sum(y**2) - tf.reduce_sum(log_det)
            return y, log_det, *tape.gradient(loss, chain.trainable_variables)

        results.append(compiled(differentiated)())
    for stored, rebuilt in zip(*results, strict=True):
        np.testing.assert_allclose(stored, rebuilt, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_gradients_of_scales_that_explode_are_finite(policy):
    network = keras.layers.Dense(8, dtype=policy, bias_initializer=keras.initializers.Constant(200.0))
    network.build((None, 4))
    bounded = rnvp.AffineCoupling(half, network, max_log_scale=2.0)
    with tf.GradientTape() as tape:
        y = bounded.inverse(x, training=True)
        loss = tf.reduce_sum(y**2) - tf.reduce_sum(bounded.inverse_log_det_jacobian(x, training=True))
    assert y.dtype == tf.float32
    assert np.isfinite(loss)
    for g in tape.gradient(loss, bounded.trainable_variables):
        assert np.isfinite(g).all()
