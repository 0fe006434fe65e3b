"""Noise that dequantises: the same however it is computed, and of every seed another."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import image_model

import tfp_realnvp as rnvp
from tfp_realnvp.images.uniform_noise import uniform_noise
from tfp_realnvp.utils.seeds import stateless_seed

SEEDS = [(0, 5), (2**40, -3)]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64, tf.bfloat16, tf.float16], ids=lambda d: d.name)
def test_it_does_not_depend_on_xla_and_is_what_tensorflow_draws_on_a_cpu(dtype):
    draw = tf.function(lambda seed: uniform_noise((7, 5, 3), seed, dtype), jit_compile=True)
    for seed in SEEDS:
        seed = tf.constant(seed, tf.int64)
        noise = uniform_noise((7, 5, 3), seed, dtype)
        np.testing.assert_array_equal(draw(seed), noise)
        np.testing.assert_array_equal(tf.random.stateless_uniform((7, 5, 3), seed, dtype=dtype), noise)


def test_images_get_the_same_noise_under_xla():
    images = np.arange(64).reshape(4, 4, 4, 1) % 16
    compiled = tf.function(lambda x: rnvp.dequantize(x, seed=3), jit_compile=True)
    np.testing.assert_array_equal(compiled(images), rnvp.dequantize(images, seed=3))
    model = image_model()
    for training in (False, True):
        noisy = []
        for jit_compile in (False, True):
            model._noise.state.assign([7, 0])
            noisy.append(tf.function(model._continuous, jit_compile=jit_compile)(images, training))
        np.testing.assert_array_equal(*noisy)


@pytest.mark.parametrize(
    ("dtype", "image", "most"),
    [(tf.float32, 2**24 + 1, 2**24), (tf.bfloat16, 257, 256), (tf.float16, -2049, 2048)],
    ids=["float32", "bfloat16", "float16"],
)
def test_integers_that_the_dtype_does_not_hold_are_refused(dtype, image, most):
    message = f"`images` must be integers from -{most} to {most}, which {dtype.name} holds.*{image}"
    with pytest.raises(ValueError, match=message):
        rnvp.dequantize([0, image], dtype=dtype)
    graph = tf.function(lambda x: rnvp.dequantize(x, dtype=dtype))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be integers"):
        graph(tf.constant([0, image]))
    assert graph(tf.constant([0, most])).dtype == dtype
    assert rnvp.dequantize(np.uint8([0, 255]), dtype=dtype).dtype == dtype
    assert rnvp.dequantize([0, image], dtype=tf.float64)[1] >= image


def test_every_seed_gives_other_noise():
    seeds = [0, 1, -1, 2**31, 2**32, 2**32 - 1, 2**31 - 1, -(2**31), -(2**31) - 1, 2**40, 2**61]
    draws = {tuple(stateless_seed(seed).numpy()) for seed in seeds}
    assert len(draws) == len(seeds)
    model = image_model()
    samples = [model.sample(1, seed=seed).numpy() for seed in (0, 2**32)]
    assert np.any(samples[0] != samples[1])


@pytest.mark.parametrize("seed", [2**63, -(2**70), (0, 2**32), np.array([2**40, 0])])
def test_seeds_out_of_range_are_named(seed):
    for draw in (lambda: image_model().sample(1, seed=seed), lambda: rnvp.dequantize([1], seed=seed)):
        with pytest.raises(ValueError, match="`seed` must be an integer of less than 62 bits, or two of 32"):
            draw()


def test_a_models_seed_out_of_range_is_named():
    with pytest.raises(ValueError, match="`seed` must be an integer of 64 bits"):
        rnvp.FlowModel(image_model().distribution, seed=2**63)
    with pytest.raises(TypeError, match="`seed` must be an integer, a seed of shape"):
        stateless_seed([0.5, 1.5])
