"""Images from outside a data set, to test how a model of it scores them."""

import numpy as np
import tensorflow as tf

from tfp_realnvp.data.datasets import digits
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.data.to_levels import to_levels


def other_images(data: ImageData, num_images: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Makes images from elsewhere, with the shape and levels of a data set.

    Args:
      data: `ImageData`.
      num_images: Python `int`, how many of each kind.
      seed: Python `int`.

    Returns:
      Dictionary of uint8 arrays of shape `[num_images, *event_shape]` by their contents:
      uniform noise, a single colour, windows of the photographs that come with
      scikit-learn, and its handwritten digits (fewer if there are not that many).
    """
    random = np.random.default_rng(seed)
    *sides, channels = data.event_shape
    shape = (num_images, *data.event_shape)
    return {
        "noise": random.integers(0, data.num_levels, shape).astype(np.uint8),
        "single colour": np.broadcast_to(
            random.integers(0, data.num_levels, (num_images, 1, 1, channels)), shape
        ).astype(np.uint8),
        "photographs": to_levels(_windows(random, num_images, sides), channels, data.num_levels),
        "handwritten digits": to_levels(_digits(num_images, sides), channels, data.num_levels),
    }


def _windows(random, num_images, sides):
    """Random windows of two 427 x 640 photographs, halved if windows fit, with values in [0, 1]."""
    from sklearn.datasets import load_sample_images

    size = np.ceil(max(0.5, *(np.array(sides) / (427, 640))) * np.array([427, 640])).astype(int)
    photographs = tf.image.resize(np.stack(load_sample_images().images) / 255.0, size, antialias=True)
    tops, lefts = (random.integers(0, s - side + 1, num_images) for s, side in zip(size, sides, strict=True))
    return np.stack(
        [
            photographs[i % 2, top : top + sides[0], left : left + sides[1]]
            for i, (top, left) in enumerate(zip(tops, lefts, strict=True))
        ]
    )


def _digits(num_images, sides):
    images = digits.load().test.take(num_images).map(lambda image, label: image)
    images = np.stack(list(images.as_numpy_iterator())) / 16.0
    return np.asarray(tf.image.resize(images, sides, method="nearest"))
