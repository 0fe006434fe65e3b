"""ImageNet at 32 x 32 and 64 x 64 pixels, through TensorFlow Datasets."""

import tensorflow as tf

from tfp_realnvp.data.datasets.prepared import splits
from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.utils.hints import Path


def load(side: int, data_dir: Path | None = None) -> ImageData:
    """Loads down-sampled ImageNet: 1,281,149 training and 49,999 validation images, no labels.

    Args:
      side: 32 or 64.
      data_dir: Folder of TensorFlow Datasets, by default its own.

    Returns:
      `ImageData`, whose test split is the validation split, as in the paper's table 1.

    Raises:
      FileNotFoundError: if the data set is not on disk and cannot be downloaded.

    #### References
    van den Oord et al. (2016), Pixel recurrent neural networks, introduced these images.
    """
    shape = side, side, 3
    train, test = (
        split.map(lambda example: (tf.ensure_shape(example["image"], shape), 0))
        for split in splits(f"downsampled_imagenet/{side}x{side}", ["train", "validation"], data_dir)
    )
    return ImageData(train, test, event_shape=shape)
