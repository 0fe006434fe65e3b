"""Brings a single image from outside a data set to the data set's form."""

import numpy as np
import tensorflow as tf

from tfp_realnvp.data.files import image_file
from tfp_realnvp.data.to_levels import to_levels
from tfp_realnvp.utils.hints import Shape


def own_image(
    content: bytes, event_shape: Shape, num_levels: int = 256, name: str = "the file"
) -> tuple[np.ndarray, list[str]]:
    """Reads the image in a file, with the shape and levels of a data set.

    It is cropped in the middle and resized, like the images of a folder. It is never enlarged,
    since that would invent pixels.

    Args:
      content: `bytes` of the file, as `image_file.read` takes it.
      event_shape: `(height, width, channels)` of the data set.
      num_levels: Python `int`, number of values a pixel takes.
      name: Python `str`, the name of the file in errors.

    Returns:
      uint8 array of shape `event_shape`; list of the changes, in words.

    Raises:
      ValueError: if the file holds no complete image, or a side is too small.
    """
    *size, channels = event_shape
    try:
        image = image_file.decoded(tf.constant(content))
    except tf.errors.OpError as error:
        formats = ", ".join(image_file.FORMATS)
        raise ValueError(f"{name} cannot be read as an image: it is no whole file of {formats}.") from error
    sides = image.shape[:2]
    if sides[0] < size[0] or sides[1] < size[1]:
        raise ValueError(
            f"{name} must be at least {_by(size)} pixels, as images are not enlarged; it is {_by(sides)}."
        )
    changes = []
    if list(sides) != size:
        cropped = "" if sides[0] * size[1] == sides[1] * size[0] else "cropped in the middle and "
        changes.append(f"{cropped}resized from {_by(sides)} to {_by(size)} pixels")
    image = image_file.resized(image, size).numpy()
    if channels == 1 and np.ptp(image, axis=-1).any():
        changes.append("made grey")
    if num_levels < 256:
        changes.append(f"brought to {num_levels} levels")
    return to_levels(image / 255, channels, num_levels), changes


def _by(sides):
    """Height and width in words, height first."""
    return f"{sides[0]} x {sides[1]}"
