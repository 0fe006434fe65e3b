"""Makes the batches of an image data set for training and evaluation."""

import math

import numpy as np
import tensorflow as tf

from tfp_realnvp.data.image_data import ImageData
from tfp_realnvp.images.dequantization import dequantize
from tfp_realnvp.utils.arguments import check_integer

CACHED_BYTES = 4 * 2**30
"""Data sets up to this size stay in memory once they have been read."""

SHUFFLED = 20_000
"""Images in the shuffle buffer of a data set that does not stay in memory."""


def training_batches(
    data: ImageData,
    batch_size: int,
    conditional: bool = False,
    flip: bool = False,
    seed: int | None = None,
    start: int = 0,
) -> tf.data.Dataset:
    """Makes endless batches of the training split, in a new order in each pass.

    Order, windows and flips depend only on the seed and the number of the batch, so that
    training can resume anywhere in the stream.

    Args:
      data: `ImageData`.
      batch_size: Python `int`; every batch has this size.
      conditional: Python `bool`, whether to give pairs of images and conditions.
      flip: Python `bool`, whether to mirror each image with probability 1/2.
      seed: Python `int`, for the same batches each time, or None.
      start: Python `int`, number of the first batch.

    Returns:
      `tf.data.Dataset` of images, uint8 of shape `[batch_size, *event_shape]`, or of pairs
      of images and conditions, float32 of shape `[batch_size, num_conditions]`.

    Raises:
      ValueError: if the split has fewer than `batch_size` images, or no labels and
        `conditional` is set.
    """
    if batch_size > data.num_train:
        raise ValueError(
            f"`batch_size` must be at most the {data.num_train} training images; got {batch_size}."
        )
    check_integer(start, "start", least=0)
    seed = np.random.randint(2**31) if seed is None else seed
    images, size = data.train, data.num_train
    if not _are_larger(images, data) and size * math.prod(data.event_shape) <= CACHED_BYTES:
        images = images.cache()
    else:
        size = min(size, SHUFFLED)
    first_pass, seen = divmod(start * batch_size, data.num_train)
    images = _passes(images, size, seed, first_pass).skip(seen)
    if _are_larger(images, data):
        images = tf.data.Dataset.zip(images, _seeds(seed, start * batch_size)).map(
            lambda example, seed: (_window(example[0], data.event_shape, seed), *example[1:]),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    batches = images.batch(batch_size, drop_remainder=True)
    if flip:
        batches = tf.data.Dataset.zip(batches, _seeds(seed, start)).map(
            lambda batch, seed: (tf.image.stateless_random_flip_left_right(batch[0], seed), *batch[1:]),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
    return _with_conditions(batches, data, conditional).prefetch(tf.data.AUTOTUNE)


def evaluation_batches(
    data: ImageData,
    batch_size: int,
    conditional: bool = False,
    num_images: int | None = None,
    split: str = "test",
    noise_seed: int | None = None,
) -> tf.data.Dataset:
    """Makes batches of a split in its own order, the same each time.

    Args:
      data: `ImageData`.
      batch_size: Python `int`; the last batch may be smaller.
      conditional: Python `bool`, whether to give pairs of images and conditions.
      num_images: Python `int`, how many of the first images to use; all by default.
      split: `"test"` or `"train"`.
      noise_seed: Python `int`, to dequantise each image with noise that depends on this seed
        and on the number of the image; None to keep integers.

    Returns:
      `tf.data.Dataset` as from `training_batches`; images with noise are float32.

    Raises:
      ValueError: if `split` is neither, or has no labels and `conditional` is set.
    """
    if split not in ("test", "train"):
        raise ValueError(f"`split` must be 'test' or 'train'; got {split!r}.")
    images = data.test if split == "test" else data.train
    is_larger = _are_larger(images, data)

    def prepared(number, example):
        image, label = example
        number = tf.cast(number, tf.int32)
        if is_larger:
            image = _window(image, data.event_shape, tf.stack([0, number]))
        if noise_seed is not None:
            image = dequantize(image, tf.stack([noise_seed, number]))
        return image, label

    images = images.take(-1 if num_images is None else num_images).enumerate()
    batches = images.map(prepared, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_size)
    return _with_conditions(batches, data, conditional).prefetch(tf.data.AUTOTUNE)


def first_images(
    data: ImageData, num_images: int, split: str = "test"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the first images of a split and, if it has labels, their conditions.

    Args:
      data: `ImageData`.
      num_images: Python `int`; a smaller split gives all its images.
      split: `"test"` or `"train"`.

    Returns:
      uint8 array of shape `[n, *event_shape]`; float32 array of shape `[n, num_conditions]`,
      or None.
    """
    if data.num_conditions is None:
        return _first_batch(data, num_images, False, split), None
    return _first_batch(data, num_images, True, split)


def conditions_to_draw(data: ImageData, num_images: int = 8) -> np.ndarray:
    """Returns conditions for samples: all classes, or the attributes of some test images.

    Args:
      data: `ImageData` with labels.
      num_images: Python `int`, number of test images, if there are attributes.

    Returns:
      float32 array of shape `[n, num_conditions]`.
    """
    if data.attributes is None and data.num_classes is not None:
        return np.eye(data.num_classes, dtype=np.float32)
    return _first_batch(data, num_images, True, "test")[1]


def _first_batch(data, num_images, conditional, split):
    return next(evaluation_batches(data, num_images, conditional, num_images, split).as_numpy_iterator())


def _passes(images, buffer_size, seed, first):
    """All images again and again, shuffled by the seed and the number of the pass."""

    def shuffled(i):
        tf.random.set_seed(seed % 2**30 + 1)  # For the graph of this function only; not 0.
        return images.shuffle(buffer_size, i, reshuffle_each_iteration=False)

    return tf.data.Dataset.counter(first).flat_map(shuffled)


def _are_larger(images, data):
    """Whether images are larger than an event, or of unknown size."""
    return images.element_spec[0].shape != tf.TensorShape(data.event_shape)


def _window(image, event_shape, seed):
    return tf.image.stateless_random_crop(image, event_shape, seed)


def _seeds(seed, start):
    """Stateless seeds of shape `[2]`, one for every number from `start` on."""
    return tf.data.Dataset.counter(start).map(lambda i: tf.stack([tf.constant(seed, tf.int64), i]))


def _with_conditions(batches, data, conditional):
    if conditional:
        return batches.map(lambda images, labels: (images, data.conditions(labels)))
    return batches.map(lambda images, labels: images)
