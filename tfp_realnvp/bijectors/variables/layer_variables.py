"""Lets `tf.Module` and `tf.train.Checkpoint` see the variables of Keras layers."""

from collections.abc import Iterable

import keras

from tfp_realnvp.bijectors.variables.tracked_variables import TrackedVariables, frozen_as_in_keras


class LayerVariables(TrackedVariables):
    """Lists the `tf.Variable`s of Keras layers.

    A `tf.Module` sees nothing of a Keras 3 layer: the layer is not a `tf.Module`, and its
    variables are `keras.Variable`s around `tf.Variable`s. A checkpoint follows the
    attributes of layers, but not lists of layers among them.
    """

    def __init__(self, layers: Iterable[keras.layers.Layer]) -> None:
        self._layers = layers

    def _variables(self):
        return [frozen_as_in_keras(v) for layer in self._layers for v in layer.variables]

    def freeze_as_in_keras(self) -> None:
        """Copies `trainable` of Keras's variables to TensorFlow's."""
        self._variables()


def is_keras_layer(conditioner: object) -> bool:
    """True for a Keras 3 layer or model; a tf-keras one is a `tf.Module` and needs no help."""
    return isinstance(conditioner, keras.layers.Layer)
