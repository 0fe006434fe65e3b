"""Batch norm where batches are small, or the last one of an epoch is."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp.networks.inner_batch_norm import InnerBatchNorm

tfd = tfp.distributions

x = np.random.default_rng(0).normal(size=(1025, 4)).astype(np.float32)


def model_of(**kwargs):
    keras.utils.set_random_seed(0)
    flow = rnvp.RealNVP((4,), num_couplings=2, hidden_units=(8,), **kwargs)
    base = tfd.Sample(tfd.Normal(0.0, 1.0), 4)
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, flow))
    model.compile(keras.optimizers.Adam(1e-3))
    return model


@pytest.mark.parametrize("use_running_average", [False, True])
def test_what_is_left_over_of_an_epoch_does_not_count_as_a_batch(use_running_average):
    """The entropy is 5.676 nats; one vector more made it 6.0 and worse."""
    model = model_of(use_running_average=use_running_average)
    for n in (1025, 1):  # The last: training goes on with a single one.
        with (
            pytest.warns(UserWarning, match="batch_size` of at least 2 events")
            if n == 1
            else contextlib.nullcontext()
        ):
            model.fit(x[-n:], batch_size=128, epochs=2, verbose=0)
        assert abs(-model.predict(x[:1000], verbose=0).mean() - 5.676) < 0.15


@pytest.mark.parametrize("shape", [(1,), (None,)], ids=["known", "unknown"])
@pytest.mark.parametrize("use_running_average", [False, True])
def test_a_single_element_moves_nothing(shape, use_running_average):
    norm = rnvp.BatchNormalization((4,), use_running_average=use_running_average)
    norm.layer.moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    event = tf.constant(x[:1])
    inverse = tf.function(
        lambda y: norm.inverse(y, training=True), input_signature=[tf.TensorSpec((*shape, 4))]
    )
    np.testing.assert_allclose(inverse(event), norm.inverse(event), rtol=1e-6)
    np.testing.assert_array_equal(norm.layer.moving_mean, [1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(norm.layer.moving_variance, [1.0] * 4)


@pytest.mark.parametrize("n", [2, 5, 15, 16, 64])
def test_statistics_are_weighed_by_the_number_of_elements(n):
    """As if `n - 1` of 15 parts of a batch had come; known and unknown shapes, vectors and pixels."""
    y = x[:n].astype(np.float64)
    share = min(1, (n - 1) / 15)
    mean = (1 - 0.9**share) * y.mean(0)
    correction = n / (n - 1) if n < 16 else 1
    variance = 0.9**share + (1 - 0.9**share) * y.var(0) * correction
    for shape, sides in (((4,), (n,)), ((None, None, 4), (1, n, 1))):
        for signature in (
            tf.TensorSpec((*sides, 4), tf.float64),
            tf.TensorSpec((*[None] * len(sides), 4), tf.float64),
        ):
            norm = rnvp.BatchNormalization(shape, dtype="float64")
            tf.function(lambda z, norm=norm: norm.inverse(z, training=True), input_signature=[signature])(
                y.reshape(*sides, 4)
            )
            np.testing.assert_allclose(norm.layer.moving_mean, mean, rtol=1e-12)
            np.testing.assert_allclose(norm.layer.moving_variance, variance, rtol=1e-12)
    layer = InnerBatchNorm()
    layer(y.reshape(1, n, 1, 4), training=True)
    np.testing.assert_allclose(layer.moving_mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance, variance, rtol=1e-5)


def test_recalibration_passes_over_a_single_vector():
    model = model_of()
    norm = model.distribution.bijector.bijectors[1].layer
    model.recalibrate(x[:64], batch_size=64)
    variance = np.array(norm.moving_variance)
    model.recalibrate(x[:65], batch_size=64)
    np.testing.assert_array_equal(norm.moving_variance, variance)
    with pytest.raises(ValueError, match="at least 2 events"):
        model.recalibrate(x[:8], batch_size=1)
    np.testing.assert_array_equal(norm.moving_variance, variance)


def test_a_single_image_has_many_elements():
    norm = rnvp.BatchNormalization((8, 8, 1))
    image = np.random.default_rng(0).normal(3.0, 2.0, (1, 8, 8, 1)).astype(np.float32)
    norm.inverse(image, training=True)
    np.testing.assert_allclose(norm.layer.moving_mean, 0.1 * image.mean(), rtol=1e-5)
    np.testing.assert_allclose(norm.layer.moving_variance, 0.9 + 0.1 * image.var(), rtol=1e-5)
