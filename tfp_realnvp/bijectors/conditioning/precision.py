"""Mixed precision is for training: elsewhere networks compute in the dtype of their variables.

In `forward` and `inverse` a network sees the same input but for rounding. One that computes
in bfloat16 turns that into differences which do not cancel: the inverse is then not one.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

_LOCK = threading.Lock()
_SWITCHED: dict[tuple[Any, str], tuple[Any, int]] = {}
"""By object and attribute: the value it has outside, and how many calls need the other."""


@contextlib.contextmanager
def full_precision(layer: keras.layers.Layer) -> Iterator[None]:
    """Within it a Keras layer, and every layer in it, computes in the dtype of its variables."""
    with _LOCK:
        places = list(_places(layer))
        for thing, attribute, value in places:
            outside, calls = _SWITCHED.get((thing, attribute), (getattr(thing, attribute), 0))
            _SWITCHED[thing, attribute] = outside, calls + 1
            setattr(thing, attribute, value)
    try:
        yield
    finally:
        with _LOCK:
            for thing, attribute, _ in places:
                outside, calls = _SWITCHED.pop((thing, attribute))
                if calls > 1:
                    _SWITCHED[thing, attribute] = outside, calls - 1
                else:
                    setattr(thing, attribute, outside)


def _places(layer):
    """The attributes that make layers compute low, and their values for full precision."""
    for x in layer._flatten_layers():
        full, switched = x.variable_dtype, (x, "_dtype_policy") in _SWITCHED
        if x.quantization_mode is not None or not (switched or x.compute_dtype != full):
            continue
        # A built `Sequential` rounds its input to what its layers computed in when it was built.
        tensors = getattr(x, "inputs", None) or []
        inputs = [x] if isinstance(x, keras.layers.InputLayer) else []
        for tensor in (*inputs, *tensors):
            if (tensor, "_dtype") in _SWITCHED if switched else tensor._dtype == x.compute_dtype:
                yield tensor, "_dtype", full
        yield x, "_dtype_policy", keras.DTypePolicy(full)
