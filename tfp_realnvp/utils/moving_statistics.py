"""How far a batch moves the moving statistics of a batch norm."""

import math

import tensorflow as tf

MANY = 15
"""Elements more than one, from which on a batch counts as a whole one."""


def num_elements(x: tf.Tensor) -> int | tf.Tensor:
    """How many elements a channel of `x` has: a Python `int` if it is known, or known to be many.

    Args:
      x: `Tensor` of shape `[..., channels]`.

    Returns:
      Python `int`, or scalar `Tensor` of the dtype of `x`.
    """
    if x.shape.rank is not None:
        sides = x.shape[:-1]
        known = math.prod(side or 1 for side in sides)
        if sides.is_fully_defined() or known > MANY:
            return known if sides.num_elements() != 0 else 0
    return tf.cast(tf.size(x) // tf.shape(x)[-1], x.dtype)


def has_single_elements(event_shape: tf.TensorShape) -> bool:
    """Whether one event has but one element of a channel, as vectors have."""
    return math.prod(event_shape[:-1]) == 1


def moved(
    old: tf.Tensor, new: tf.Tensor, momentum: float, count: int | tf.Tensor, is_variance: bool
) -> tf.Tensor:
    """A moving statistic after a batch.

    ```none
    momentum**share old + (1 - momentum**share) new,   share = min(1, (count - 1) / 15)
    ```

    so that the last batch of an epoch, if it is small, does not count as a whole one: a single element,
    of which there is no variance, moves nothing. Of few elements the variance is corrected to be
    unbiased. With a momentum of zero the result is the batch's own statistic.

    Args:
      old, new: `Tensor`s, the moving statistic and that of the batch.
      momentum: Python `float`.
      count: As `num_elements` gives it.
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
