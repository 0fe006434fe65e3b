"""The handwritten digits that come with scikit-learn: they need no download."""

import numpy as np

from tfp_realnvp.data.image_data import ImageData, arrays


def load() -> ImageData:
    """Loads 1,437 training and 360 test images of 8 x 8 x 1, 17 levels and 10 classes.

    Returns:
      `ImageData`; a fifth of the images of each class is the test split.
    """
    from sklearn.datasets import load_digits  # Only these images need scikit-learn.
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = digits.images[..., None].astype(np.uint8)
    train_x, test_x, train_y, test_y = train_test_split(
        images, digits.target, test_size=0.2, random_state=0, stratify=digits.target
    )
    return arrays((train_x, train_y), (test_x, test_y), num_levels=17, num_classes=10)
