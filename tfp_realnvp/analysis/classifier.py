"""A small image classifier, to check the samples of a conditional model."""

import keras
import numpy as np

from tfp_realnvp.data import ImageData, training_batches
from tfp_realnvp.images.levels import quantize
from tfp_realnvp.utils.hints import ArrayLike


def trained_classifier(
    data: ImageData, steps: int = 1500, batch_size: int = 64, seed: int = 0
) -> keras.Model:
    """Trains a convolutional network to read the labels of images.

    Args:
      data: `ImageData` with classes or attributes.
      steps: Python `int`, batches to train on.
      batch_size: Python `int`; smaller if there are fewer images.
      seed: Python `int`, for the order of images; initial weights depend on Keras's global seed.

    Returns:
      `keras.Model` from images, of pixel values in `[0, num_levels)`, to the probabilities of
      conditions, of shape `[n, num_conditions]`.

    Raises:
      ValueError: if there are no labels.
    """
    batches = training_batches(data, min(batch_size, data.num_train), conditional=True, seed=seed)
    inputs = x = keras.Input(data.event_shape)
    x = keras.layers.Rescaling(2 / (data.num_levels - 1), -1)(x)
    filters, side = 32, min(data.event_shape[:2])
    x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    while side > 4:
        filters, side = 2 * filters, -(-side // 2)
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
    activation, loss = (
        ("sigmoid", "binary_crossentropy") if data.attributes else ("softmax", "categorical_crossentropy")
    )
    outputs = keras.layers.Dense(data.num_conditions, activation)(x)
    model = keras.Model(inputs, outputs)
    schedule = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(schedule), loss)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)
    return model


def read_conditions(classifier: keras.Model, images: ArrayLike, num_levels: int) -> np.ndarray:
    """Reads the conditions of images with a classifier.

    Args:
      classifier: The result of `trained_classifier`.
      images: Array of pixel values of shape `[n, height, width, channels]`. They are
        rounded down to integers and clipped to the levels, as in a picture.
      num_levels: Python `int`, number of values a pixel takes.

    Returns:
      float32 array of zeros and ones, of shape `[n, num_conditions]`: one-hot classes, or
      attributes.
    """
    probabilities = classifier.predict(quantize(images, num_levels), verbose=0)
    if classifier.layers[-1].activation is keras.activations.softmax:
        return np.eye(probabilities.shape[-1], dtype=np.float32)[probabilities.argmax(axis=-1)]
    return (probabilities > 0.5).astype(np.float32)


def accuracy(read: ArrayLike, conditions: ArrayLike, one_hot: bool, before: ArrayLike | None = None) -> float:
    """Computes the share of conditions that were read correctly.

    Args:
      read: The result of `read_conditions`.
      conditions: Array of the same shape, the true conditions.
      one_hot: Python `bool`, whether they are classes.
      before: Array of the same shape, the conditions before a change, to count only changed ones;
        by default all count.

    Returns:
      Python `float`, the share of rows for classes, else of single attributes.
    """
    right = np.asarray(read) == np.asarray(conditions)
    counts = np.ones_like(right) if before is None else np.asarray(conditions) != np.asarray(before)
    if one_hot:
        right, counts = right.all(axis=-1), counts.any(axis=-1)
    return float(right[counts].mean())
