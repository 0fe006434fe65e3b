"""Levels: the integer values of pixels."""

import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.hints import ArrayLike


def in_range(integers: tf.Tensor, name: str, least: int, most: int, reason: str = "") -> tf.Tensor:
    """Returns `integers`; raises a ValueError unless all are from `least` to `most`.

    A running graph raises `InvalidArgumentError`. No check is made if the dtype has no other values.
    """
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
    """Calls `in_range` for levels of pixels."""
    return in_range(events, "events", 0, num_levels - 1, ", the levels of pixels")


def nan_beyond(values: tf.Tensor, integers: tf.Tensor, least: int, most: int) -> tf.Tensor:
    """Puts NaN in place of `values` of integers out of a range, in graphs: XLA drops `in_range`."""
    own_least, own_most = integers.dtype.min, integers.dtype.max
    if tf.executing_eagerly() or (least <= own_least and own_most <= most):
        return values
    is_in = (integers >= max(least, own_least)) & (integers <= min(most, own_most))
    return tf.where(is_in, values, tf.constant(float("nan"), values.dtype))


def quantize(images: ArrayLike, num_levels: int = 256) -> np.ndarray:
    """Rounds pixel values down to integers and clips them to the levels, for display.

    This undoes `dequantize`.

    Args:
      images: Array or `Tensor` of pixel values, of any shape, such as `FlowModel.sample` returns.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      Array of the shape of `images`, uint8 for up to 256 levels, else int32.

    >>> quantize([-3.2, 7.9, 16.4], num_levels=16)
    array([ 0,  7, 15], dtype=uint8)
    """
    levels = np.clip(np.floor(np.asarray(images)), 0, num_levels - 1)
    return levels.astype(np.uint8 if num_levels <= 256 else np.int32)
