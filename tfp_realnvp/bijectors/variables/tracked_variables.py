"""Shows variables to `tf.Module` and `tf.train.Checkpoint`."""

import abc
from collections.abc import Sequence

import keras
import tensorflow as tf

from tfp_realnvp.utils.hints import Variable


class TrackedVariables(Sequence, tf.__internal__.tracking.Trackable):
    """A sequence of `tf.Variable`s that looks them up at each access.

    A `tf.Module` walks the sequences among its attributes, however deep in chains the
    module sits; a checkpoint calls `_trackable_children`.
    """

    @abc.abstractmethod
    def _variables(self):
        """Returns a sequence of `tf.Variable`s."""

    def __len__(self):
        return len(self._variables())

    def __getitem__(self, index):
        return self._variables()[index]

    def _trackable_children(self, *args, **kwargs):
        children = super()._trackable_children(*args, **kwargs)
        return {**children, **{f"variable_{i}": v for i, v in enumerate(self)}}


def frozen_as_in_keras(variable: keras.Variable) -> tf.Variable:
    """Returns the `tf.Variable` in a `keras.Variable`, after copying `trainable` from Keras to it."""
    inner = tf_variable(variable)
    if inner.trainable != variable.trainable:
        for v in getattr(inner, "values", (inner,)):  # One per replica.
            v._trainable = variable.trainable
    return inner


def tf_variable(variable: Variable) -> tf.Variable:
    """Returns the `tf.Variable` in a `keras.Variable`, and other values unchanged."""
    # `_value`, since `value` is a cast copy inside a mixed-precision call.
    return getattr(variable, "_value", variable)
