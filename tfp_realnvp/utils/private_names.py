"""All private names of Keras, TensorFlow and TFP that this package uses, and why.

Tested with Keras 3.6 and 3.15, TensorFlow 2.18 and 2.21, TFP 0.25 (`.ci/wheels`). Methods that TFP expects
subclasses to define (`_forward`, `_parameter_properties`, `_is_permutation` and so on) do not count. A test
checks that the installed libraries have every name, and that every private name in the source is listed.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras.src.backend.common.global_state import get_global_attribute
from tensorflow.python.eager.forwardprop_util import pack_tangents
from tensorflow.python.eager.record import could_possibly_record as a_tape_could_record

__all__ = ["a_tape_could_record", "all_layers", "is_in_forward_mode", "keras_call"]

PRIVATE_NAMES = {
    "keras.layers.Layer": {
        "_dtype_policy": "Networks compute in full precision for one call; `dtype_policy` is not what is set "
        "where it is a `DTypePolicyMap`.",
        "_flatten_layers": "Lists all layers inside of a layer, however deep; no public name does.",
        "_layers": "Tells whether a layer has inner layers.",
        "_get_own_losses": "Adds the L2 term to the losses of a model that contains this one.",
    },
    "keras.Model": {
        "_distribute_strategy": "Is None without a strategy; `distribute_strategy` never is.",
        "_maybe_symbolic_build": "Keras cannot take a batch of all replicas apart to learn its shapes.",
    },
    "keras.optimizers.Optimizer": {
        "_backend_apply_gradients": "One fused operation; `update_step` is for single operations.",
        "_distribution_strategy": "The strategy under which the variables were made.",
        "_get_variable_index": "Finds the moments of a variable.",
        "_model_variables_moving_average": "Holds the weight averages.",
        "_momentums": "Holds Adam's first moments.",
        "_stateful_handle_finite_grads": "Counts skipped updates.",
        "_stateful_handle_non_finite_grads": "Counts skipped updates.",
        "_track_variable": "Registers variables of a rebuilt optimizer.",
        "_tracker": "Forgets variables of an optimizer that is rebuilt.",
        "_trainable_variables": "Holds the variables that an optimizer was built for.",
        "_trainable_variables_indices": "Has to forget them when an optimizer is rebuilt.",
        "_variables": "Forgets variables of an optimizer that is rebuilt.",
        "_velocities": "Holds Adam's second moments.",
    },
    "keras.callbacks.ProgbarLogger": {"_called_in_fit": "Tells whether an evaluation is part of a training."},
    "keras.utils.Progbar": {
        "_time_after_first_step": "Restarts the estimate of the time per step after compilation."
    },
    "keras.KerasTensor": {"_dtype": "A built `Sequential` rounds its input to what it computed in then."},
    "keras.Variable": {"_value": "The `tf.Variable`; `value` is a cast copy in a mixed-precision call."},
    "tf.Variable": {"_trainable": "TensorFlow's tapes do not follow what Keras freezes."},
    "tf.Module": {
        "_TF_MODULE_IGNORED_PROPERTIES": "Keeps `tf.Module` from looking for variables in an attribute."
    },
    "tf.__internal__.tracking.Trackable": {"_trackable_children": "Adds variables to a checkpoint."},
    "tfp.bijectors.Bijector": {
        "_cache": "Replaces TFP's cache, which returns values from before variables changed.",
        "_internal_is_increasing": "Takes the call arguments; the public method does not.",
        "_no_dependency": "Keeps checkpoints from following a tuple.",
    },
    "tfp.bijectors.Composition": {
        "_get_bijectors_with_metadata": "Its code asks for values on the way to a log-determinant."
    },
}
"""Private names by the public name of their owner, each with the reason for its use."""


def all_layers(layer: keras.layers.Layer, include_self: bool = True) -> Iterator[keras.layers.Layer]:
    """Returns all layers inside a Keras layer, at any depth, and the layer itself if `include_self`."""
    return layer._flatten_layers(include_self=include_self)


def keras_call() -> Any:
    """Returns the outermost running Keras call, with `entry_layer` and perhaps `training`, or None."""
    return get_global_attribute("current_call_ctx")


def is_in_forward_mode() -> bool:
    """True if a `tf.autodiff.ForwardAccumulator` is active."""
    return bool(pack_tangents([]).indices)
