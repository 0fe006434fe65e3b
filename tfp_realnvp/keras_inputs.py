"""Events, conditions and weights as Keras hands them on: `x`, `y` and `sample_weight`."""

import keras
import numpy as np


def targets(events, condition, sample_weight):
    """Keras drops the sample weights of arrays that have no targets: here they have, if empty ones."""
    if condition is None and sample_weight is not None and hasattr(events, "shape"):
        return np.zeros((events.shape[0], 0), np.float32)
    return condition


def inputs(data):
    """Keras's `(x, condition)` with optional weights, as the one input of `call`."""
    x, condition, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    without = condition is None or 0 in tuple(condition.shape)[-1:]
    return (x if without else (x, condition)), None, sample_weight
