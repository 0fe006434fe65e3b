"""Evaluates a model of images: bits per dimension, and how exactly it inverts."""

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.data import ImageData, evaluation_batches
from tfp_realnvp.images.bits_per_dim import bits_per_dim
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.utils.hints import ArrayLike, Shape


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A mean and its standard error.

    Attributes:
      mean: Python `float`.
      standard_error: Python `float`, or None for a single value.
    """

    mean: float
    standard_error: float | None

    @classmethod
    def of(cls, values: ArrayLike) -> "Estimate":
        """Estimates the mean of independent values.

        Args:
          values: Array of shape `[n]`, `n` at least 1.

        Returns:
          `Estimate`, whose standard error is the sample's standard deviation over `sqrt(n)`.
        """
        values = np.asarray(values, np.float64)
        error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else None
        return cls(float(values.mean()), None if error is None else float(error))

    def __str__(self) -> str:
        error = "" if self.standard_error is None else f" ± {self.standard_error:.3f}"
        return f"{self.mean:.3f}{error}"


def log_prob_draws(
    model: FlowModel,
    data: ImageData,
    num_draws: int,
    seed: int = 0,
    conditional: bool = False,
    split: str = "test",
    num_images: int | None = None,
    batch_size: int = 64,
    verbose: int = 0,
) -> np.ndarray:
    """Computes the log-density of each image, dequantised several times.

    Args:
      model: `FlowModel` of images.
      data: `ImageData`.
      num_draws: Python `int`, how often each image is dequantised with fresh noise.
      seed: Python `int`, seed of the noise.
      conditional: Python `bool`, whether the model takes conditions.
      split: `"test"` or `"train"`.
      num_images: Python `int`, how many of the first images to use; all by default.
      batch_size: Python `int`.
      verbose: Python `int`, as in `keras.Model.predict`: 1 shows a progress bar.

    Returns:
      Array of shape `[num_draws, number of images]`, in nats.

    Raises:
      ValueError: if `split` is neither, or has no labels and `conditional` is set.
    """
    draws = (
        evaluation_batches(data, batch_size, conditional, num_images, split, noise_seed)
        for noise_seed in range(seed * num_draws, (seed + 1) * num_draws)
    )
    log_prob = model.predict(functools.reduce(tf.data.Dataset.concatenate, draws), verbose=verbose)
    return log_prob.reshape(num_draws, -1)


def mean_bits(log_prob: np.ndarray, event_shape: Shape) -> np.ndarray:
    """Computes bits per dimension of each image, a mean over draws that bounds its code length.

    Args:
      log_prob: Array of shape `[num_draws, n]`, as `log_prob_draws` returns it.
      event_shape: Shape of an image.

    Returns:
      Array of shape `[n]`.
    """
    return bits_per_dim(np.mean(log_prob, axis=0, dtype=np.float64), event_shape)


def importance_weighted_bits(log_prob: np.ndarray, event_shape: Shape) -> np.ndarray:
    """Computes bits per dimension of each image by the importance-weighted bound over draws.

    The probability of an image of integers `x` is the mean of the density over its
    noise, `P(x) = E p(x + u)`. In expectation, the logarithm of a mean over draws is
    below `log P(x)` and above the mean of logarithms. More draws make it tighter.

    Args:
      log_prob: Array of shape `[num_draws, n]`, as `log_prob_draws` returns it.
      event_shape: Shape of an image.

    Returns:
      Array of shape `[n]`, nowhere above `mean_bits`.

    #### References
    Burda et al. (2016), Importance weighted autoencoders; Theis et al. (2016), A note on the
    evaluation of generative models, section 3.1, for noise.
    """
    return bits_per_dim(
        tfp.math.reduce_logmeanexp(np.asarray(log_prob, np.float64), axis=0).numpy(), event_shape
    )


def log_prob_of_conditions(
    model: FlowModel, images: np.ndarray, conditions: np.ndarray, batch_size: int = 64
) -> np.ndarray:
    """Computes the log-density of each image under each of several conditions.

    Args:
      model: `FlowModel` of a conditional flow.
      images: Array of shape `[n, height, width, channels]`; integers are dequantised with
        the model's fixed noise.
      conditions: Array of shape `[m, size]`, such as the one-hot vectors of all classes.
      batch_size: Python `int`.

    Returns:
      Array of shape `[n, m]`, in nats. If all classes are equally likely, the largest
      column is the class by Bayes' rule, and `tfp.math.reduce_logmeanexp` over columns is the
      log-density of the image without its class.
    """
    columns = (
        model.predict((images, np.tile(condition, (len(images), 1))), batch_size=batch_size, verbose=0)
        for condition in conditions
    )
    return np.stack(list(columns), axis=-1)


def inversion_error(model: FlowModel, batches: Iterable[Any]) -> float:
    """Computes the largest `|x - decode(encode(x))|` over images, in units of a pixel's levels.

    Args:
      model: `FlowModel`.
      batches: Iterable of batches of float images, or of pairs of images and conditions.

    Returns:
      Python `float`.
    """
    largest = 0.0
    for batch in batches:
        x, condition = batch if isinstance(batch, tuple) else (batch, None)
        again = model.decode(model.encode(x, condition), condition)
        largest = np.maximum(largest, tf.reduce_max(tf.abs(again - x)))  # Keeps a NaN.
    return float(largest)
