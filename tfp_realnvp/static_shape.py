"""What a `Tensor` says of its shape before a graph runs."""

import tensorflow as tf

from tfp_realnvp.hints import Shape


def with_shape(x: tf.Tensor, shape: Shape) -> tf.Tensor:
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
    shape = tf.TensorShape(shape)
    same_rank = x.shape.rank is not None and x.shape.rank == shape.rank
    if same_rank and all(wanted in (None, side) for wanted, side in zip(shape, x.shape, strict=True)):
        return x
    return tf.ensure_shape(x, shape)
