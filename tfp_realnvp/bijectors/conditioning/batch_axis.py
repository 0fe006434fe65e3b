"""Turns any batch shape into one batch axis, and back."""

from collections.abc import Callable

import tensorflow as tf


def flatten_batch(x: tf.Tensor, event_ndims: int) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
    """Flattens all but the last `event_ndims` axes into one.

    Args:
      x: `Tensor` of any static or unknown shape.
      event_ndims: Python `int`, number of axes of an event.

    Returns:
      flat: `Tensor` of rank `1 + event_ndims`.
      unflatten: Function that restores the batch shape of `x` in a `Tensor` with the
        first axis of `flat`.
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


def check_batch_axes(
    condition: tf.TensorShape, condition_ndims: int, batch: tf.TensorShape, owner: str
) -> None:
    """Checks that the leading axes of a condition broadcast to the batch axes of events.

    Args:
      condition: `tf.TensorShape` of the condition.
      condition_ndims: Python `int`, number of axes of a single condition.
      batch: `tf.TensorShape` of the batch axes of the events.
      owner: Python `str`, name of the bijector, for the error.

    Raises:
      ValueError: if they do not. Unknown ranks pass.
    """
    if condition.rank is None or batch.rank is None:
        return
    try:
        given = condition[: condition.rank - condition_ndims]
        fits = 0 <= condition_ndims <= condition.rank
        fits &= tf.broadcast_static_shape(given, batch).is_compatible_with(batch)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"`conditional_input` of `{owner}` must have, or broadcast to, the batch axes of the events, "
            f"{batch}, before its own; got shape {condition}."
        )
