"""One and the same image model at another image size."""

from tfp_realnvp.flow_model import FlowModel
from tfp_realnvp.hints import Shape


def for_event_shape(model: FlowModel, event_shape: Shape) -> FlowModel:
    """A model of images of another size, with the same weights.

    A `RealNVP` of images is convolutional: nothing in it depends on height and width.

    Args:
      model: `FlowModel` of an `image_distribution` of a `RealNVP`.
      event_shape: `(height, width, channels)`, with the same channels.

    Returns:
      `FlowModel` that shares all variables with `model`; it is not compiled.

    Raises:
      ValueError: if the images have another number of channels, or a side that the flow
        cannot halve often enough.

    #### References
    Dinh et al. (2017), appendix C.
    """
    distribution = model.distribution
    pixels, flow = distribution.bijector.bijectors
    return FlowModel(
        distribution.copy(
            distribution=distribution.distribution.copy(sample_shape=event_shape),
            bijector=distribution.bijector.copy(bijectors=[pixels, flow.copy(event_shape=event_shape)]),
        ),
        l2=model.l2,
    )
