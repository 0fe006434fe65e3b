"""Writes images side by side to PNG files and animations."""

from collections.abc import Iterable

import numpy as np

from tfp_realnvp.images.levels import quantize
from tfp_realnvp.utils.hints import ArrayLike, Path

SMALLEST_WIDTH = 640


def image_grid(images: ArrayLike, num_levels: int = 256) -> np.ndarray:
    """Lays images out in rows and columns.

    Args:
      images: Array of pixel values in `[0, num_levels)`, of shape `[rows, columns, height,
        width, channels]`, which `drawable` makes grey or RGB; values outside are clipped.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      Float array of shape `[rows (height + 1), columns (width + 1), 3]`, with the width after
      `drawable` and values in [0, 1]. A grey line of one pixel follows each row and column.

    Raises:
      ValueError: if `images` have another shape.
    """
    if np.ndim(images) != 5 or 0 in np.shape(images):
        raise ValueError(
            "`images` must be of shape [rows, columns, height, width, channels], without a 0; got "
            f"{np.shape(images)}."
        )
    images = drawable(quantize(images, num_levels)) / (num_levels - 1)
    framed = np.pad(images, [(0, 0), (0, 0), (0, 1), (0, 1), (0, 0)], constant_values=0.5)
    rows, columns, height, width, channels = framed.shape
    grid = framed.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    return np.broadcast_to(grid, (*grid.shape[:2], 3)).copy()


def drawable(images: np.ndarray) -> np.ndarray:
    """Makes images grey or RGB; if there are not 1 or 3 channels, puts channels side by side in grey.

    An array does not say whether a second, fourth or fifth channel is transparency or infrared.

    Args:
      images: Array of shape `[..., height, width, channels]`.

    Returns:
      `images`, or an array of shape `[..., height, channels width, 1]`.
    """
    channels = images.shape[-1]
    return images if channels in (1, 3) else np.concatenate(np.split(images, channels, axis=-1), axis=-2)


def save_image_grid(path: Path, images: ArrayLike, num_levels: int = 256) -> None:
    """Writes an `image_grid` to a PNG file, enlarged by a whole factor if it is small.

    Args:
      path: Name of the file.
      images: As in `image_grid`.
      num_levels: Python `int`, number of values a pixel takes.
    """
    import matplotlib.image  # Only pictures need it.

    matplotlib.image.imsave(path, _picture(images, num_levels))


def save_animation(
    path: Path, frames: Iterable[ArrayLike], num_levels: int = 256, milliseconds: int = 100
) -> None:
    """Writes a GIF file that shows one `image_grid` after the other, for ever.

    Args:
      path: Name of the file.
      frames: Array of shape `[num_frames, rows, columns, height, width, channels]`, each as
        in `image_grid`.
      num_levels: Python `int`, number of values a pixel takes.
      milliseconds: Python `int`, duration of a frame.
    """
    import PIL.Image  # Only this needs pillow.

    first, *others = (PIL.Image.fromarray(_picture(images, num_levels)) for images in frames)
    first.save(path, save_all=True, append_images=others, duration=milliseconds, loop=0)


def _picture(images, num_levels):
    """The grid as uint8, enlarged if it is small."""
    grid = np.round(255 * image_grid(images, num_levels)).astype(np.uint8)
    factor = max(1, round(SMALLEST_WIDTH / grid.shape[1]))
    return np.kron(grid, np.ones((factor, factor, 1), np.uint8))
