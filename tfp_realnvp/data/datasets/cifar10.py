"""CIFAR-10, through TensorFlow Datasets."""

from tfp_realnvp.data.datasets.prepared import splits
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.hints import Path


def load(data_dir: Path | None = None) -> ImageData:
    """Loads CIFAR-10: 50,000 training and 10,000 test images of 32 x 32 x 3, 10 classes.

    Args:
      data_dir: Folder of TensorFlow Datasets, by default its own. A missing data set is
        downloaded to it.

    Returns:
      `ImageData`.

    Raises:
      FileNotFoundError: if the data set is not on disk and cannot be downloaded.
    """
    train, test = (
        split.map(lambda example: (example["image"], example["label"]))
        for split in splits("cifar10", ["train", "test"], data_dir)
    )
    return ImageData(train, test, event_shape=(32, 32, 3), num_classes=10)
