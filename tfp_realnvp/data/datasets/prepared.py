"""Loads data sets that TensorFlow Datasets prepares."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_datasets as tfds

from tfp_realnvp.utils.hints import Path


def splits(name: str, names: Sequence[str], data_dir: Path | None = None) -> list[tf.data.Dataset]:
    """Loads splits of a data set from TensorFlow Datasets.

    Args:
      name: TFDS's name of the data set, such as `"lsun/tower"`.
      names: Names of the splits.
      data_dir: Folder of TensorFlow Datasets, by default its own. A missing data set is
        downloaded to it.

    Returns:
      List of `tf.data.Dataset`s of dictionaries.

    Raises:
      FileNotFoundError: if the data set is not on disk and cannot be downloaded.
    """
    builder = tfds.builder(name, data_dir=data_dir)
    try:
        builder.download_and_prepare()
    except Exception as error:
        cause = str(error).strip().splitlines() or [type(error).__name__]
        raise FileNotFoundError(
            f"`{name}` is not on disk and could not be downloaded. Put the folder "
            f"`{builder.info.full_name}`, as `tfds build {name}` prepares it where there is a network, into "
            f"the folder given as `data_dir` (now {data_dir or '~/tensorflow_datasets'}). "
            f"The cause: {cause[0]}"
        ) from error
    # TensorFlow warns if a cache is only read in part; `data.training_batches` has its own cache.
    return builder.as_dataset(split=list(names), read_config=tfds.ReadConfig(try_autocache=False))
