"""Lets `tf.Module` and `tf.train.Checkpoint` see the variables of Keras layers."""

import collections.abc

import keras
import tensorflow as tf


class LayerVariables(collections.abc.Sequence, tf.__internal__.tracking.Trackable):
    """The `tf.Variable`s of Keras layers, as they are at the moment of asking.

    A `tf.Module` walks the sequences among its attributes, however deep in chains the
    module sits, but sees nothing of a Keras 3 layer: that is no module, and its
    variables are `keras.Variable`s around the `tf.Variable`s. A checkpoint does follow
    the attributes of layers, but not the lists of layers among them.
    """

    def __init__(self, layers):
        self._layers = layers

    def _variables(self):
        # `_value`, since `value` is a cast copy inside a mixed-precision call.
        return [getattr(v, "_value", v) for layer in self._layers for v in layer.variables]

    def __len__(self):
        return len(self._variables())

    def __getitem__(self, index):
        return self._variables()[index]

    def _trackable_children(self, *args, **kwargs):
        children = super()._trackable_children(*args, **kwargs)
        return {**children, **{f"variable_{i}": v for i, v in enumerate(self)}}


def is_keras_layer(conditioner):
    """True for a Keras 3 layer or model; a tf-keras one is a `tf.Module` and needs no help."""
    return isinstance(conditioner, keras.layers.Layer)
