"""Data sets of images by name."""

from tfp_realnvp.data.image_data import ImageData, evaluation_batches, training_batches

DATASETS = ("array", "cifar10", "digits", "folder")

__all__ = ["DATASETS", "ImageData", "evaluation_batches", "load", "training_batches"]


def load(name, data_dir=None, image_size=None):
    """Loads a data set of images.

    Args:
      name: One of `DATASETS`.
      data_dir: Where it is: a TFDS folder for `"cifar10"`, the folder for `"folder"`, the
        file for `"array"`; without meaning for `"digits"`.
      image_size: Python `int`, for `"folder"` the side to which images are resized.

    Returns:
      `ImageData`.

    Raises:
      ValueError: if there is no data set of that name, or it cannot be resized.
      FileNotFoundError: if the data are not there.
    """
    if image_size is not None and name != "folder":
        raise ValueError(f"`image_size` is for `dataset` 'folder' only; got {image_size} with {name!r}.")
    # Imported here, since each needs a package of its own.
    if name == "array":
        from tfp_realnvp.data import array_file

        return array_file.load(data_dir)
    if name == "cifar10":
        from tfp_realnvp.data import cifar10

        return cifar10.load(data_dir)
    if name == "digits":
        from tfp_realnvp.data import digits

        return digits.load()
    if name == "folder":
        from tfp_realnvp.data import folder

        return folder.load(data_dir, image_size)
    raise ValueError(f"`dataset` must be one of {DATASETS}; got {name!r}.")
