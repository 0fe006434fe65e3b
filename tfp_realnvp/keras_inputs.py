"""Events, conditions and weights as Keras hands them on: `x`, `y` and `sample_weight`."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tfp_realnvp.events import check_arrays
from tfp_realnvp.progress_bar import with_progress_bar


def inputs(data: Any) -> tuple[Any, None, Any]:
    """Keras's `(x, condition)` with optional weights, as the one input of `call`."""
    x, condition, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    without = condition is None or 0 in tuple(condition.shape)[-1:]
    return (x if without else (x, condition)), None, sample_weight


def of_events(method: Callable[..., Any], documentation: str) -> Callable[..., Any]:
    """`fit`, `evaluate` or `predict` of Keras, for events and conditions, with a `ProgressBar`.

    Sample weights of arrays without conditions are kept. Keras drops those of arrays without
    targets: here these have some, if empty ones. `documentation` is what `help` shows, which finds
    none of Keras's behind a wrapper.
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
        verbose = arguments.get("verbose", "auto")
        arguments["callbacks"] = with_progress_bar(arguments.get("callbacks"), verbose)
        if is_prediction:
            return method(*given.args, **given.kwargs)
        arguments["y"] = _targets(*(arguments.get(name) for name in ("x", "y", "sample_weight")))
        validation = arguments.get("validation_data")
        if isinstance(validation, (tuple, list)) and len(validation) == 3:
            arguments["validation_data"] = (validation[0], _targets(*validation), validation[2])
        return method(*given.args, **given.kwargs)

    wrapped.__doc__ = documentation
    return wrapped


def _pair(x):
    """Events and conditions, as `predict` takes them."""
    return x if isinstance(x, (tuple, list)) and len(x) == 2 else (x, None)


def _targets(events, condition, sample_weight):
    if condition is None and sample_weight is not None and hasattr(events, "shape"):
        return np.zeros((events.shape[0], 0), np.float32)
    return condition
