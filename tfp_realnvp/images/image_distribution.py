"""Images as data of a flow: pixel values, dequantisation and bits per dimension."""

import math
import numbers
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import Chain
from tfp_realnvp.images.uniform_noise import DIGITS, uniform_noise
from tfp_realnvp.utils.arguments import check_bool, check_integer, float_dtype, known_shape
from tfp_realnvp.utils.hints import ArrayLike, DTypeLike, Seed, Shape, TensorLike

tfb, tfd = tfp.bijectors, tfp.distributions

LogProb = TypeVar("LogProb", float, np.floating, np.ndarray, tf.Tensor)

MARGIN = 0.05
"""The share of the logit's range that is left free at either end (section 4.1)."""

PIXELS = "pixels"
"""Name of the bijector from logits to pixel values."""


def image_distribution(
    flow: tfp.bijectors.Bijector,
    num_levels: int = 256,
    event_shape: Shape | None = None,
    validate_args: bool = False,
    name: str = "image_distribution",
) -> tfp.distributions.TransformedDistribution:
    """The distribution of dequantised pixel values under a flow.

    ```none
    x = num_levels (sigmoid(flow(z)) - 0.05) / 0.9,   z ~ Normal(0, 1)
    ```

    so that a pixel value `x` in `[0, num_levels)` enters the flow as
    `logit(0.05 + 0.9 x / num_levels)`. `log_prob` is in nats, of the density over pixel
    values. A sample may lie outside of `[0, num_levels)`, in the margin of the logit; clip
    it to draw it.

    Args:
      flow: `tfb.Bijector` from latents to logits, such as a `RealNVP`; both have the
        image's shape.
      num_levels: Python `int`, number of values a pixel takes.
      event_shape: Shape of an image; by default that of `flow`.
      validate_args: Python `bool`, whether `log_prob` and `sample` raise where a pixel is
        not finite or not within the margin, at a cost.
      name: Python `str`.

    Returns:
      A `tfd.TransformedDistribution`, whose `bijector` is a `Chain` of TFP's own `Sigmoid`
      and `flow`.

    Raises:
      ValueError: if `num_levels` is less than 2, or `event_shape` is not known.
      TypeError: if `flow` is no bijector, or `num_levels` no integer.

    #### Examples

    >>> import tensorflow as tf, tfp_realnvp as rnvp
    >>> dist = rnvp.image_distribution(rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=1))
    >>> dist.log_prob(tf.fill([3, 4, 4, 1], 127.5)).shape
    TensorShape([3])

    #### References
    Dinh et al. (2017), section 4.1. The paper's text leaves a margin at 0 only; this is
    the authors' released code.
    """
    if not isinstance(flow, tfb.Bijector):
        raise TypeError(f"`flow` must be a `tfb.Bijector`; got {flow!r}.")
    check_integer(num_levels, "num_levels", least=2)
    check_bool(validate_args, "validate_args")
    shape = known_shape(getattr(flow, "event_shape", None) if event_shape is None else event_shape)
    dtype = tf.as_dtype(flow.dtype or tf.float32)
    low = tf.constant(-num_levels * MARGIN / (1 - 2 * MARGIN), dtype)
    high = tf.constant(num_levels * (1 - MARGIN) / (1 - 2 * MARGIN), dtype)
    normal = tfd.Normal(tf.zeros([], dtype), tf.ones([], dtype))
    return tfd.TransformedDistribution(
        tfd.Sample(normal, shape),
        Chain([tfb.Sigmoid(low, high, name=PIXELS), flow], dtype, validate_args, name="pixels_of_flow"),
        validate_args=validate_args,
        name=name,
    )


def bits_per_dim(log_prob: LogProb, event_shape: Shape) -> LogProb:
    """Bits per dimension, `-log_prob / (D ln 2)`.

    Args:
      log_prob: Float `Tensor` or array of any shape: log-density of events, in nats. For
        images, of their pixel values, as under `image_distribution`: then this is
        comparable to the code length of the 8-bit image.
      event_shape: Shape of an event, of `D` elements.

    Returns:
      Bits, of the type, shape and dtype of `log_prob`.

    Raises:
      TypeError: if `log_prob` is no number, array or `Tensor`.
      ValueError: if `event_shape` is empty or not fully known.

    >>> bits_per_dim(-8 * math.log(2.0), (2, 2, 1))
    2.0

    #### References
    Dinh et al. (2017), table 1.
    """
    if not (tf.is_tensor(log_prob) or isinstance(log_prob, (np.ndarray, numbers.Real))):
        raise TypeError(f"`log_prob` must be a number, an array or a `Tensor`; got {log_prob!r}.")
    return -log_prob / (math.prod(known_shape(event_shape)) * math.log(2.0))


def dequantize(images: TensorLike, seed: Seed | None = None, dtype: DTypeLike = tf.float32) -> tf.Tensor:
    """Adds uniform noise from `[0, 1)` to integer pixel values.

    ```none
    result = images + u,   u ~ Uniform[0, 1)
    ```

    The mean log-density of the result is a lower bound of the log-probability of the integers; at
    the integers themselves a density could be infinite.

    Args:
      images: Integer `Tensor` or array of any shape.
      seed: Python `int` or stateless seed `Tensor` of shape `[2]`, which give the same noise
        each time, or None.
      dtype: Float `tf.DType` of the result.

    Returns:
      `Tensor` of the shape of `images`, with `floor(result) == images`.

    Raises:
      TypeError: if `images` are not of an integer dtype, `dtype` is no float one, or
        `seed` is something else.
      ValueError: if `images` hold integers that `dtype` does not (above 2**24 in float32; in a
        graph an `InvalidArgumentError` as it runs), or `seed` is out of range.

    >>> int(dequantize([[255]], seed=1)[0, 0])
    255

    #### References
    Theis et al. (2016), A note on the evaluation of generative models, section 3.1.
    """
    images = tf.convert_to_tensor(images)
    dtype = float_dtype(dtype) or tf.float32
    return add_noise(images, uniform_noise(tf.shape(images), stateless_seed(seed), dtype))


def add_noise(images: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """`images + noise`, of the dtype of `noise`, for integer images and noise in `[0, 1)`."""
    if not images.dtype.is_integer:
        raise TypeError(f"`images` must be integers to be dequantised; got dtype {images.dtype.name}.")
    most = 2 ** (DIGITS[noise.dtype.name][1] + 1)
    images = in_range(images, "images", -most, most, f", which {noise.dtype.name} holds")
    images = tf.cast(images, noise.dtype)
    noisy = images + noise
    return tf.where(noisy < images + 1, noisy, images)  # Where the sum was rounded up.


def in_range(integers: tf.Tensor, name: str, least: int, most: int, reason: str = "") -> tf.Tensor:
    """`integers`; raises a ValueError unless they are in a range, in a graph an `InvalidArgumentError` as
    it runs. Costs nothing where their dtype has no others."""
    if least <= integers.dtype.min and integers.dtype.max <= most:
        return integers
    least, most = max(least, integers.dtype.min), min(most, integers.dtype.max)
    is_in = tf.reduce_all((integers >= least) & (integers <= most))
    message = f"`{name}` must be integers from {least} to {most}{reason}; got from"
    given = tf.reduce_min(integers), tf.reduce_max(integers)
    if not tf.executing_eagerly():
        with tf.control_dependencies([tf.debugging.Assert(is_in, [message, given[0], "to", given[1]])]):
            return tf.identity(integers)
    if not is_in:
        raise ValueError(f"{message} {given[0]} to {given[1]}.")
    return integers


def levels_in_range(events: tf.Tensor, num_levels: int) -> tf.Tensor:
    """`in_range` for integers that are levels of pixels."""
    return in_range(events, "events", 0, num_levels - 1, ", the levels of pixels")


def quantize(images: ArrayLike, num_levels: int = 256) -> np.ndarray:
    """Pixel values as they are shown: within the levels, and rounded down to integers.

    This undoes `dequantize`.

    Args:
      images: Array or `Tensor` of pixel values of any shape, such as `FlowModel.sample` gives.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      Array of the shape of `images`, uint8 for up to 256 levels, else int32.

    >>> quantize([-3.2, 7.9, 16.4], num_levels=16)
    array([ 0,  7, 15], dtype=uint8)
    """
    levels = np.clip(np.floor(np.asarray(images)), 0, num_levels - 1)
    return levels.astype(np.uint8 if num_levels <= 256 else np.int32)


def flow_of(
    distribution: tfp.distributions.TransformedDistribution,
) -> tfp.bijectors.Bijector:
    """The flow that an `image_distribution` was made of.

    Args:
      distribution: As `image_distribution` gives it.

    Returns:
      `tfb.Bijector`.
    """
    return distribution.bijector.bijectors[-1]


def num_levels_of(distribution: tfp.distributions.Distribution) -> int | None:
    """The `num_levels` that an `image_distribution` was made with; of another distribution None."""
    pixels = next(iter(getattr(distribution.bijector, "bijectors", [])), None)
    if not isinstance(pixels, tfb.Sigmoid) or pixels.name != PIXELS:
        return None
    return round(float(pixels.high - pixels.low) * (1 - 2 * MARGIN))


def stateless_seed(seed: Seed | None) -> tf.Tensor:
    """A seed of shape `[2]`: of a Python `int` always the same, of None always another."""
    if seed is None or (tf.is_tensor(seed) and np.shape(seed) == (2,)):
        return tfp.random.sanitize_seed(seed)
    pair: Any = seed
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        value = int(seed)
        # Beyond 32 bits, another pair for each.
        pair = (0, value) if -(2**31) <= value < 2**31 else (value >> 31, value & (2**31 - 1))
    if np.shape(pair) != (2,) or np.asarray(pair).dtype.kind not in "iuO":
        raise TypeError(f"`seed` must be an integer, a seed of shape [2] or None; got {seed!r}.")
    if not all(-(2**31) <= part < 2**31 for part in pair):
        raise ValueError(f"`seed` must be an integer of less than 62 bits, or two of 32 bits; got {seed!r}.")
    return tfp.random.sanitize_seed(np.array(pair, np.int32))
