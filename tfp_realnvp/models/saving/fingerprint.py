"""A fingerprint of a model's variables, so that it refuses the weights of another model."""

import re
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.hints import ArrayLike


class Fingerprint(tf.train.experimental.PythonState):
    """Records the names and shapes of the variables of Keras layers, in order, in saved files.

    Keras restores the layers that it finds in a file, and `tf.train.Checkpoint` the variables. From
    another model's file they may restore a part, without an error. A checkpoint that holds a
    fingerprint raises an error instead; for other files there are `to_array` and `check`.

    Args:
      layers: List of Keras layers. Their variables are looked up at each call.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer]) -> None:
        self._layers = layers

    def _lines(self):
        return [f"{_name(v)} {tuple(v.shape)}" for layer in self._layers for v in layer.variables]

    def serialize(self) -> str:
        return "\n".join(self._lines())

    def deserialize(self, string_value: str | bytes) -> None:
        """Compares the saved names and shapes with the current ones.

        Raises:
          ValueError: if they differ.
        """
        text = string_value.decode() if isinstance(string_value, bytes) else string_value
        self._compare(text.splitlines(), self._lines())

    def _compare(self, saved, own):
        if saved == own:
            return
        same = [s == o for s, o in zip(saved, own, strict=False)]
        i = [*same, False].index(False)
        raise ValueError(
            "The weights are those of another model, or of one that has not been built yet: saved are "
            f"{len(saved)} variables, here are {len(own)}. The first that differs is number {i}: saved is "
            f"{(saved[i:] or ['none'])[0]}, here is {(own[i:] or ['none'])[0]}."
        )

    def to_array(self) -> np.ndarray:
        """Returns a `uint8` array for files of arrays, without LoRA's variables: Keras merges them there."""
        return np.frombuffer("\n".join(_merged(self._lines())).encode(), np.uint8)

    def check(self, array: ArrayLike) -> None:
        """Compares an array from `to_array` with the current variables; raises as `deserialize` does."""
        saved = np.asarray(array, np.uint8).tobytes().decode().splitlines()
        self._compare(_merged(saved), _merged(self._lines()))


def _merged(lines):
    """The lines of variables that Keras writes to its files."""
    return [line for line in lines if not line.startswith("lora_")]


def _name(variable):
    """The variable's own name, without its owners' names and the numbers that Keras may have added."""
    return re.sub(r"_\d+", "", variable.name.split("/")[-1].split(":")[0])
