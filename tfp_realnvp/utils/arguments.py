"""Checks arguments: errors name the argument, the given value and the allowed values."""

import math
import numbers
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.hints import ArrayLike, DTypeLike


def check_bool(value: object, name: str) -> None:
    """Raises a TypeError unless `value` is a Python or NumPy bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"`{name}` must be a Python bool; got {value!r}.")


def check_training(training: object) -> None:
    """Raises a TypeError unless `training` is a Python `bool` or None.

    In a TensorFlow 1 graph, which cannot update moving statistics, True raises a ValueError.
    """
    if training is not None and not isinstance(training, bool):
        raise TypeError(f"`training` must be a Python bool or None; got {training!r}.")
    is_graph = not tf.executing_eagerly() and not tf.compat.v1.get_default_graph().building_function
    if training and is_graph:
        raise ValueError(
            "`training` must be False or None in a graph of TensorFlow 1, where moving statistics do not "
            "move; got True. Train in eager mode or in a `tf.function`."
        )


def check_integer(value: object, name: str, least: int | None = None) -> None:
    """Raises unless `value` is an integer and not less than `least`."""
    range_ = "" if least is None else f" of at least {least}"
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be an integer{range_}; got {value!r}.")
    if least is not None and value < least:
        raise ValueError(f"`{name}` must be an integer{range_}; got {value!r}.")


def check_number(value: object, name: str, range_: str, is_allowed: Callable[[Any], bool]) -> None:
    """Raises unless `value` is a finite number that `is_allowed`; errors describe these by `range_`."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"`{name}` must be a number {range_}; got {value!r}.")
    if not (math.isfinite(value) and is_allowed(value)):
        raise ValueError(f"`{name}` must be a number {range_}; got {value!r}.")


def float_dtype(value: DTypeLike | None, name: str = "dtype") -> tf.DType | None:
    """Converts `value` to a float `tf.DType`; None stays None."""
    if value is None:
        return None
    try:
        dtype = tf.as_dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or not dtype.is_floating:
        raise TypeError(f"`{name}` must be a float dtype, such as 'float32', or None; got {value!r}.")
    return dtype


def known_shape(event_shape: Any, name: str = "event_shape") -> tuple[int, ...]:
    """Converts `event_shape` to a tuple of positive Python ints; else a ValueError names it."""
    try:
        shape = tuple(0 if isinstance(side, bool) else operator.index(side) for side in event_shape)
    except (TypeError, ValueError):
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(
            f"`{name}` must hold at least one side, each a known positive integer; got {event_shape}."
        )
    return shape


def boolean_mask(mask: ArrayLike, name: str = "mask") -> np.ndarray:
    """Returns `mask` as a boolean array; a TypeError names it if it is not boolean."""
    mask = np.asarray(mask)
    if mask.dtype != bool:
        raise TypeError(f"`{name}` must be boolean; got dtype {mask.dtype}.")
    return mask
