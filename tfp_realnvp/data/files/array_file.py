"""Loads images from a NumPy file."""

import contextlib
import pathlib

import numpy as np

from tfp_realnvp.data.image_data import ImageData, arrays
from tfp_realnvp.utils.hints import Path

TEST_SHARE = 0.1
MOST_COLOURS = 4
"""Channels of RGB with alpha. Images with at most so many rows but more channels have channels first."""
CLASSES_OF = {"x_train": "y_train", "x_test": "y_test"}
STARTS = (b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")  # .npy, .npz and empty .npz files.


def load(path: Path | None) -> ImageData:
    """Loads images from an `.npy` or `.npz` file.

    An `.npz` file may hold `x_train` and `x_test`, and classes as `y_train` and `y_test`;
    else it holds one array `x` (any name will do if it is the only array), and classes as
    `y`. From one array, a fixed tenth of the images is the test split. Arrays of Python
    objects are never loaded: reading them may run code.

    Args:
      path: Name of a file with images of shape `[n, height, width]` or
        `[n, height, width, channels]`, integers from 0 to at most 255. There
        are 256 levels if a value exceeds 127, else one more than the largest value. Classes
        are numbers from 0 to less than the number of images, of shape `[n]` or `[n, 1]`.

    Returns:
      `ImageData`.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it cannot be read, or images or classes have another shape, type or
        range.
    """
    with _content(path) as content:
        names = _image_names(content, path)
        images = [_images(content, name, path) for name in names]
        total = sum(map(len, images))
        classes = [
            _classes(content, CLASSES_OF.get(name, "y"), path, len(x), total)
            for name, x in zip(names, images, strict=True)
        ]
    _check_alike(images, classes, path)
    if len(images) == 1:
        images, classes = _split(images[0], classes[0], path)
    return _image_data(images, classes)


@contextlib.contextmanager
def _content(path):
    """Yields arrays by name, read on demand; the array in an `.npy` file has an empty name."""
    if not path or not pathlib.Path(path).is_file():
        raise FileNotFoundError(
            f"`data_dir` must name an .npy or .npz file of images; got {path!r}, which is no file."
        )
    with open(path, "rb") as file:
        if not file.read(6).startswith(STARTS):
            raise ValueError(f"`{path}` is neither an .npy nor an .npz file.")
        file.seek(0)
        content = _reading(lambda: np.load(file, allow_pickle=False), f"`{path}`")
        yield {"": content} if isinstance(content, np.ndarray) else content


def _reading(read, where):
    """Returns `read()`; turns any error into a ValueError of one line."""
    try:
        return read()
    except Exception as error:
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(
            f"{where} cannot be read (arrays of Python objects never are, as they may run code): {cause[0]}"
        ) from error


def _image_names(content, path):
    if CLASSES_OF.keys() <= set(content):
        return list(CLASSES_OF)
    if "x" in content:
        return ["x"]
    if len(content) == 1:
        return list(content)
    raise ValueError(
        f"`{path}` must hold `x`, or `x_train` and `x_test`; it holds {sorted(content)[:10]} "
        f"({len(content)} in all)."
    )


def _where(name, path):
    return f"`{name}` of `{path}`" if name else f"`{path}`"


def _array(content, name, path):
    array = _reading(lambda: content[name], _where(name, path))
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{_where(name, path)} must be an array; got a file that is none.")
    return array


def _images(content, name, path):
    """The checked images under a name, `[n, height, width, channels]`."""
    images, where = _array(content, name, path), _where(name, path)
    if images.ndim not in (3, 4) or not images.size:
        raise ValueError(f"{where} must hold images [n, height, width, channels]; got shape {images.shape}.")
    _check_channels_are_last(images.shape, where)
    if images.dtype.kind not in "iu" or images.min() < 0 or images.max() > 255:
        range_ = f" from {images.min()} to {images.max()}" if images.dtype.kind in "biuf" else ""
        raise ValueError(f"{where} must hold integers from 0 to 255; got {images.dtype}{range_}.")
    return images.reshape(*images.shape[:3], -1)


def _check_channels_are_last(shape, where):
    """Raises a ValueError where images look like `[n, channels, height, width]`, or like a single one."""
    if len(shape) == 4 and shape[1] <= MOST_COLOURS < shape[3] and shape[1] < shape[2]:
        raise ValueError(
            f"{where} must hold images [n, height, width, channels]; got shape {shape}, with channels first: "
            "`np.moveaxis(images, 1, -1)` has them last."
        )
    if len(shape) == 3 and shape[1] > MOST_COLOURS and shape[2] in (1, 3):
        raise ValueError(
            f"{where} must hold images [n, height, width] or [n, height, width, channels]; got shape "
            f"{shape}, which is a single one."
        )


def _classes(content, name, path, num_images, total):
    """The checked classes under a name, `[num_images]`, or None if there are none."""
    if name not in content:
        return None
    classes, where = _array(content, name, path), _where(name, path)
    if classes.shape not in ((num_images,), (num_images, 1)):
        raise ValueError(
            f"{where} must hold one class number, not one-hot, for each of {num_images} images; got shape "
            f"{classes.shape}."
        )
    if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= total:
        range_ = f" from {classes.min()} to {classes.max()}" if classes.dtype.kind in "biuf" else ""
        raise ValueError(
            f"{where} must hold classes, integers from 0 to less than the {total} images; got "
            f"{classes.dtype}{range_}."
        )
    return classes.reshape(-1).astype(np.int64)


def _check_alike(images, classes, path):
    """Raises a ValueError unless all splits have classes or none has, and images have one size."""
    shapes = [x.shape[1:] for x in images]
    if shapes[0] != shapes[-1]:
        raise ValueError(f"`x_train` and `x_test` of `{path}` must be images of one size; got {shapes}.")
    if (classes[0] is None) != (classes[-1] is None):
        raise ValueError(f"`{path}` must hold both `y_train` and `y_test`, or none of them; got only one.")


def _split(images, classes, path):
    if len(images) < 2:
        raise ValueError(f"`{path}` must hold at least two images; got {len(images)}.")
    order = np.random.default_rng(0).permutation(len(images))
    test, train = np.split(order, [max(1, int(TEST_SHARE * len(images)))])
    return [images[train], images[test]], [classes if classes is None else classes[i] for i in (train, test)]


def _image_data(images, classes):
    largest = int(max(x.max() for x in images))
    num_classes = None if classes[0] is None else int(max(c.max() for c in classes)) + 1
    train, test = (
        (x.astype(np.uint8), np.zeros(len(x), np.int64) if y is None else y)
        for x, y in zip(images, classes, strict=True)
    )
    return arrays(train, test, num_levels=256 if largest > 127 else largest + 1, num_classes=num_classes)
