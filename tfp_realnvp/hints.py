"""Names of types, for hints."""

import os
from collections.abc import Iterable
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

TensorLike: TypeAlias = tf.types.experimental.TensorLike
"""What TensorFlow makes a `Tensor` of: one itself, a variable, an array, numbers in lists."""

Shape: TypeAlias = Iterable[int]
"""Known sides; a `tf.TensorShape` is one."""

InputShape: TypeAlias = tuple[Any, ...]
"""As Keras hands it to `build`: sides, None where unknown."""

DTypeLike: TypeAlias = tf.DType | np.dtype | type | str

Seed: TypeAlias = int | TensorLike
"""A Python `int`, or a stateless seed of shape `[2]`."""

Variable: TypeAlias = tf.Variable | keras.Variable

Path: TypeAlias = str | os.PathLike[str]
