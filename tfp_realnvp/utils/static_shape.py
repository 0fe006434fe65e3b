"""What a `Tensor` says of its shape before a graph runs."""

from collections.abc import Iterable

import tensorflow as tf


def with_shape(x: tf.Tensor, shape: Iterable[int | None]) -> tf.Tensor:
    """`x` that says it has `shape`; where it says less now, it is checked as the graph runs.

    Without need there is no such check: `tf.ensure_shape` has no derivatives in forward mode in graphs.

    Args:
      x: `Tensor`.
      shape: `tf.TensorShape` or sequence of `int`s and None.

    Returns:
      `Tensor`.

    Raises:
      ValueError: if its shape is known and is another.
    """
    wanted = list(shape)
    if x.shape.rank == len(wanted) and all(
        w in (None, side) for w, side in zip(wanted, x.shape, strict=True)
    ):
        return x
    return tf.ensure_shape(x, wanted)
