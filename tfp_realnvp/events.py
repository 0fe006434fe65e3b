"""Shapes of events and conditions, as a distribution needs them."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.hints import TensorLike


def of_shape(value: TensorLike, event_shape: tf.TensorShape, name: str) -> tf.Tensor:
    """`value` as a `Tensor`, if it ends in `event_shape`."""
    value = tf.convert_to_tensor(value)
    if not (value.dtype.is_floating or value.dtype.is_integer):
        raise TypeError(f"`{name}` must be floats or integers; got dtype {value.dtype.name}.")
    if not value.shape[-event_shape.rank :].is_compatible_with(event_shape):
        raise ValueError(f"`{name}` must be of shape [batch, *{tuple(event_shape)}]; got {value.shape}.")
    if value.shape.rank is None:
        return value
    # In a graph sides may be unknown until it runs.
    return tf.ensure_shape(value, value.shape[: -event_shape.rank].concatenate(event_shape))


def condition_shapes(distribution: tfp.distributions.Distribution) -> list[tf.TensorShape]:
    """The shapes of single conditions that the bijectors of a distribution need."""
    shapes = (getattr(m, "conditional_event_shape", None) for m in distribution.submodules)
    return [shape for shape in shapes if shape is not None]


def check_has_batch(condition: TensorLike | None, distribution: tfp.distributions.Distribution) -> None:
    """Raises unless there is one condition for each event, as Keras has them."""
    if condition is None:
        return
    given = tf.convert_to_tensor(condition).shape
    for shape in condition_shapes(distribution):
        if given.rank != 1 + shape.rank:
            raise ValueError(
                f"Conditions must be of shape [batch, {', '.join(map(str, shape))}], classes one-hot; "
                f"got {given}."
            )
