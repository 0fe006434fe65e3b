"""Shapes of events and conditions, as a distribution needs them."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.static_shape import with_shape


def of_shape(value: TensorLike, event_shape: tf.TensorShape, name: str) -> tf.Tensor:
    """`value` as a `Tensor`, if it ends in `event_shape`."""
    value = tf.convert_to_tensor(value)
    if not (value.dtype.is_floating or value.dtype.is_integer):
        raise TypeError(f"`{name}` must be floats or integers; got dtype {value.dtype.name}.")
    _check_ends_in(value.shape, event_shape, name)
    if value.shape.rank is None:
        return value
    # In a graph sides may be unknown until it runs.
    return with_shape(value, value.shape[: -event_shape.rank].concatenate(event_shape))


def _check_ends_in(shape, event_shape, name):
    if not shape[-event_shape.rank :].is_compatible_with(event_shape):
        raise ValueError(f"`{name}` must be of shape [batch, *{tuple(event_shape)}]; got {shape}.")


def check_arrays(events: Any, condition: Any, distribution: tfp.distributions.Distribution) -> None:
    """Raises a ValueError if arrays are of other shapes than a distribution needs.

    A compiled function that has met several shapes knows none of them any more.

    Args:
      events, condition: Arrays, or anything else that Keras takes.
      distribution: `tfd.TransformedDistribution`.
    """
    if isinstance(events, (np.ndarray, tf.Tensor)):
        _check_ends_in(tf.TensorShape(events.shape), distribution.event_shape, "events")
    if isinstance(condition, (np.ndarray, tf.Tensor)) and 0 not in condition.shape[-1:]:
        check_condition(condition, None, distribution)


def check_condition(
    condition: Any, batch: tf.TensorShape | None, distribution: tfp.distributions.Distribution
) -> None:
    """Raises a ValueError unless a condition is of the shape that a distribution needs.

    Args:
      condition: `Tensor` or array.
      batch: `tf.TensorShape` that it must broadcast to before its own axes, or None for any.
      distribution: `tfd.TransformedDistribution`.
    """
    for flow in distribution.submodules:
        own = getattr(flow, "conditional_event_shape", None)
        if own is None:
            continue
        flow.check_condition(condition)
        given = tf.TensorShape(condition.shape)
        try:
            fits = batch is None or tf.broadcast_static_shape(
                given[: given.rank - own.rank], batch
            ).is_compatible_with(batch)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"`conditional_input` of `{flow.name}` must have, or broadcast to, the batch axes of the "
                f"events, {batch}, before its own; got shape {given}."
            )


def condition_shapes(distribution: tfp.distributions.Distribution) -> list[tf.TensorShape]:
    """The shapes of single conditions that the bijectors of a distribution need."""
    shapes = (getattr(m, "conditional_event_shape", None) for m in distribution.submodules)
    return [shape for shape in shapes if shape is not None]


def check_has_batch(condition: TensorLike | None, distribution: tfp.distributions.Distribution) -> None:
    """Raises unless there is one condition for each event, as Keras has them."""
    given = None if condition is None else tf.convert_to_tensor(condition).shape
    for shape in condition_shapes(distribution):
        if given is None:
            raise ValueError(
                f"The flow needs a `conditional_input` of shape [batch, {', '.join(map(str, shape))}] for "
                "each event; got events alone. Data must be pairs of events and conditions, such as "
                "`training_batches(..., conditional=True)` gives."
            )
        if given.rank != 1 + shape.rank:
            raise ValueError(
                f"Conditions must be of shape [batch, {', '.join(map(str, shape))}], classes one-hot; "
                f"got {given}."
            )
