"""Limits mixed precision to training: otherwise networks compute in the dtype of their variables.

In `forward` and `inverse` a network sees the same input, except for rounding. In bfloat16 it
turns rounding into differences that do not cancel, so `inverse` would not invert `forward`.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras

from tfp_realnvp.utils.private_names import all_layers

_LOCK = threading.Lock()
_SWITCHED: dict[tuple[Any, str], tuple[Any, int]] = {}
"""By object and attribute: the value outside of `full_precision`, and the number of calls within."""


@contextlib.contextmanager
def full_precision(layer: keras.layers.Layer) -> Iterator[None]:
    """Makes a Keras layer and its inner layers compute in their variables' dtype within its block."""
    with _LOCK:
        places = list(_lowered_attributes(layer))
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


def _lowered_attributes(layer):
    """Yields the attributes that lower the precision of layers, and their full-precision values."""
    for x in all_layers(layer):
        full, switched = x.variable_dtype, (x, "_dtype_policy") in _SWITCHED
        if x.quantization_mode is not None or not (switched or x.compute_dtype != full):
            continue
        # A built `Sequential` casts its input to the compute dtype that its layers had when it was built.
        tensors = getattr(x, "inputs", None) or []
        inputs = [x] if isinstance(x, keras.layers.InputLayer) else []
        for tensor in (*inputs, *tensors):
            if (tensor, "_dtype") in _SWITCHED if switched else tensor._dtype == x.compute_dtype:
                yield tensor, "_dtype", full
        yield x, "_dtype_policy", keras.DTypePolicy(full)
