"""Checks the shapes of events and conditions for a distribution."""

from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.conditioning.batch_axis import check_batch_axes
from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.static_shape import with_shape


def check_distribution(distribution: Any) -> None:
    """Raises unless a distribution has a bijector, no batch shape, and a known event shape of one part."""
    for attribute in ("distribution", "bijector", "event_shape"):
        if not hasattr(distribution, attribute):
            raise TypeError(f"`distribution` must be a `tfd.TransformedDistribution`; got {distribution!r}.")
    if not isinstance(distribution.event_shape, tf.TensorShape):
        raise ValueError(
            "`distribution` must have events that are a single tensor; got parts of event shape "
            f"{distribution.event_shape}. `tfb.Invert(tfb.Split(...))` at the end makes one of them."
        )
    shape, least = distribution.event_shape, max(1, distribution.bijector.inverse_min_event_ndims)
    if distribution.batch_shape.rank != 0 or not shape.is_fully_defined() or shape.rank < least:
        raise ValueError(
            f"`distribution` must have batch shape () and a known event shape of at least {least} axes; "
            f"got {distribution.batch_shape} and {shape}. `tfd.Sample` makes events of a base."
        )


def checked_tensor(value: TensorLike, event_shape: tf.TensorShape, name: str) -> tf.Tensor:
    """Returns `value` as a `Tensor`; raises unless its shape ends in `event_shape`."""
    value = tf.convert_to_tensor(value)
    if not (value.dtype.is_floating or value.dtype.is_integer):
        raise TypeError(f"`{name}` must be floats or integers; got dtype {value.dtype.name}.")
    _check_ends_in(value.shape, event_shape, name)
    if value.shape.rank is None:
        return value
    # In a graph the length of an axis may be unknown until it runs.
    return with_shape(value, value.shape[: -event_shape.rank].concatenate(event_shape))


def _check_ends_in(shape, event_shape, name):
    if not shape[-event_shape.rank :].is_compatible_with(event_shape):
        raise ValueError(f"`{name}` must be of shape [batch, *{tuple(event_shape)}]; got {shape}.")


def check_arrays(events: Any, condition: Any, distribution: tfp.distributions.Distribution) -> None:
    """Raises a ValueError if arrays do not have the shapes that a distribution needs.

    A function that was compiled for several shapes cannot check them: its graph has unknown shapes.

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
    """Raises a ValueError unless a condition has the shape that a distribution needs.

    Args:
      condition: `Tensor` or array.
      batch: `tf.TensorShape` that its leading axes must broadcast to, or None for any.
      distribution: `tfd.TransformedDistribution`.
    """
    for flow in distribution.submodules:
        own = getattr(flow, "conditional_event_shape", None)
        if own is None:
            continue
        flow.check_condition(condition)
        if batch is not None:
            check_batch_axes(tf.TensorShape(condition.shape), own.rank, batch, flow.name)


def condition_shapes(distribution: tfp.distributions.Distribution) -> list[tf.TensorShape]:
    """The shape of a single condition for each conditional bijector of a distribution."""
    shapes = (getattr(m, "conditional_event_shape", None) for m in distribution.submodules)
    return [shape for shape in shapes if shape is not None]


def check_has_batch(condition: TensorLike | None, distribution: tfp.distributions.Distribution) -> None:
    """Raises a ValueError unless there is one condition per event, as in Keras."""
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
