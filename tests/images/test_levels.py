"""Integers that are none of a distribution's levels are refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_realnvp as rnvp
from tfp_realnvp.images.image_distribution import num_levels_of


def model_of(num_levels):
    flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=0, base_filters=2)
    model = rnvp.FlowModel(rnvp.image_distribution(flow, num_levels))
    model.compile(keras.optimizers.SGD(1e-3))
    return model


@pytest.fixture(scope="module")
def models():
    return {num_levels: model_of(num_levels) for num_levels in (32, 256)}


def images(value, dtype):
    x = np.zeros((4, 4, 4, 1), dtype)
    x[1, 2, 3] = value
    return x


@pytest.mark.parametrize(
    ("num_levels", "value", "dtype"),
    [(32, 255, "uint8"), (32, 32, "int64"), (256, 4095, "uint16"), (256, -1, "int8"), (256, 300, "int32")],
)
def test_integers_beyond_the_levels(models, num_levels, value, dtype):
    model, x = models[num_levels], images(value, dtype)
    most = min(num_levels - 1, np.iinfo(dtype).max)
    message = f"`events` must be integers from 0 to {most}, the levels of pixels"
    with pytest.raises(ValueError, match=f"{message}; got from {min(0, value)} to {max(0, value)}"):
        model.encode(x)
    for run in (model.predict, model.evaluate, model.fit):
        with pytest.raises(ValueError, match=message):
            run(x, verbose=0)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        model.predict(tf.data.Dataset.from_tensors(x), verbose=0)


def test_fit_stops_before_anything_is_nan(models):
    model = models[32]
    before = [np.array(v) for v in model.trainable_variables]
    data = tf.data.Dataset.from_tensors(images(32, "uint8"))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`events` must be integers from 0 to 31"):
        model.fit(data, shuffle=False, verbose=0)
    with pytest.raises(ValueError, match="`events` must be integers from 0 to 31"):
        model.fit(images(0, "uint8"), validation_data=(images(32, "uint8"), None), verbose=0)
    for v, value in zip(model.trainable_variables, before, strict=True):
        np.testing.assert_array_equal(v, value)


def test_the_levels_themselves(models):
    for num_levels, model in models.items():
        assert num_levels_of(model.distribution) == num_levels
        assert np.isfinite(model.predict(images(num_levels - 1, "uint8"), verbose=0)).all()
    assert num_levels_of(rnvp.FlowModel.from_pretrained("digits").distribution) == 17


def test_xla_drops_no_check(models):
    """Its compiler knows no assertions; a level of -1 lies in the logit's margin, and has a density."""
    model = model_of(32)
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=True)
    good, bad = (tf.data.Dataset.from_tensors(images(value, "int8")) for value in (0, -1))
    assert np.isfinite(model.predict(good, verbose=0)).all()
    with pytest.raises(tf.errors.InvalidArgumentError, match="`events` must be integers from 0 to 31"):
        model.predict(bad, verbose=0)
    pairs = tf.data.Dataset.zip(bad, tf.data.Dataset.from_tensors(np.zeros((4, 0), np.float32)))
    with pytest.raises(tf.errors.InvalidArgumentError, match="`events` must be integers from 0 to 31"):
        model.fit(pairs, shuffle=False, verbose=0)
    batch = images(-1, "int8")
    assert np.isnan(model.train_on_batch(batch)[0])  # Keras hands batches to the compiled function unseen.
    model = model_of(32)
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=True)
    density = model.predict_on_batch(batch)
    np.testing.assert_array_equal(np.isnan(density), np.arange(4) == 1)
