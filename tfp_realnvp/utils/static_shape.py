"""Sets the static shape of a `Tensor`."""

from collections.abc import Iterable

import tensorflow as tf


def with_shape(x: tf.Tensor, shape: Iterable[int | None]) -> tf.Tensor:
    """Gives `x` the static shape `shape`; sides unknown so far are checked when the graph runs.

    If nothing is unknown, no check is added: in graphs `tf.ensure_shape` has no forward-mode derivatives.

    Args:
      x: `Tensor`.
      shape: `tf.TensorShape` or sequence of `int`s and None.

    Returns:
      `Tensor`.

    Raises:
      ValueError: in a graph, if the known shape of `x` differs; eagerly an `InvalidArgumentError`.
    """
    wanted = list(shape)
    if x.shape.rank == len(wanted) and all(
        w in (None, side) for w, side in zip(wanted, x.shape, strict=True)
    ):
        return x
    return tf.ensure_shape(x, wanted)
