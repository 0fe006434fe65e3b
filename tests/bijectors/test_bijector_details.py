"""Details of single bijectors and of chains that the contract of all does not reach."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import CONSTRUCTORS, Network, coupling

import tfp_realnvp as rnvp
from tfp_realnvp.flows.scales import default_num_scales
from tfp_realnvp.networks.coupling_network import ChannelNetwork
from tfp_realnvp.networks.weight_norm_conv import WeightNormConv2D

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_where_a_coupling_changes(bad):
    """The network sees zeros there, so that nothing else is touched."""
    bijector = coupling(rnvp.channel_mask((4,)), Network(8, dtype="float64"), "float64")
    z = CONSTRUCTORS["coupling_bounded"].data((3,)).numpy()
    expected = bijector.forward(z).numpy()
    z[1, 3] = bad
    x = bijector.forward(tf.constant(z)).numpy()
    assert not np.isfinite(x[1, 3])
    x[1, 3] = expected[1, 3]
    np.testing.assert_array_equal(x, expected)
    log_det = bijector.forward_log_det_jacobian(tf.constant(z), 1)
    assert np.isfinite(log_det).all()


def test_members_of_several_ranks():
    """What a member of fewer axes gives is summed over the further ones of the chain's event."""
    vector = coupling(rnvp.channel_mask((2,)), Network(4, dtype="float64"), "float64")
    norm = rnvp.BatchNormalization((2,), dtype="float64")
    norm.layer.moving_variance.assign([2.0, 3.0])
    z = tf.constant(np.random.default_rng(0).normal(size=(3, 4, 4, 2)))
    expected = tf.reduce_sum(vector.forward_log_det_jacobian(tf.identity(z), 1), axis=[1, 2])
    expected += 16 * 0.5 * np.log((2 + 1e-4) * (3 + 1e-4))
    for chain in (
        rnvp.Chain([rnvp.Squeeze(), norm, vector]),
        rnvp.Chain([rnvp.FactorOut(rnvp.Chain([norm, vector]), event_ndims=3)]),
    ):
        events = z if isinstance(chain.bijectors[0], rnvp.Squeeze) else tf.concat([z, z], -1)
        log_det = chain.forward_log_det_jacobian(events, 3)
        np.testing.assert_allclose(log_det, expected)
        x = tf.identity(chain.forward(events))
        np.testing.assert_allclose(chain.inverse_log_det_jacobian(x, 3), -expected)


def test_a_chain_is_a_permutation_where_all_its_members_are():
    scale = tfb.Scale(tf.constant([1.0, 2.0]))
    base = tfd.Sample(tfd.Normal(0.0, 3.0), [4, 4, 2])
    moved = rnvp.Chain([tfb.Invert(rnvp.Squeeze()), rnvp.Squeeze("ordered")])
    np.testing.assert_allclose(tfd.TransformedDistribution(base, moved).stddev(), tf.fill([4, 4, 2], 3.0))
    with pytest.raises(NotImplementedError):
        tfd.TransformedDistribution(base, rnvp.Chain([moved, scale])).stddev()


def test_a_value_under_another_condition_is_none():
    """A log-determinant at the same tensor is of the arguments that are given now."""
    bijector = CONSTRUCTORS["coupling_conditional"].bijector()
    z, (a, b) = tf.ones([3, 4], tf.float64), (tf.fill([3, 2], tf.constant(c, tf.float64)) for c in (0.5, -2))
    expected = bijector.forward_log_det_jacobian(tf.identity(z), 1, conditional_input=b)
    x = bijector.forward(z, conditional_input=a)
    assert (
        np.abs(bijector.forward_log_det_jacobian(tf.identity(z), 1, conditional_input=a) - expected).min() > 0
    )
    np.testing.assert_array_equal(bijector.forward_log_det_jacobian(z, 1, conditional_input=b), expected)
    norm = rnvp.BatchNormalization((4,), dtype="float64")
    moving = norm.inverse_log_det_jacobian(tf.identity(x), 1)
    norm.inverse(x, training=True)
    norm.layer.moving_variance.assign(tf.ones([4]))
    np.testing.assert_array_equal(norm.inverse_log_det_jacobian(x, 1, training=False), moving)


def test_a_value_inside_of_a_branch_is_none_outside():
    bijector = CONSTRUCTORS["coupling_vector"].bijector()

    @tf.function
    def run(y, flag):
        inside = tf.cond(flag, lambda: bijector.inverse(y), lambda: y)
        return inside, bijector.inverse_log_det_jacobian(y, 1)

    y = tf.ones([3, 5], tf.float64)
    inside, log_det = run(y, tf.constant(True))
    np.testing.assert_allclose(inside, bijector.inverse(y))
    np.testing.assert_allclose(log_det, bijector.inverse_log_det_jacobian(tf.identity(y), 1))


def test_one_output_is_shift_and_then_log_scale():
    bijector = rnvp.AffineCoupling(rnvp.channel_mask((2,)), lambda x: tf.constant([0.0, 3.0, 0.0, np.log(2)]))
    np.testing.assert_allclose(bijector.forward([[1.0, 5.0]]), [[1.0, 13.0]], rtol=1e-6)
    np.testing.assert_allclose(bijector.inverse([[1.0, 13.0]]), [[1.0, 5.0]], rtol=1e-6)


def test_networks_never_see_an_empty_batch():
    def network(x):
        with tf.control_dependencies([tf.debugging.assert_positive(tf.shape(x)[0])]):
            return tf.identity(x), tf.identity(x)

    bijector = rnvp.AffineCoupling(rnvp.channel_mask((4,)), network)
    for call in (bijector.forward, tf.function(bijector.forward, input_signature=[tf.TensorSpec([None, 4])])):
        assert call(tf.zeros([0, 4])).shape == (0, 4)
        assert call(tf.zeros([2, 4])).shape == (2, 4)


@pytest.mark.parametrize("invert", [False, True])
def test_a_network_of_odd_channels_has_the_mask_of_its_coupling(invert):
    network = ChannelNetwork(channels=5, invert=invert, filters=2, num_residual_blocks=0)
    kept = rnvp.channel_mask((5,), invert=invert)
    x = np.arange(1.0, 6.0, dtype=np.float32)[None, None, None]
    np.testing.assert_array_equal(np.ravel(network.kept(tf.constant(x))), x.ravel()[kept])
    placed = network.placed(tf.ones([1, 1, 1, network.changed_channels]))
    np.testing.assert_array_equal(np.ravel(placed), ~kept)


def test_an_image_as_condition_is_averaged_over_blocks():
    options = {"num_residual_blocks": 0, "conditional_channels": 2}
    network = ChannelNetwork(channels=4, invert=False, filters=2, **options)
    network.build((None, 2, 3, 4))
    random = np.random.default_rng(0)
    x, condition = (random.normal(size=shape).astype(np.float32) for shape in ((1, 2, 3, 4), (1, 4, 6, 2)))
    means = condition.reshape(1, 2, 2, 3, 2, 2).mean(axis=(2, 4))
    for a, b in zip(network(x, condition), network(x, means), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert np.abs(network(x, condition[:, ::-1])[0] - network(x, condition)[0]).max() > 1e-3


def test_what_flows_start_as():
    """Vector flows as the identity; image flows without a change of volume by checkerboard couplings."""
    z = tf.constant(np.random.default_rng(0).normal(size=(3, 4)))
    vector = rnvp.RealNVP((4,), num_couplings=2, hidden_units=(3,), use_batch_norm=False, dtype="float64")
    np.testing.assert_array_equal(vector.forward(z), z)
    for v in vector.trainable_variables:
        v.assign_add(0.3 * tf.ones_like(v))
    assert (vector.forward(tf.identity(z)) != z).numpy().all()  # Couplings take turns.
    options = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 2, "use_batch_norm": False}
    image = rnvp.RealNVP((4, 4, 1), **options)
    x = tf.random.stateless_normal([2, 4, 4, 1], (0, 1))
    np.testing.assert_array_equal(image.forward_log_det_jacobian(x, 3), [0, 0])
    assert np.abs(image.forward(x) - x).max() > 0.1
    for side in (1, 3):
        conv = WeightNormConv2D(2, side)
        conv.build((None, 4, 4, 3))
        np.testing.assert_allclose(conv.magnitude, [side / np.sqrt(6)] * 2, rtol=1e-6)


def test_scales_until_four_by_four():
    sizes = {(64, 64): 5, (32, 32): 4, (8, 8): 2, (4, 4): 1, (28, 28): 3, (12, 8): 2, (6, 8): 2}
    assert {sides: default_num_scales((*sides, 3)) for sides in sizes} == sizes
