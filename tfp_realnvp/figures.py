"""Pictures of images."""

import numpy as np


def image_grid(images, columns, num_levels=256):
    """Lays images out in rows.

    Args:
      images: Array of pixel values in `[0, num_levels)`, of shape `[n, height, width,
        channels]` with 1 or 3 channels; values outside are clipped.
      columns: Python `int`, images in a row.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      Float array of shape `[rows (height + 1), columns (width + 1), 3]` with values in
      [0, 1]: a grey line of one pixel after each row and column.
    """
    images = np.clip(np.floor(np.asarray(images, np.float64)) / (num_levels - 1), 0, 1)
    n, height, width, channels = images.shape
    rows = -(-n // columns)
    framed = np.full((rows * columns, height + 1, width + 1, channels), 0.5)
    framed[:n, :height, :width] = images
    grid = framed.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    grid = grid.reshape(rows * (height + 1), columns * (width + 1), channels)
    return np.broadcast_to(grid, (*grid.shape[:2], 3)).copy()


def save_image_grid(path, images, columns, num_levels=256, smallest_width=640):
    """Writes `image_grid` to a PNG file, enlarged by a whole factor where it is small."""
    import matplotlib.image

    grid = image_grid(images, columns, num_levels)
    factor = max(1, round(smallest_width / grid.shape[1]))
    matplotlib.image.imsave(path, np.kron(grid, np.ones((factor, factor, 1))))
