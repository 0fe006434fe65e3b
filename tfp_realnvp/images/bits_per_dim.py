"""Bits per dimension, the unit in which image densities are compared."""

import math
import numbers
from typing import TypeVar

import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.arguments import known_shape
from tfp_realnvp.utils.hints import Shape

LogProb = TypeVar("LogProb", float, np.floating, np.ndarray, tf.Tensor)


def bits_per_dim(log_prob: LogProb, event_shape: Shape) -> LogProb:
    """Converts a log-density to bits per dimension, `-log_prob / (D ln 2)`.

    Args:
      log_prob: Float `Tensor` or array of any shape: log-density of events, in nats. For
        images use the log-density of pixel values, as `image_distribution` returns it: the
        result is then comparable to the code length of the 8-bit image.
      event_shape: Shape of an event with `D` elements.

    Returns:
      Bits, with the type, shape and dtype of `log_prob`.

    Raises:
      TypeError: if `log_prob` is not a number, array or `Tensor`.
      ValueError: if `event_shape` is empty or not fully known.

    >>> bits_per_dim(-8 * math.log(2.0), (2, 2, 1))
    2.0

    #### References
    Dinh et al. (2017), table 1.
    """
    if not (tf.is_tensor(log_prob) or isinstance(log_prob, (np.ndarray, numbers.Real))):
        raise TypeError(f"`log_prob` must be a number, an array or a `Tensor`; got {log_prob!r}.")
    return -log_prob / (math.prod(known_shape(event_shape)) * math.log(2.0))
