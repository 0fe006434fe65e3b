"""A folder of image files, with its sub-folders."""

import pathlib

import keras
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
    classes = not any(p.parent == folder for p in files)
    size = (
        (image_size, image_size)
        if image_size
        else keras.utils.img_to_array(keras.utils.load_img(files[0])).shape[:2]
    )
    train, test = keras.utils.image_dataset_from_directory(
        folder,
        labels="inferred" if classes else None,
        image_size=size,
        crop_to_aspect_ratio=True,
        batch_size=None,
        validation_split=max(TEST_SHARE, 1 / len(files)),
        subset="both",
        seed=0,
        verbose=False,
    )
    return ImageData(
        train=train.map(_uint8),
        test=test.map(_uint8),
        event_shape=(*size, 3),
        num_classes=len(train.class_names) if classes else None,
    )


def _uint8(image, label=0):
    return tf.cast(tf.round(tf.clip_by_value(image, 0, 255)), tf.uint8), label
