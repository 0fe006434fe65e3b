"""Brightness as the levels that pixels of a data set take."""

import numpy as np

from tfp_realnvp.images.image_distribution import quantize


def levels(images: np.ndarray, channels: int, num_levels: int) -> np.ndarray:
    """Values in [0, 1] as integers, in grey where the number of channels is another.

    Args:
      images: Float array of shape `[..., channels of the images]`.
      channels: Python `int`, of the data set.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      uint8 array of shape `[..., channels]`; of 256 levels `k / 255` is `k`.
    """
    if images.shape[-1] != channels:
        images = np.repeat(images.mean(axis=-1, keepdims=True), channels, axis=-1)
    return quantize(images * num_levels, num_levels)
