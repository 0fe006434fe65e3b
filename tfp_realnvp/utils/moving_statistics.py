"""Updates the moving statistics of a batch norm; small batches count less."""

import math

import tensorflow as tf

MANY = 15
"""Beyond the first element, a batch needs this many more to count fully."""


def num_elements(x: tf.Tensor) -> int | tf.Tensor:
    """Counts the elements of `x` per channel.

    Args:
      x: `Tensor` of shape `[..., channels]`.

    Returns:
      Python `int`, the count or a known lower bound above `MANY`; else a scalar `Tensor` of the dtype of `x`.
    """
    if x.shape.rank is not None:
        sides = x.shape[:-1]
        known = math.prod(side or 1 for side in sides)
        if sides.is_fully_defined() or known > MANY:
            return known if sides.num_elements() != 0 else 0
    return tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)


def has_single_elements(event_shape: tf.TensorShape) -> bool:
    """True if an event has one element per channel, as vectors have."""
    return math.prod(event_shape[:-1]) == 1


def moved(
    old: tf.Tensor, new: tf.Tensor, momentum: float, count: int | tf.Tensor, is_variance: bool
) -> tf.Tensor:
    """Updates a moving statistic by a batch.

    ```none
    momentum**share old + (1 - momentum**share) new,   share = min(1, (count - 1) / 15)
    ```

    So a small last batch of an epoch counts less than a whole one. A single element has no variance and
    moves nothing. A variance of few elements is made unbiased. With a momentum of zero the result is the
    batch's own statistic.

    Args:
      old, new: `Tensor`s, the moving and the batch statistic.
      momentum: Python `float`.
      count: Elements per channel; see `num_elements`.
      is_variance: Python `bool`, whether they are variances.

    Returns:
      `Tensor`.
    """
    whole = momentum * old + (1 - momentum) * new
    if isinstance(count, int) and count > MANY:
        return whole
    rest = tf.maximum(tf.cast(count, new.dtype) - 1, 0)
    kept = tf.pow(tf.constant(momentum, new.dtype), tf.minimum(rest / MANY, 1))
    unbiased = new * (rest + 1) / tf.maximum(rest, 1) if is_variance and momentum else new
    few = kept * old + (1 - kept) * unbiased
    return tf.where(rest >= MANY, whole, tf.where(rest > 0, few, old))
