"""Names of types, for hints. They are short, as `help` writes them out."""

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

ArrayLike: TypeAlias = np.ndarray | Sequence[Any] | float
"""What NumPy makes an array of: one itself, numbers in lists, a number."""

TensorLike: TypeAlias = tf.Tensor | ArrayLike
"""What TensorFlow makes a `Tensor` of: one itself, a variable, what NumPy makes an array of."""

Shape: TypeAlias = Iterable[int]
"""Known sides; a `tf.TensorShape` is one."""

InputShape: TypeAlias = tuple[Any, ...]
"""As Keras hands it to `build`: sides, None where unknown."""

DTypeLike: TypeAlias = tf.DType | np.dtype | type | str

Seed: TypeAlias = int | tf.Tensor | np.ndarray | Sequence[int]
"""A Python `int`, or a stateless seed of shape `[2]`."""

Variable: TypeAlias = tf.Variable | keras.Variable

Path: TypeAlias = str | os.PathLike[str]
