"""Applies an image model at another image size."""

from typing import Any

import tensorflow_probability as tfp

from tfp_realnvp.flows.real_nvp import RealNVP
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.utils.arguments import known_shape
from tfp_realnvp.utils.hints import Shape

tfd = tfp.distributions


def for_event_shape(model: FlowModel, event_shape: Shape) -> FlowModel:
    """Makes a model for images of another size, with the same weights.

    A `RealNVP` of images is convolutional: nothing in it depends on height and width. Conditions that
    are images get the height and width of the event.

    Args:
      model: `FlowModel` of an `image_distribution` of a `RealNVP`.
      event_shape: `(height, width, channels)`, with the same channels.

    Returns:
      `FlowModel` that shares all variables with `model`; it is not compiled.

    Raises:
      TypeError: if `model` is another kind of model.
      ValueError: if the images have another number of channels, or a side that the flow
        cannot halve often enough.

    #### References
    Dinh et al. (2017), appendix C.
    """
    distribution: Any = getattr(model, "distribution", None)
    members: Any = getattr(getattr(distribution, "bijector", None), "bijectors", ())
    flow = members[-1] if len(members) == 2 else None
    if not isinstance(flow, RealNVP) or flow.event_shape.rank != 3:
        raise TypeError(
            f"`model` must be a `FlowModel` of an `image_distribution` of a `RealNVP`; got {model!r}."
        )
    shape = known_shape(event_shape)
    if len(shape) != 3 or shape[-1] != flow.event_shape[-1]:
        raise ValueError(
            f"`event_shape` must be (height, width, {flow.event_shape[-1]}), of as many channels as the "
            f"model's; got {tuple(event_shape)}."
        )
    condition = flow.conditional_event_shape
    if condition is not None and condition.rank == 3:
        condition = (*shape[:2], condition[-1])
    flow = flow.copy(event_shape=shape, conditional_event_shape=condition)
    return FlowModel(
        tfd.TransformedDistribution(  # Not a copy: that would hold the smaller flow, too.
            distribution.distribution.copy(sample_shape=shape),
            distribution.bijector.copy(bijectors=[members[0], flow]),
            validate_args=distribution.validate_args,
            name=distribution.name,
        ),
        l2=model.l2,
    )
