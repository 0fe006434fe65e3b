"""Any leading batch shape as one batch axis, and back."""

from collections.abc import Callable

import tensorflow as tf


def flatten_batch(x: tf.Tensor, event_ndims: int) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Makes one axis of all but the `event_ndims` last axes.

    Args:
      x: `Tensor` of any static or unknown shape.
      event_ndims: Python `int`, number of axes of an event.

    Returns:
      flat: `Tensor` of rank `1 + event_ndims`.
      unflatten: Function that gives a `Tensor` whose first axis is that of `flat`
        the batch shape of `x` again.
    """
    if x.shape.rank == 1 + event_ndims:
        return x, lambda flat: flat
    shape = tf.shape(x)
    batch = shape[: tf.size(shape) - event_ndims]
    static_batch = x.shape[:-event_ndims] if event_ndims else x.shape
    static_event = x.shape[-event_ndims:] if x.shape.rank is not None else [None] * event_ndims
    flat = tf.reshape(x, tf.concat([[tf.reduce_prod(batch)], shape[tf.size(batch) :]], 0))
    flat.set_shape([static_batch.num_elements(), *static_event])

    def unflatten(y):
        event = tf.shape(y)[1:]
        result = tf.reshape(y, tf.concat([batch, event], 0))
        result.set_shape(static_batch.concatenate(y.shape[1:]))
        return result

    return flat, unflatten
