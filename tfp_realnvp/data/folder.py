"""A folder of image files, with its sub-folders."""

import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.data.image_data import ImageData

TEST_SHARE = 0.1
FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def load(data_dir, image_size=None):
    """Loads the images below a folder; a fixed tenth of them is the test split.

    Where all images are in sub-folders, the sub-folders are their classes.

    Args:
      data_dir: The folder.
      image_size: Python `int`, side of the square to which images are cropped in the
        middle and resized. By default the size of the first image; images of another
        size are brought to that.

    Returns:
      `ImageData` of RGB images.

    Raises:
      FileNotFoundError: if there is no such folder or no image in it.
    """
    folder = pathlib.Path(data_dir or "")
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in FORMATS) if data_dir else []
    if len(files) < 2:
        raise FileNotFoundError(
            f"`data_dir` must be a folder with at least two images ({', '.join(FORMATS)}); got {data_dir!r} "
            f"with {len(files)}."
        )
    parts = [p.relative_to(folder).parts for p in files]
    names = sorted({p[0] for p in parts}) if all(len(p) > 1 for p in parts) else None
    labels = [names.index(p[0]) if names else 0 for p in parts]
    size = (image_size, image_size) if image_size else _read(str(files[0])).shape[:2]

    def example(path, label):
        image = keras.preprocessing.image.smart_resize(_read(path), size)
        image = tf.ensure_shape(image, (*size, 3))
        return tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), tf.uint8), label

    order = np.random.default_rng(0).permutation(len(files))
    test, train = np.split(order, [max(1, int(TEST_SHARE * len(files)))])
    train, test = (
        tf.data.Dataset.from_tensor_slices(([str(files[i]) for i in part], [labels[i] for i in part])).map(
            example, num_parallel_calls=tf.data.AUTOTUNE
        )
        for part in (train, test)
    )
    return ImageData(train, test, event_shape=(*size, 3), num_classes=len(names) if names else None)


def _read(path):
    """The image in a file, the first one of an animation."""
    return tf.io.decode_image(tf.io.read_file(path), channels=3, expand_animations=False)
