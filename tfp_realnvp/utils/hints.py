"""Type aliases for hints. They are short because `help` prints them in full."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

ArrayLike: TypeAlias = np.ndarray | Sequence[Any] | float
"""Values that NumPy converts to an array: an array, numbers in lists, a number."""

TensorLike: TypeAlias = tf.Tensor | ArrayLike
"""Values that TensorFlow converts to a `Tensor`: a `Tensor`, a variable, an `ArrayLike`."""

Shape: TypeAlias = Iterable[int]
"""Known sides, for example a `tf.TensorShape`."""

InputShape: TypeAlias = tuple[Any, ...]
"""The shape that Keras passes to `build`: sides, None where unknown."""

DTypeLike: TypeAlias = tf.DType | np.dtype | type | str

Seed: TypeAlias = int | tf.Tensor | np.ndarray | Sequence[int]
"""A Python `int`, or a stateless seed of shape `[2]`."""

Variable: TypeAlias = tf.Variable | keras.Variable

Path: TypeAlias = str | os.PathLike[str]
