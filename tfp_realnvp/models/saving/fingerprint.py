"""What variables a model has, so that it refuses the weights of another."""

import re
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.utils.hints import ArrayLike


class Fingerprint(tf.train.experimental.PythonState):
    """The names and shapes of the variables of Keras layers, in order, as part of what is saved.

    Keras restores the layers that it finds, and `tf.train.Checkpoint` the variables: of a
    file of another model that may be a part, without an error. A checkpoint that holds this
    refuses to be restored then; for other files there are `to_array` and `check`.

    Args:
      layers: List of Keras layers; its variables are those at the moment of asking.
    """

    def __init__(self, layers: Sequence[keras.layers.Layer]) -> None:
        self._layers = layers

    def _lines(self):
        return [f"{_name(v)} {tuple(v.shape)}" for layer in self._layers for v in layer.variables]

    def serialize(self) -> str:
        return "\n".join(self._lines())

    def deserialize(self, string_value: str | bytes) -> None:
        """Compares with what was saved.

        Raises:
          ValueError: if it was saved for other variables.
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
        """As a `uint8` array, for files that hold arrays, into which Keras writes LoRA's merged kernels."""
        return np.frombuffer("\n".join(_merged(self._lines())).encode(), np.uint8)

    def check(self, array: ArrayLike) -> None:
        """As `deserialize`, of what `to_array` gave."""
        saved = np.asarray(array, np.uint8).tobytes().decode().splitlines()
        self._compare(_merged(saved), _merged(self._lines()))


def _merged(lines):
    """Those of variables that Keras writes to its files."""
    return [line for line in lines if not line.startswith("lora_")]


def _name(variable):
    """The variable's own name, without its owners' and without the numbers Keras may have given them."""
    return re.sub(r"_\d+", "", variable.name.split("/")[-1].split(":")[0])
