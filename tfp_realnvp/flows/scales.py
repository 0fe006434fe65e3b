"""Scales of an image flow: their possible number, and the latents that each produces."""

import numpy as np

from tfp_realnvp.bijectors import Squeeze
from tfp_realnvp.utils.hints import Shape


def halved(shape: Shape) -> tuple[int, int, int]:
    """Returns the next scale's event shape, after a 2 x 2 squeeze with half of the channels factored out.

    Args:
      shape: `(height, width, channels)`.

    Returns:
      `(height, width, channels)` of the next scale.
    """
    height, width, channels = shape
    return height // 2, width // 2, 2 * channels


def default_num_scales(shape: Shape) -> int:
    """Counts the scales until the shorter side has at most 4 pixels, or a side is odd.

    Args:
      shape: `(height, width, channels)`.

    Returns:
      Python `int`.
    """
    height, width, _ = shape
    if min(height, width) <= 4 or height % 2 or width % 2:
        return 1
    return 1 + default_num_scales(halved(shape))


def check_num_scales(shape: Shape, num_scales: int) -> None:
    """Checks that an image can be halved often enough.

    Args:
      shape: `(height, width, channels)`.
      num_scales: Python `int`.

    Raises:
      ValueError: if it cannot be.
    """
    factor = 2 ** (num_scales - 1)
    height, width, _ = shape
    if height % factor or width % factor or min(height, width) // factor < 2:
        raise ValueError(
            f"`num_scales` is too many for the image: for {num_scales} scales, height and width must be "
            f"multiples of {factor} and at least {2 * factor}; got `event_shape` {tuple(shape)}."
        )


def scales(event_shape: tuple[int, int, int], num_scales: int) -> np.ndarray:
    """Returns the scale at which each element of a latent is factored out.

    Args:
      event_shape: `(height, width, channels)` of an image.
      num_scales: Python `int`; see `RealNVP`.

    Returns:
      Integer array of shape `event_shape`: 0 for the finest scale, `num_scales - 1` for
      the coarsest.

    #### References
    Dinh et al. (2017), section 3.6.
    """
    if num_scales == 1:
        return np.zeros(event_shape, np.int32)
    half = halved(event_shape)
    going_on = 1 + scales(half, num_scales - 1)
    squeezed = np.concatenate([going_on, np.zeros(half, np.int32)], axis=-1)
    return Squeeze("ordered").inverse(squeezed).numpy()
