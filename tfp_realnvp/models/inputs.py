"""Events, conditions and weights as Keras passes them: `x`, `y` and `sample_weight`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.images.image_distribution import num_levels_of
from tfp_realnvp.images.levels import levels_in_range
from tfp_realnvp.models.events import check_arrays
from tfp_realnvp.models.progress_bar import with_progress_bar


def call_inputs(data: Any) -> tuple[Any, None, Any]:
    """Turns Keras's `(x, condition, sample_weight)` into the one input of `call`, and the weights."""
    x, targets, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    return ((x, targets) if _are_conditions(targets) else x), None, sample_weight


def takes_events(method: Callable[..., Any], documentation: str) -> Callable[..., Any]:
    """Wraps Keras's `fit`, `evaluate` or `predict` for events and conditions, with a `ProgressBar`.

    `help` shows `documentation`, as it does not find Keras's behind a wrapper.
    """
    signature = inspect.signature(method)

    @functools.wraps(method)
    def wrapped(*args, **kwargs):
        given = signature.bind(*args, **kwargs)
        arguments = given.arguments
        x, y, distribution = arguments.get("x"), arguments.get("y"), arguments["self"].distribution
        is_prediction = "y" not in signature.parameters
        events, condition = _pair(x) if is_prediction else (x, y)
        check_arrays(events, condition, distribution)
        arguments["x"] = _with_levels(x, arguments["self"])
        verbose = arguments.get("verbose", "auto")
        arguments["callbacks"] = with_progress_bar(arguments.get("callbacks"), verbose)
        if is_prediction:
            return method(*given.args, **given.kwargs)
        arguments["y"] = _targets(*(arguments.get(name) for name in ("x", "y", "sample_weight")))
        validation = arguments.get("validation_data")
        if isinstance(validation, (tuple, list)):
            _with_levels(validation[0], arguments["self"])
        elif validation is not None:
            arguments["validation_data"] = _with_levels(validation, arguments["self"])
        if isinstance(validation, (tuple, list)) and len(validation) == 3:
            arguments["validation_data"] = (validation[0], _targets(*validation), validation[2])
        return method(*given.args, **given.kwargs)

    wrapped.__doc__ = documentation
    return wrapped


def _with_levels(x, model):
    """Checks that integer events are levels of the model's pixels, and returns them; else a ValueError.

    Compiled functions check them too, but XLA drops such checks: with XLA, a data set checks its batches.
    """
    levels = num_levels_of(model.distribution)
    if levels is None:
        return x
    if isinstance(x, tf.data.Dataset):
        first = x.element_spec[0] if isinstance(x.element_spec, tuple) else x.element_spec
        if not (model.jit_compile and isinstance(first, tf.TensorSpec) and first.dtype.is_integer):
            return x
        return x.map(lambda *batch: _first_in_range(batch, levels))
    events, _ = _pair(x)
    if isinstance(events, (np.ndarray, tf.Tensor)) and len(events):
        dtype = tf.as_dtype(events.dtype)
        if dtype.is_integer and (dtype.min < 0 or dtype.max >= levels):  # Else every value is a level.
            events = np.asarray(events)
            levels_in_range(tf.constant([events.min(), events.max()], dtype), levels)
    return x


def _first_in_range(batch, levels):
    events = levels_in_range(batch[0], levels)
    return (events, *batch[1:]) if len(batch) > 1 else events


def _pair(x):
    """Events and conditions, as `predict` takes them."""
    return x if isinstance(x, (tuple, list)) and len(x) == 2 else (x, None)


def _targets(events, condition, sample_weight):
    """Conditions, or empty targets: Keras drops the sample weights of arrays without targets."""
    if condition is None and sample_weight is not None and hasattr(events, "shape"):
        return np.zeros((events.shape[0], 0), np.float32)
    return condition


def _are_conditions(targets):
    return targets is not None and 0 not in tuple(targets.shape)[-1:]
