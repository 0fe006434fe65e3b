"""What a source of images gives, and the batches that training and evaluation see."""

import dataclasses

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class ImageData:
    """A data set of images with a training and a test split.

    Attributes:
      train, test: `tf.data.Dataset`s of pairs of an image, uint8 of shape `event_shape`,
        and its class, an integer (0 where there are no classes).
      num_train, num_test: Python `int`s, how many there are.
      event_shape: `(height, width, channels)`.
      num_levels: Python `int`, number of values a pixel takes.
      num_classes: Python `int`, or None where there are no classes.
    """

    train: tf.data.Dataset
    test: tf.data.Dataset
    num_train: int
    num_test: int
    event_shape: tuple
    num_levels: int = 256
    num_classes: int | None = None


def arrays(train, test, num_levels=256, num_classes=None):
    """`ImageData` from a pair of arrays, images and classes, for each split."""
    return ImageData(
        train=tf.data.Dataset.from_tensor_slices(train),
        test=tf.data.Dataset.from_tensor_slices(test),
        num_train=len(train[0]),
        num_test=len(test[0]),
        event_shape=train[0].shape[1:],
        num_levels=num_levels,
        num_classes=num_classes,
    )


def training_batches(data, batch_size, conditional=False, flip=False, seed=None):
    """Endless batches of the training split, in a new order every time through it.

    Args:
      data: `ImageData`.
      batch_size: Python `int`; every batch has this size.
      conditional: Python `bool`, whether to give pairs of images and one-hot classes.
      flip: Python `bool`, whether to mirror every other image at random.
      seed: Python `int` or None.

    Returns:
      `tf.data.Dataset` of images, or of pairs of images and one-hot classes.

    Raises:
      ValueError: if the split has less than `batch_size` images, or no classes and
        `conditional` is set.
    """
    if batch_size > data.num_train:
        raise ValueError(
            f"`batch_size` must be at most the {data.num_train} training images; got {batch_size}."
        )
    images = data.train.cache().shuffle(min(data.num_train, 50_000), seed=seed).repeat()
    batches = _with_condition(images.batch(batch_size, drop_remainder=True), data, conditional)
    if flip:
        mirrored = _on_images(lambda x: tf.image.random_flip_left_right(x, seed=seed))
        batches = batches.map(mirrored, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE)


def evaluation_batches(data, batch_size, conditional=False, num_images=None):
    """Batches of the test split in its own order; the first `num_images`, by default all."""
    images = data.test if num_images is None else data.test.take(num_images)
    return _with_condition(images.batch(batch_size), data, conditional).prefetch(tf.data.AUTOTUNE)


def _with_condition(batches, data, conditional):
    if not conditional:
        return batches.map(lambda images, classes: images)
    if data.num_classes is None:
        raise ValueError("`conditional` needs images with classes; these have none.")
    return batches.map(lambda images, classes: (images, tf.one_hot(classes, data.num_classes)))


def _on_images(function):
    def apply(images, *condition):
        return (function(images), *condition) if condition else function(images)

    return apply
