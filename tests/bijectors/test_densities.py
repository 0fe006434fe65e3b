"""Densities integrate to 1 and agree with their own samples."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow_probability.python.internal import test_util

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


def flow_2d(conditional=False):
    """A flow over the plane with random weights."""
    flow = rnvp.RealNVP(
        (2,),
        num_couplings=4,
        hidden_units=(16,),
        dtype="float64",
        conditional_event_shape=(3,) if conditional else None,
    )
    random = np.random.default_rng(3)
    for v in flow.variables:
        spread = np.exp(0.2 * random.normal(size=v.shape))
        v.assign(spread if "variance" in v.name else 0.4 * random.normal(size=v.shape))
    return tfd.TransformedDistribution(tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), 1.0), [2]), flow)


def total(log_prob, radius, n=1201):
    """The integral of a density over a square."""
    axis = np.linspace(-radius, radius, n)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    values = np.concatenate([np.exp(log_prob(tf.constant(p))) for p in np.array_split(points, 8)])
    return values.sum() * (axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("conditional", [False, True])
def test_a_flow_over_the_plane_integrates_to_one(conditional):
    dist = flow_2d(conditional)

    def log_prob(x):
        condition = tf.constant([0.3, -1.0, 2.0], tf.float64) if conditional else None
        kwargs = rnvp.bijector_kwargs(dist.bijector, conditional_input=condition)
        return dist.log_prob(x, bijector_kwargs=kwargs)

    np.testing.assert_allclose(total(log_prob, radius=25.0), 1.0, atol=1e-4)


def test_a_condition_changes_the_density():
    dist = flow_2d(conditional=True)
    x = tf.zeros([1, 2], tf.float64)
    a, b = (
        dist.log_prob(x, bijector_kwargs={"conditional_input": tf.constant([c], tf.float64)})
        for c in ([1.0, 0, 0], [0, 1.0, 0])
    )
    assert abs(a - b) > 0.01


def test_batch_norm_among_stock_bijectors_integrates_to_one():
    norm = rnvp.BatchNormalization((1,), dtype="float64")
    for v, value in zip(norm.variables, ([0.5], [0.3], [1.5], [2.0]), strict=True):
        v.assign(value)
    chain = tfb.Chain(
        [
            tfb.Scale(tf.constant(0.7, tf.float64)),
            norm,
            tfb.Sigmoid(),
            tfb.Shift(tf.constant(-1.0, tf.float64)),
            norm,
        ]
    )
    base = tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), 1.0), [1])
    dist = tfd.TransformedDistribution(base, chain)
    edges = chain.forward(tf.constant([[-60.0], [60.0]], tf.float64))[:, 0]
    x = np.linspace(*edges, 400_003)[1:-1]
    density = np.exp(dist.log_prob(x[:, None]))
    np.testing.assert_allclose(density.sum() * (x[1] - x[0]), 1.0, atol=1e-5)


def test_training_treats_batch_statistics_as_constants():
    norm = rnvp.BatchNormalization((3,), center=False, scale=False, dtype="float64")
    y = tf.constant(np.random.default_rng(0).normal(2.0, 3.0, size=(16, 3)))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(y)
        z = norm.inverse(y, training=True)
        log_det = norm.inverse_log_det_jacobian(y, 1, training=True)
    mean, variance = np.mean(y, axis=0), np.var(y, axis=0)
    np.testing.assert_allclose(z, (y - mean) / np.sqrt(variance + 1e-4), atol=1e-12)
    np.testing.assert_allclose(log_det, np.full(16, -0.5 * np.log(variance + 1e-4).sum()), atol=1e-12)
    gradient = -(y - mean) / (variance + 1e-4)  # Of 16 equal log-determinants, each through all rows.
    np.testing.assert_allclose(tape.gradient(log_det, y), gradient, atol=1e-10)
    np.testing.assert_allclose(tape.gradient(z, y), np.zeros_like(y), atol=1e-10)  # Sums to 0 whatever y.


def test_running_average_variant():
    norm = rnvp.BatchNormalization(
        (1,), center=False, scale=False, momentum=0.75, use_running_average=True, dtype="float64"
    )
    norm.layer.moving_mean.assign([4.0])
    norm.layer.moving_variance.assign([9.0])
    y = tf.constant(6 * [[1.0], [3.0], [8.0]], tf.float64)  # 16 events count as a whole batch.
    with tf.GradientTape() as tape:
        tape.watch(y)
        z = norm.inverse(y, training=True)
    mean, variance = 0.75 * 4 + 0.25 * 4, 0.75 * 9 + 0.25 * np.var(y)
    np.testing.assert_allclose(z, (y - mean) / np.sqrt(variance + 1e-4), atol=1e-12)
    np.testing.assert_allclose([norm.layer.moving_mean[0], norm.layer.moving_variance[0]], [mean, variance])
    assert np.abs(tape.gradient(z, y)).max() > 0.1  # No longer only the batch's own statistics.
    again = norm.inverse(y, training=True)
    assert np.abs(again - z).max() > 1e-3


def test_forward_uses_moving_statistics_while_training():
    norm = rnvp.BatchNormalization((2,))
    z = tf.random.stateless_normal([8, 2], (0, 0))
    np.testing.assert_array_equal(norm.forward(z, training=True), norm.forward(z))
    np.testing.assert_array_equal(norm.layer.moving_mean, [0.0, 0.0])


def test_statistics_count_the_zeros_of_a_mask():
    mask = rnvp.checkerboard_mask((4, 4, 1))
    norm = rnvp.BatchNormalization((4, 4, 1), mask, momentum=0.0, dtype="float64")
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(500, 4, 4, 1))
    norm.inverse(x, training=True)
    changed = x[:, ~mask]
    np.testing.assert_allclose(norm.layer.moving_mean[0], changed.mean() / 2)
    np.testing.assert_allclose(
        norm.layer.moving_variance[0], (changed**2).mean() / 2 - changed.mean() ** 2 / 4
    )


def test_rescaled_latents_have_variance_1():
    config = {"num_scales": 2, "num_residual_blocks": 1, "base_filters": 4, "dtype": "float64"}
    plain = rnvp.RealNVP((8, 8, 2), **config, rescale_latents=False)
    rescaled = rnvp.RealNVP((8, 8, 2), **config, layers=plain.parameters["layers"])
    x = np.random.default_rng(0).normal(size=(200, 8, 8, 2))
    latents, expected = (flow.inverse(x, training=True).numpy() for flow in (rescaled, plain))
    last = ~np.isclose(latents, expected).all(axis=0)
    assert last.sum() == last.size / 2
    np.testing.assert_allclose(latents[:, last] * 2**0.5, expected[:, last], rtol=1e-12)
    assert abs(np.square(expected[:, last]).mean() - 2) < 0.05
    assert abs(np.square(latents[:, last]).mean() - 1) < 0.025
    assert abs(np.square(latents[:, ~last]).mean() - 1) < 0.025
    difference = rescaled.inverse_log_det_jacobian(x, 3) - plain.inverse_log_det_jacobian(x, 3)
    np.testing.assert_allclose(difference, -64 * np.log(2) / 2, rtol=1e-6)


class HelpersTest(test_util.VectorDistributionTestHelpers, test_util.TestCase):
    """TFP's own check that samples and density belong together."""

    def test_samples_are_consistent_with_log_prob(self):
        self.run_test_sample_consistent_log_prob(
            self.evaluate,
            flow_2d(),  # Of random weights: a new flow is the identity.
            num_samples=int(1e5),
            radius=1.0,
            center=np.array([0.1, 2.5]),  # Where half of its samples lie.
            rtol=0.05,
            seed=test_util.test_seed(),
        )
