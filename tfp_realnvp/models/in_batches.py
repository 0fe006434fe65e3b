"""Applies a function to many events, a batch at a time."""

from collections.abc import Callable

import tensorflow as tf


def in_batches(
    function: Callable[[tf.Tensor, tf.Tensor | None], tf.Tensor],
    value: tf.Tensor,
    condition: tf.Tensor | None,
    batch_size: int | None,
) -> tf.Tensor:
    """Computes `function(value, condition)`, `batch_size` rows at a time.

    Args:
      function: Function of a `Tensor` and its conditions that treats each row by itself.
      value: `Tensor`.
      condition: `Tensor` with a row for each of `value`, or None.
      batch_size: Python `int`, or None for all at once.

    Returns:
      `Tensor`, the results concatenated.
    """
    if batch_size is None or value.shape[0] <= batch_size:
        return function(value, condition)
    starts = range(0, value.shape[0], batch_size)
    parts = (slice(start, start + batch_size) for start in starts)
    return tf.concat([function(value[p], condition if condition is None else condition[p]) for p in parts], 0)
