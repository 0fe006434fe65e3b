"""Turns integer pixel values into floats by adding noise."""

import tensorflow as tf

from tfp_realnvp.images.levels import in_range, nan_beyond
from tfp_realnvp.images.uniform_noise import DIGITS, uniform_noise
from tfp_realnvp.utils.arguments import float_dtype
from tfp_realnvp.utils.hints import DTypeLike, Seed, TensorLike
from tfp_realnvp.utils.seeds import stateless_seed


def dequantize(images: TensorLike, seed: Seed | None = None, dtype: DTypeLike = tf.float32) -> tf.Tensor:
    """Adds uniform noise from `[0, 1)` to integer pixel values.

    ```none
    result = images + u,   u ~ Uniform[0, 1)
    ```

    The mean log-density of the result is a lower bound of the log-probability of the integers. At
    the integers themselves, a density could be infinite.

    Args:
      images: Integer `Tensor` or array of any shape.
      seed: Python `int` or stateless seed `Tensor` of shape `[2]`, for the same noise each
        time, or None.
      dtype: Float `tf.DType` of the result.

    Returns:
      `Tensor` of the shape of `images`, with `floor(result) == images`.

    Raises:
      TypeError: if `images` do not have an integer dtype, `dtype` is not a float dtype, or
        `seed` has another type.
      ValueError: if `images` hold integers that `dtype` cannot represent (above 2**24 in float32;
        a running graph raises `InvalidArgumentError`, compiled by XLA it gives NaN), or `seed` is
        out of range.

    >>> int(dequantize([[255]], seed=1)[0, 0])
    255

    #### References
    Theis et al. (2016), A note on the evaluation of generative models, section 3.1.
    """
    images = tf.convert_to_tensor(images)
    dtype = float_dtype(dtype) or tf.float32
    return add_noise(images, uniform_noise(tf.shape(images), stateless_seed(seed), dtype))


def add_noise(images: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Adds noise in `[0, 1)` to integer images; the result has the dtype of `noise`."""
    if not images.dtype.is_integer:
        raise TypeError(f"`images` must be integers to be dequantised; got dtype {images.dtype.name}.")
    most = 2 ** (DIGITS[noise.dtype.name][1] + 1)
    integers = in_range(images, "images", -most, most, f", which {noise.dtype.name} holds")
    images = tf.cast(integers, noise.dtype)
    noisy = images + noise
    noisy = tf.where(noisy < images + 1, noisy, images)  # No noise where the sum was rounded up.
    return nan_beyond(noisy, integers, -most, most)
