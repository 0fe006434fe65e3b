"""Bits per dimension over noise, the importance-weighted bound and the error of inversion."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import scaled_model

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis.evaluation import (
    Estimate,
    importance_weighted_bits,
    inversion_error,
    log_prob_draws,
    log_prob_of_conditions,
    mean_bits,
)
from tfp_realnvp.data.image_data import arrays

random = np.random.default_rng(0)
x, y = random.integers(0, 256, (20, 4, 4, 3)).astype(np.uint8), np.arange(20) % 3
images = arrays((x[:12], y[:12]), (x[12:], y[12:]), num_classes=3)
both = pytest.mark.parametrize("conditional", [pytest.param(False, marks=pytest.mark.slow), True])


def test_estimate():
    estimate = Estimate.of([1.0, 2.0, 3.0, 6.0])
    assert estimate.mean == 3
    assert estimate.standard_error == pytest.approx(np.std([1, 2, 3, 6], ddof=1) / 2)
    assert str(estimate) == "3.000 ± 1.080"
    assert Estimate.of([2.0]) == Estimate(2.0, None)
    assert str(Estimate(2.0, None)) == "2.000"


@both
def test_log_prob_draws(conditional):
    m = scaled_model(conditional, (4, 4, 3), 1)
    log_prob = log_prob_draws(m, images, 3, seed=5, conditional=conditional, batch_size=3)
    assert log_prob.shape == (3, 8)
    for draw in range(3):
        noisy = np.stack([rnvp.dequantize(image, (15 + draw, i)) for i, image in enumerate(x[12:])])
        condition = {"conditional_input": np.eye(3, dtype=np.float32)[y[12:]]} if conditional else {}
        kwargs = rnvp.bijector_kwargs(m.distribution.bijector, **condition)
        expected = m.distribution.log_prob(noisy, bijector_kwargs=kwargs)
        np.testing.assert_allclose(log_prob[draw], expected, rtol=1e-5)
    again = log_prob_draws(m, images, 1, seed=16, conditional=conditional, batch_size=8)
    np.testing.assert_allclose(again[0], log_prob[1], rtol=1e-5)
    train = log_prob_draws(m, images, 1, conditional=conditional, split="train", num_images=7)
    assert train.shape == (1, 7)


def test_bounds():
    log_prob = random.normal(-5000, 30, (6, 9))
    dims = 48 * np.log(2)
    np.testing.assert_allclose(mean_bits(log_prob, (4, 4, 3)), -log_prob.mean(axis=0) / dims)
    weighted = importance_weighted_bits(log_prob, (4, 4, 3))
    largest = log_prob.max(axis=0)
    expected = -(largest + np.log(np.exp(log_prob - largest).sum(axis=0) / 6)) / dims
    np.testing.assert_allclose(weighted, expected)
    assert (weighted < mean_bits(log_prob, (4, 4, 3))).all()
    np.testing.assert_allclose(importance_weighted_bits(log_prob[:1], (4, 4, 3)), -log_prob[0] / dims)


@pytest.mark.slow
def test_the_weighted_bound_tends_to_the_probability_of_the_integers():
    """Over all images, the probabilities add up to that of a sample to lie within the levels."""
    flow = rnvp.RealNVP((2, 2, 1), 1, num_residual_blocks=1, base_filters=4, use_batch_norm=False)
    m = rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=2))
    for v in m.trainable_variables:
        v.assign_add(0.3 * random.normal(size=v.shape))
    every = np.stack(np.meshgrid(*4 * [[0, 1]]), axis=-1).reshape(16, 2, 2, 1).astype(np.uint8)
    all_images = arrays((every, np.zeros(16)), (every, np.zeros(16)), num_levels=2)
    log_prob = log_prob_draws(m, all_images, 150, batch_size=16)
    probability = np.exp2(-4 * importance_weighted_bits(log_prob, (2, 2, 1)))
    samples = m.sample(100_000, seed=0).numpy()
    counts = np.zeros(16)
    within = ((samples >= 0) & (samples < 2)).all(axis=(1, 2, 3))
    pixels = np.floor(samples[within]).reshape(-1, 4).astype(int)
    for i, image in enumerate(every.reshape(16, 4)):
        counts[i] = (pixels == image).all(axis=-1).mean() * within.mean()
    np.testing.assert_allclose(probability, counts, atol=0.01)
    assert probability.sum() == pytest.approx(within.mean(), abs=0.01)
    assert probability.std() > 0.01


def test_log_prob_of_conditions():
    m = scaled_model(True, (4, 4, 3), 1)
    log_prob = log_prob_of_conditions(m, x[:5], np.eye(3, dtype=np.float32), batch_size=2)
    assert log_prob.shape == (5, 3)
    for j, condition in enumerate(np.eye(3, dtype=np.float32)):
        expected = m.predict((x[:5], np.tile(condition, (5, 1))), verbose=0)
        np.testing.assert_allclose(log_prob[:, j], expected, rtol=1e-5)


@both
def test_inversion_error(conditional):
    m = scaled_model(conditional, (4, 4, 3), 1)
    batches = data.evaluation_batches(images, 3, conditional, noise_seed=0)
    assert 0 < inversion_error(m, batches) < 0.01

    class Broken:
        encode, offset = m.encode, 0.0

        def decode(self, *args):
            return m.decode(*args) + self.offset

    broken = Broken()
    broken.offset = tf.constant(np.eye(4)[:, :, None] * [0, 0, 3], tf.float32)
    assert inversion_error(broken, batches) == pytest.approx(3, abs=0.01)
    broken.offset = np.float32(np.nan)
    assert np.isnan(inversion_error(broken, batches))
