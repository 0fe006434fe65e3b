"""Converts brightness to the pixel levels of a data set."""

import numpy as np

from tfp_realnvp.images.levels import quantize


def to_levels(images: np.ndarray, channels: int, num_levels: int) -> np.ndarray:
    """Converts values in [0, 1] to integers, in grey if the number of channels differs.

    Args:
      images: Float array of shape `[..., channels of the images]`.
      channels: Python `int`, channels of the data set.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      uint8 array of shape `[..., channels]`; with 256 levels, `k / 255` becomes `k`.
    """
    if images.shape[-1] != channels:
        images = np.repeat(images.mean(axis=-1, keepdims=True), channels, axis=-1)
    return quantize(images * num_levels, num_levels)
