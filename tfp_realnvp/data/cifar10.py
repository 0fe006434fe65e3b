"""CIFAR-10, through TensorFlow Datasets."""

import tensorflow_datasets as tfds

from tfp_realnvp.data.image_data import ImageData


def load(data_dir=None):
    """Loads CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 x 3, 10 classes.

    Args:
      data_dir: Folder of TensorFlow Datasets, by default its own. Downloaded to it where
        it is not there.

    Returns:
      `ImageData`.

    Raises:
      FileNotFoundError: if it is neither on disk nor can be downloaded.
    """
    try:
        (train, test), info = tfds.load(
            "cifar10", data_dir=data_dir, split=["train", "test"], as_supervised=True, with_info=True
        )
    except Exception as error:
        raise FileNotFoundError(
            "CIFAR-10 is not on disk and could not be downloaded. Put a folder `cifar10/3.0.2` as "
            "TensorFlow Datasets prepares it into the folder given as `data_dir` "
            f"(now {data_dir or '~/tensorflow_datasets'}). The cause: {error}"
        ) from error
    return ImageData(
        train=train,
        test=test,
        num_train=info.splits["train"].num_examples,
        num_test=info.splits["test"].num_examples,
        event_shape=info.features["image"].shape,
        num_classes=info.features["label"].num_classes,
    )
