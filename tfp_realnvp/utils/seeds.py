"""Seeds for reproducible random numbers."""

import numbers
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.utils.hints import Seed


def stateless_seed(seed: Seed | None) -> tf.Tensor:
    """Makes a seed of shape `[2]`: always the same for a Python `int`, always new for None."""
    if seed is None or (tf.is_tensor(seed) and np.shape(seed) == (2,)):
        return tfp.random.sanitize_seed(seed)
    pair: Any = seed
    if isinstance(seed, numbers.Integral) and not isinstance(seed, bool):
        value = int(seed)
        # Integers beyond 32 bits get distinct pairs too.
        pair = (0, value) if -(2**31) <= value < 2**31 else (value >> 31, value & (2**31 - 1))
    if np.shape(pair) != (2,) or np.asarray(pair).dtype.kind not in "iuO":
        raise TypeError(f"`seed` must be an integer, a seed of shape [2] or None; got {seed!r}.")
    if not all(-(2**31) <= part < 2**31 for part in pair):
        raise ValueError(f"`seed` must be an integer of less than 62 bits, or two of 32 bits; got {seed!r}.")
    return tfp.random.sanitize_seed(np.array(pair, np.int32))
