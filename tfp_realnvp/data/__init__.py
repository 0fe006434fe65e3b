"""Image data sets by name."""

import functools
from collections.abc import Callable

from tfp_realnvp.data.batches import conditions_to_draw, evaluation_batches, first_images, training_batches
from tfp_realnvp.data.datasets import celeba, cifar10, digits, imagenet, lsun
from tfp_realnvp.data.files import array_file, folder
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.hints import Path

SOURCES: dict[str, Callable[..., ImageData]] = {
    "array": array_file.load,
    "celeba": celeba.load,
    "cifar10": cifar10.load,
    "digits": lambda data_dir: digits.load(),
    "folder": folder.load,
    "imagenet32": functools.partial(imagenet.load, 32),
    "imagenet64": functools.partial(imagenet.load, 64),
    "lsun_bedroom": functools.partial(lsun.load, "bedroom"),
    "lsun_church_outdoor": functools.partial(lsun.load, "church_outdoor"),
    "lsun_tower": functools.partial(lsun.load, "tower"),
}
DATASETS = tuple(SOURCES)

__all__ = [
    "DATASETS",
    "ImageData",
    "conditions_to_draw",
    "evaluation_batches",
    "first_images",
    "load",
    "training_batches",
]


def load(name: str, data_dir: Path | None = None, image_size: int | None = None) -> ImageData:
    """Loads a data set of images.

    Args:
      name: One of `DATASETS`.
      data_dir: Location of the data: the folder for `"folder"`, the file for `"array"`, a
        folder of TensorFlow Datasets for others; ignored for `"digits"`.
      image_size: Python `int`, side to which images are resized; only for `"folder"`.

    Returns:
      `ImageData`.

    Raises:
      ValueError: if there is no data set with that name, it cannot be resized, or a file has
        other contents.
      FileNotFoundError: if the data cannot be found.
      NotADirectoryError: if a file is given in place of a folder.
    """
    if name not in DATASETS:
        raise ValueError(f"`dataset` must be one of {DATASETS}; got {name!r}.")
    if image_size is not None and name != "folder":
        raise ValueError(f"`image_size` is for `dataset` 'folder' only; got {image_size} with {name!r}.")
    options = {} if image_size is None else {"image_size": image_size}
    return SOURCES[name](data_dir, **options)
