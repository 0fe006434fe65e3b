"""Categories of LSUN, through TensorFlow Datasets."""

import tensorflow as tf

from tfp_realnvp.data.datasets.prepared import splits
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.hints import Path

SMALLEST_SIDE = 96
SIDE = 64


def load(category: str, data_dir: Path | None = None) -> ImageData:
    """Loads a category of LSUN: 64 x 64 windows of images whose shorter side is 96 pixels.

    Args:
      category: `"bedroom"`, `"tower"`, `"church_outdoor"`, or another scene of LSUN.
      data_dir: Folder of TensorFlow Datasets, by default its own.

    Returns:
      `ImageData` without labels, whose test split is the validation split of 300 images, as
      in the paper's table 1. Batches hold a random window of each image, new in each
      epoch of training and always the same in evaluation.

    Raises:
      FileNotFoundError: if the data set is not on disk and cannot be downloaded.

    #### References
    Dinh et al. (2017), section 4.1. Their code cuts random windows in evaluation as well.
    """
    train, test = (
        split.map(lambda example: (resized(example["image"]), 0), num_parallel_calls=tf.data.AUTOTUNE)
        for split in splits(f"lsun/{category}", ["train", "validation"], data_dir)
    )
    return ImageData(train, test, event_shape=(SIDE, SIDE, 3))


def resized(image: tf.Tensor) -> tf.Tensor:
    """Resizes an image to a shorter side of 96 pixels, with the same proportions.

    Args:
      image: uint8 `Tensor` of shape `[height, width, 3]`.

    Returns:
      uint8 `Tensor` of rank 3.
    """
    sides = tf.shape(image)[:2]
    sides = tf.cast(tf.round(sides * SMALLEST_SIDE / tf.reduce_min(sides)), tf.int32)
    image = tf.image.resize(image, sides, antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), tf.uint8)
