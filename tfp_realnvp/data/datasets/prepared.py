"""Splits of a data set as TensorFlow Datasets prepares it."""

from collections.abc import Sequence

import tensorflow as tf
import tensorflow_datasets as tfds

from tfp_realnvp.utils.hints import Path


def splits(name: str, names: Sequence[str], data_dir: Path | None = None) -> list[tf.data.Dataset]:
    """Loads splits of a data set of TensorFlow Datasets.

    Args:
      name: Name of the data set there, such as `"lsun/tower"`.
      names: Names of the splits.
      data_dir: Folder of TensorFlow Datasets, by default its own. Downloaded to it where it
        is not there.

    Returns:
      List of `tf.data.Dataset`s of dictionaries.

    Raises:
      FileNotFoundError: if it is neither on disk nor can be downloaded.
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
    # TensorFlow warns of a cache that is read in part; `data.training_batches` has its own.
    return builder.as_dataset(split=list(names), read_config=tfds.ReadConfig(try_autocache=False))
