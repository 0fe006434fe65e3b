"""Moving statistics of a data set, for every kind of batch norm."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

x = np.random.default_rng(0).normal([1.0, 4.0], [2.0, 0.5], size=(70, 2)).astype(np.float32)


def vector_model(bijector):
    return rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), bijector))


def image_model(**kwargs):
    flow = rnvp.RealNVP((4, 4, 1), **{"num_residual_blocks": 0, "base_filters": 4, **kwargs})
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16), seed=0)


def images(n=96):
    return np.random.default_rng(0).integers(0, 16, size=(n, 4, 4, 1)).astype(np.float32) + 0.5


@pytest.mark.parametrize("batch_size", [70, 32, 16])
@pytest.mark.parametrize("use_running_average", [False, True])
def test_statistics_are_those_of_the_data(batch_size, use_running_average):
    norm = rnvp.BatchNormalization((2,), use_running_average=use_running_average)
    norm.layer.moving_mean.assign([100.0, np.nan])
    vector_model(norm).recalibrate(x, batch_size=batch_size)
    assert_has_statistics_of_x(norm)


@pytest.mark.parametrize("endless", [False, True])
def test_statistics_are_those_of_a_data_set(endless):
    norm = rnvp.BatchNormalization((2,))
    batches = tf.data.Dataset.from_tensor_slices(x).batch(32)
    vector_model(norm).recalibrate(batches.repeat() if endless else batches, steps=3 if endless else None)
    assert_has_statistics_of_x(norm)


def assert_has_statistics_of_x(norm):
    np.testing.assert_allclose(norm.layer.moving_mean, x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(norm.layer.moving_variance, x.var(axis=0), rtol=1e-5)
    assert norm.momentum == 0.9


@pytest.mark.parametrize("module", [keras, tf_keras], ids=["keras_3", "tf_keras"])
def test_reaches_batch_norms_in_networks(module):
    norm = module.layers.BatchNormalization(momentum=0.99)
    network = module.Sequential([norm, module.layers.Dense(4)])
    network.build((None, 2))
    model = vector_model(rnvp.AffineCoupling(rnvp.channel_mask((2,)), network))
    before = [np.array(v) for v in model.trainable_variables]
    model.recalibrate(x, batch_size=16)
    np.testing.assert_allclose(norm.moving_mean, [x[:, 0].mean(), 0.0], rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, [x[:, 0].var(), 0.0], rtol=1e-4, atol=1e-6)
    assert norm.momentum == 0.99
    for v, b in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(v, b)


def test_evaluation_becomes_what_training_sees():
    model = image_model(num_residual_blocks=1, rescale_latents=False)  # There, lagging statistics cost most.
    random = np.random.default_rng(0)
    for v in model.trainable_variables:
        v.assign_add(0.2 * random.normal(size=v.shape))
    events = images()
    training = rnvp.bits_per_dim(model(events, training=True), (4, 4, 1)).numpy()
    assert np.abs(rnvp.bits_per_dim(model(events), (4, 4, 1)) - training).max() > 0.5
    model.recalibrate(events, batch_size=len(events))
    np.testing.assert_allclose(rnvp.bits_per_dim(model(events), (4, 4, 1)), training, atol=1e-4)


def test_conditions_reach_the_flow():
    model = image_model(conditional_event_shape=(3,))
    condition = np.eye(3, dtype=np.float32)[np.arange(96) % 3]
    expected = model((images(), condition), training=True)
    model.recalibrate(images(), condition, batch_size=96)
    np.testing.assert_allclose(model((images(), condition)), expected, rtol=1e-4)


def test_frozen_and_failed_stay_as_they_were():
    frozen, moving = rnvp.BatchNormalization((2,)), rnvp.BatchNormalization((2,))
    frozen.layer.trainable = False
    frozen.layer.moving_mean.assign([1.0, 2.0])
    model = vector_model(tfb.Chain([moving, frozen]))
    model.recalibrate(x)
    np.testing.assert_array_equal(frozen.layer.moving_mean, [1.0, 2.0])
    np.testing.assert_array_equal(frozen.layer.moving_variance, [1.0, 1.0])
    before = np.array(moving.layer.moving_mean)
    assert np.abs(before).min() > 0.5

    def failing():
        yield x
        raise OSError("disk")

    spec = tf.TensorSpec([None, 2])
    with pytest.raises(Exception, match="disk"):
        model.recalibrate(tf.data.Dataset.from_generator(failing, output_signature=spec))
    np.testing.assert_array_equal(moving.layer.moving_mean, before)
    assert moving.momentum == 0.9


def test_nothing_else_changes():
    dense = keras.layers.SpectralNormalization(keras.layers.Dense(4))
    network = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.BatchNormalization(), dense])
    network.build((None, 2))
    norm = rnvp.BatchNormalization((2,))
    model = vector_model(tfb.Chain([norm, rnvp.AffineCoupling(rnvp.channel_mask((2,)), network)]))
    statistics = [norm.layer.moving_mean, norm.layer.moving_variance]
    statistics += [network.layers[1].moving_mean, network.layers[1].moving_variance]
    ids = {id(v._value) for v in statistics}
    others = [v for v in model.distribution.variables if id(v) not in ids]
    before = [np.array(v) for v in others]
    moving = [np.array(v) for v in statistics]
    model.recalibrate(x)
    assert len(others) >= 5
    for v, b in zip(others, before, strict=True):
        np.testing.assert_array_equal(v, b, err_msg=v.name)
    assert all(np.abs(v - b).max() > 0.01 for v, b in zip(statistics, moving, strict=True))


def test_empty_batches_do_not_count():
    norm = rnvp.BatchNormalization((2,))
    sizes = [x[:0], x[:50], x[:0], x[50:]]
    spec = tf.TensorSpec([None, 2])
    vector_model(norm).recalibrate(tf.data.Dataset.from_generator(lambda: iter(sizes), output_signature=spec))
    np.testing.assert_allclose(norm.layer.moving_mean, x.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(norm.layer.moving_variance, x.var(axis=0), rtol=1e-5)


def test_integers_are_dequantised():
    model = image_model()
    whole = np.full((64, 4, 4, 1), 8, np.uint8)
    model.recalibrate(whole)
    norm = next(m for m in model.distribution.submodules if isinstance(m, rnvp.BatchNormalization))
    assert np.min(norm.layer.moving_variance) > 0  # Of the noise.
