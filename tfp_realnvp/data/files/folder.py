"""Loads the image files in a folder and its sub-folders."""

import os
import pathlib

import numpy as np
import tensorflow as tf
from absl import logging

from tfp_realnvp.data.files import image_file
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.arguments import check_integer
from tfp_realnvp.utils.hints import Path

TEST_SHARE = 0.1


def load(data_dir: Path | None, image_size: int | None = None) -> ImageData:
    """Loads the images in a folder and its sub-folders; a fixed tenth of them is the test split.

    If all images are in sub-folders, the top sub-folders are their classes. Hidden files
    and links to folders are skipped.

    Every file is first decoded once, in parallel. Files that cannot be read are skipped,
    and so are images with a side below the requested size, since enlarging would invent
    pixels. A warning gives their number and names the first ones.

    Args:
      data_dir: The folder.
      image_size: Python `int`, side of the square to which images are cropped in the
        middle and resized. By default all images get the size of the first one.

    Returns:
      `ImageData` of RGB images, as `image_file.read` makes them.

    Raises:
      FileNotFoundError: if there is no such folder, or fewer than two images are left.
      NotADirectoryError: if it is a file.
      ValueError: if the first image gives the size and has a side of a single pixel.
    """
    if image_size is not None:
        check_integer(image_size, "image_size", least=2)
    folder = _existing(data_dir)
    files = sorted(path for path in folder.rglob("*") if _may_be_image(path, folder))
    sizes = _sizes(files)
    size = (image_size, image_size) if image_size else _first_size(sizes)
    kept = [path for path, sides in sizes.items() if sides[0] >= size[0] and sides[1] >= size[1]]
    skipped = _skipped(files, sizes, kept, size, folder)
    if len(kept) < 2:
        raise FileNotFoundError(
            f"`data_dir` must be a folder with at least two images ({', '.join(image_file.FORMATS)}); got "
            f"{data_dir!r} with {len(kept)}{skipped and f', and {skipped}'}."
        )
    if skipped:
        logging.warning("Of %d images in %r, skipped: %s.", len(files), str(data_dir), skipped)
    return _image_data(kept, size, folder)


def _existing(data_dir):
    folder = pathlib.Path(data_dir or "")
    if not data_dir or not folder.exists():
        raise FileNotFoundError(f"`data_dir` must be a folder of images; there is none at {data_dir!r}.")
    if not folder.is_dir():
        raise NotADirectoryError(
            f"`data_dir` must be a folder of images; {data_dir!r} is a file. If it is an archive, unpack it "
            "first; of an .npy or .npz file `dataset` is 'array'."
        )
    return folder


def _may_be_image(path, folder):
    """Whether a path has the ending of an image and is not hidden, a folder or a pipe."""
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    is_image = path.suffix.lower() in image_file.FORMATS and not is_hidden
    return is_image and (path.is_file() or not path.exists())  # A broken link does not exist.


def _sizes(files):
    """Height and width of the image in each file that can be read, by file, in order."""
    paths = tf.data.Dataset.from_tensor_slices(_names(files)).enumerate()
    sizes = paths.map(
        lambda i, path: (i, tf.shape(image_file.read(path))[:2]), num_parallel_calls=tf.data.AUTOTUNE
    )
    found: dict[pathlib.Path, tuple[int, int]] = {}
    for numbers, sides in sizes.ignore_errors().batch(1024).as_numpy_iterator():
        found.update(zip((files[i] for i in numbers), map(tuple, sides.tolist()), strict=True))
    return found


def _names(files):
    """Names of files for TensorFlow, as bytes in the file system's encoding."""
    return tf.constant([os.fsencode(path) for path in files], tf.string)


def _first_size(sizes):
    """Height and width of the first image; without images, the smallest size allowed."""
    path, size = next(iter(sizes.items()), (None, (2, 2)))
    if min(size) < 2:
        raise ValueError(
            f"{str(path)!r} is the first image and gives the size of all, which must be at least 2 x 2; got "
            f"{size[0]} x {size[1]}. Remove it or give `image_size`."
        )
    return size


def _skipped(files, sizes, kept, size, folder):
    """Says which files are skipped and why, or nothing."""
    groups = {
        "cannot be read as an image": [path for path in files if path not in sizes],
        f"smaller than {size[0]} x {size[1]}": sorted(sizes.keys() - set(kept)),
    }
    return "; ".join(f"{len(g)} {why} ({_listed(g, folder)})" for why, g in groups.items() if g)


def _listed(files, folder, most=3):
    names = [repr(str(path.relative_to(folder))) for path in files[:most]]
    return ", ".join(names) + (f" and {len(files) - most} more" if len(files) > most else "")


def _image_data(files, size, folder):
    parts = [path.relative_to(folder).parts for path in files]
    names = sorted({p[0] for p in parts}) if all(len(p) > 1 for p in parts) else None
    labels = np.array([names.index(p[0]) if names else 0 for p in parts], np.int32)

    def example(path, label):
        return image_file.resized(image_file.read(path), size), label

    order = np.random.default_rng(0).permutation(len(files))
    test, train = np.split(order, [max(1, int(TEST_SHARE * len(files)))])
    train, test = (
        tf.data.Dataset.from_tensor_slices((_names([files[i] for i in part]), labels[part])).map(
            example, num_parallel_calls=tf.data.AUTOTUNE
        )
        for part in (train, test)
    )
    return ImageData(train, test, event_shape=(*size, 3), num_classes=len(names) if names else None)
