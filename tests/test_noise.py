"""Noise that dequantises: the same however it is computed, and of every seed another."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import image_model

import tfp_realnvp as rnvp
from tfp_realnvp.uniform_noise import uniform_noise

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
