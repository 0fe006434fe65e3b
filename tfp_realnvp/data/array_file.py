"""Images in a NumPy file."""

import numpy as np

from tfp_realnvp.data.image_data import arrays

TEST_SHARE = 0.1


def load(path):
    """Loads images from an `.npy` or `.npz` file.

    An `.npz` file may hold `x_train` and `x_test`, and classes as `y_train` and `y_test`;
    else it holds one array `x` (or of any name, if there is no other), and classes as
    `y`. From one array, a fixed tenth of the images is the test split.

    Args:
      path: Name of a file with images of shape `[n, height, width]` or
        `[n, height, width, channels]`, integers from 0 to at most 255. Values up to 255
        have 256 levels if there is one above 127, else one more than the largest.

    Returns:
      `ImageData`.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the images are of another shape, type or range.
    """
    if not path:
        raise FileNotFoundError("`data_dir` must name an .npy or .npz file of images; got none.")
    content = np.load(path, allow_pickle=False)
    content = {"x": content} if isinstance(content, np.ndarray) else dict(content)
    if "x_train" in content and "x_test" in content:
        train, test = content["x_train"], content["x_test"]
        classes = content.get("y_train"), content.get("y_test")
    else:
        name = "x" if "x" in content else next(iter(content), None) if len(content) == 1 else None
        if name is None:
            raise ValueError(
                f"`{path}` must hold `x`, or `x_train` and `x_test`; it holds {sorted(content)}."
            )
        images, labels = content[name], content.get("y")
        order = np.random.default_rng(0).permutation(len(images))
        test_part, train_part = np.split(order, [max(1, int(TEST_SHARE * len(images)))])
        train, test = images[train_part], images[test_part]
        classes = (None, None) if labels is None else (labels[train_part], labels[test_part])
    return _image_data(train, test, classes, path)


def _image_data(train, test, classes, path):
    for images in (train, test):
        if images.ndim not in (3, 4) or not len(images):
            raise ValueError(f"`{path}` must hold images [n, height, width, channels]; got {images.shape}.")
        if images.dtype.kind not in "iu" or images.min() < 0 or images.max() > 255:
            raise ValueError(
                f"`{path}` must hold integers from 0 to 255; got {images.dtype} from {images.min()} to "
                f"{images.max()}."
            )
    largest = int(max(train.max(), test.max()))
    train, test = (x.astype(np.uint8).reshape(*x.shape[:3], -1) for x in (train, test))
    num_classes = None if classes[0] is None else int(max(c.max() for c in classes)) + 1
    splits = [
        (x, np.zeros(len(x), np.int64) if y is None else y.reshape(-1).astype(np.int64))
        for x, y in zip((train, test), classes, strict=True)
    ]
    return arrays(*splits, num_levels=256 if largest > 127 else largest + 1, num_classes=num_classes)
