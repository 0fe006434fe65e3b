"""The distribution of images under a flow: from latents to pixel values."""

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import Chain
from tfp_realnvp.utils.arguments import check_bool, check_integer, known_shape
from tfp_realnvp.utils.hints import Shape

tfb, tfd = tfp.bijectors, tfp.distributions

MARGIN = 0.05
"""Share of the logit's domain that is left free at either end (section 4.1)."""

PIXELS = "pixels"
"""Name of the bijector from logits to pixel values."""


def image_distribution(
    flow: tfp.bijectors.Bijector,
    num_levels: int = 256,
    event_shape: Shape | None = None,
    validate_args: bool = False,
    name: str = "image_distribution",
) -> tfp.distributions.TransformedDistribution:
    """Makes the distribution of dequantised pixel values under a flow.

    ```none
    x = num_levels (sigmoid(flow(z)) - 0.05) / 0.9,   z ~ Normal(0, 1)
    ```

    So a pixel value `x` in `[0, num_levels)` enters the flow as
    `logit(0.05 + 0.9 x / num_levels)`. `log_prob` is the log-density over pixel values, in
    nats. A sample may lie outside of `[0, num_levels)`, in the margin of the logit; clip
    it before you display it.

    Args:
      flow: `tfb.Bijector` from latents to logits, such as a `RealNVP`; both have the
        image's shape.
      num_levels: Python `int`, number of values a pixel takes.
      event_shape: Shape of an image; by default `flow.event_shape`.
      validate_args: Python `bool`, whether `log_prob` and `sample` raise if a pixel is not
        finite or lies beyond the margin, at a cost.
      name: Python `str`.

    Returns:
      A `tfd.TransformedDistribution` whose `bijector` is a `Chain` of TFP's `Sigmoid`
      and `flow`.

    Raises:
      ValueError: if `num_levels` is less than 2, or `event_shape` is not known.
      TypeError: if `flow` is not a bijector, or `num_levels` not an integer.

    #### Examples

    >>> import tensorflow as tf, tfp_realnvp as rnvp
    >>> dist = rnvp.image_distribution(rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=1))
    >>> dist.log_prob(tf.fill([3, 4, 4, 1], 127.5)).shape
    TensorShape([3])

    #### References
    Dinh et al. (2017), section 4.1. The paper's text leaves a margin at 0 only; this
    follows the authors' released code.
    """
    if not isinstance(flow, tfb.Bijector):
        raise TypeError(f"`flow` must be a `tfb.Bijector`; got {flow!r}.")
    check_integer(num_levels, "num_levels", least=2)
    check_bool(validate_args, "validate_args")
    shape = known_shape(getattr(flow, "event_shape", None) if event_shape is None else event_shape)
    dtype = tf.as_dtype(flow.dtype or tf.float32)
    low = tf.constant(-num_levels * MARGIN / (1 - 2 * MARGIN), dtype)
    high = tf.constant(num_levels * (1 - MARGIN) / (1 - 2 * MARGIN), dtype)
    normal = tfd.Normal(tf.zeros([], dtype), tf.ones([], dtype))
    return tfd.TransformedDistribution(
        tfd.Sample(normal, shape),
        Chain([tfb.Sigmoid(low, high, name=PIXELS), flow], dtype, validate_args, name="pixels_of_flow"),
        validate_args=validate_args,
        name=name,
    )


def flow_of(
    distribution: tfp.distributions.TransformedDistribution,
) -> tfp.bijectors.Bijector:
    """Returns the flow of an `image_distribution`.

    Args:
      distribution: The result of `image_distribution`.

    Returns:
      `tfb.Bijector`.
    """
    return distribution.bijector.bijectors[-1]


def num_levels_of(distribution: tfp.distributions.Distribution) -> int | None:
    """Returns the `num_levels` of an `image_distribution`, or None for another distribution."""
    pixels = next(iter(getattr(distribution.bijector, "bijectors", [])), None)
    if not isinstance(pixels, tfb.Sigmoid) or pixels.name != PIXELS:
        return None
    return round(float(pixels.high - pixels.low) * (1 - 2 * MARGIN))
