"""CelebA: faces with 40 attributes, through TensorFlow Datasets."""

import tensorflow as tf

from tfp_realnvp.data.datasets.prepared import splits
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.hints import Path

SIDE = 64
TOP, LEFT, CROP = 40, 15, 148


def load(data_dir: Path | None = None) -> ImageData:
    """Loads CelebA: 162,770 training and 19,867 validation images of 64 x 64 x 3.

    Args:
      data_dir: Folder of TensorFlow Datasets, by default its own. A missing data set is
        downloaded to it.

    Returns:
      `ImageData` with 40 attributes, in the order of their names. Its test split is the
      validation split, as in the paper's table 1.

    Raises:
      FileNotFoundError: if the data set is not on disk and cannot be downloaded.

    #### References
    Dinh et al. (2017), section 4.1: about the central 148 x 148 pixels, resized. The place
    of the crop and bilinear resizing without antialiasing are from the authors' code, which
    does not round.
    """
    train, test = splits("celeb_a", ["train", "validation"], data_dir)
    attributes = tuple(sorted(train.element_spec["attributes"]))

    def example(features):
        label = tf.stack([features["attributes"][name] for name in attributes])
        return cropped(features["image"]), label

    train, test = (split.map(example, num_parallel_calls=tf.data.AUTOTUNE) for split in (train, test))
    return ImageData(train, test, event_shape=(SIDE, SIDE, 3), attributes=attributes)


def cropped(image: tf.Tensor) -> tf.Tensor:
    """Crops the middle 148 x 148 pixels of an image and resizes them to 64 x 64.

    Args:
      image: uint8 `Tensor` of shape `[218, 178, 3]`.

    Returns:
      uint8 `Tensor` of shape `[64, 64, 3]`.
    """
    image = tf.image.crop_to_bounding_box(image, TOP, LEFT, CROP, CROP)
    return tf.cast(tf.round(tf.image.resize(image, (SIDE, SIDE))), tf.uint8)
