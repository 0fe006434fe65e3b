"""The form in which every source returns its images."""

import dataclasses

import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.hints import Path, TensorLike


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set of images with a training and a test split.

    Attributes:
      train, test: `tf.data.Dataset`s of known cardinality. Each element is a pair of an image,
        uint8 of shape `event_shape`, and its label: the number of its class, a boolean vector of
        its `attributes`, or 0 if there are neither. Images may be larger than `event_shape`:
        batches then hold a random window of each.
      event_shape: `(height, width, channels)`.
      num_levels: Python `int`, number of values a pixel takes.
      num_classes: Python `int`, or None if there are no classes.
      attributes: Names of the attributes in a label, each true or false for an image, or None.
    """

    train: tf.data.Dataset
    test: tf.data.Dataset
    event_shape: tuple[int, ...]
    num_levels: int = 256
    num_classes: int | None = None
    attributes: tuple[str, ...] | None = None

    @property
    def num_train(self) -> int:
        """Python `int`, number of training images."""
        return int(self.train.cardinality())

    @property
    def num_test(self) -> int:
        """Python `int`, number of test images."""
        return int(self.test.cardinality())

    @property
    def num_conditions(self) -> int | None:
        """Python `int`, size of an image's condition vector, or None without labels."""
        return len(self.attributes) if self.attributes else self.num_classes

    def check_has_labels(self, data_dir: Path | None = None) -> None:
        """Checks that images have labels.

        Args:
          data_dir: Location of the images, for the error, or None.

        Raises:
          ValueError: if there are neither classes nor attributes.
        """
        if self.num_conditions is None:
            those = f"those of {data_dir!r}" if data_dir else "these"
            raise ValueError(f"`conditional` needs images with classes or attributes; {those} have none.")

    def conditions(self, labels: TensorLike) -> tf.Tensor:
        """Converts labels of images to conditions of a flow.

        Args:
          labels: `Tensor` or array of classes, of shape `[n]`, or of attributes, of shape
            `[n, len(attributes)]`.

        Returns:
          float32 `Tensor` of shape `[n, num_conditions]`: classes one-hot, attributes 0 or 1.

        Raises:
          ValueError: if there are no labels.
        """
        self.check_has_labels()
        return tf.cast(labels, tf.float32) if self.attributes else tf.one_hot(labels, self.num_classes)

    def has_same_class(self, conditions: np.ndarray, number: int = 0) -> np.ndarray:
        """Finds the images with the class of one of them; all images, if conditions are attributes.

        Args:
          conditions: Array of shape `[n, num_conditions]`.
          number: Python `int`, number of the one image.

        Returns:
          Boolean array of shape `[n]`.
        """
        return (conditions == conditions[number]).all(axis=-1) | bool(self.attributes)


def arrays(
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    num_levels: int = 256,
    num_classes: int | None = None,
) -> ImageData:
    """Makes `ImageData` from arrays in memory.

    Args:
      train, test: Pairs of arrays, uint8 images of shape `[n, height, width, channels]` and
        their classes of shape `[n]`, zeros if there are none.
      num_levels: Python `int`, number of values a pixel takes.
      num_classes: Python `int`, or None if there are no classes.

    Returns:
      `ImageData`.
    """
    return ImageData(
        train=tf.data.Dataset.from_tensor_slices(train),
        test=tf.data.Dataset.from_tensor_slices(test),
        event_shape=train[0].shape[1:],
        num_levels=num_levels,
        num_classes=num_classes,
    )
