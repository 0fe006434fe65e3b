"""Calls the network of a coupling, any kind of callable, and checks its output."""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfp_realnvp.bijectors.call_arguments import is_training
from tfp_realnvp.bijectors.conditioning.batch_axis import check_batch_axes, flatten_batch
from tfp_realnvp.bijectors.conditioning.precision import full_precision
from tfp_realnvp.bijectors.variables.function_variables import FunctionVariables
from tfp_realnvp.bijectors.variables.layer_variables import is_keras_layer
from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.static_shape import with_shape


class Conditioner:
    """Maps events, and conditions if any, to shift and log-scale by a given function.

    Args:
      function: Callable or Keras layer; see `AffineCoupling`.
      variables: `FunctionVariables` that a bare function uses.
      conditional_event_ndims: Python `int`, number of axes of one condition, or None.
      owner: Python `str`, name of the coupling, for errors.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        variables: FunctionVariables,
        conditional_event_ndims: int | None,
        owner: str,
    ) -> None:
        self.function = function
        self._variables = variables
        self._conditional_event_ndims = conditional_event_ndims
        self._owner = owner
        self._condition = _parameter(function, "conditional_input")
        self._is_watched = False

    @property
    def takes_condition(self) -> bool:
        return self._condition is not None

    def __call__(
        self, events: tf.Tensor, x: tf.Tensor, training: bool | None, condition: TensorLike | None
    ) -> Sequence[tf.Tensor]:
        """Calls the function.

        Outside of training a Keras 3 layer computes in the dtype of its variables, whatever
        its policy. For an empty batch the function gets one event of zeros, since
        convolutions fail on an empty batch.

        Args:
          events: `Tensor` with one batch axis, the input of the function.
          x: The events before masking, with any batch shape.
          training: Python `bool` or None.
          condition: `Tensor` or None, with the batch shape of `x` or one that broadcasts.

        Returns:
          Pair of `Tensor`s, shift and log-scale, with the shape and dtype of `events`.
        """
        kwargs = {}
        if condition is not None:
            kwargs["conditional_input"] = self._flat(condition, x, event_ndims=events.shape.rank - 1)
        elif _is_required(self._condition):
            raise ValueError(f"`{self._owner}` is conditional and needs a `conditional_input`.")
        if events.shape[0] == 0:
            training = False  # An empty batch has no statistics.
        trains = is_training(training)
        may_be_empty = not events.shape[0] and not trains
        shown, kwargs = _at_least_one((events, kwargs)) if may_be_empty else (events, kwargs)
        outputs = self._call(shown, kwargs, training, trains)
        # As in TFP's conditioners, None means no shift or no scaling.
        outputs = [tf.zeros_like(shown) if v is None else self._checked(v, shown) for v in outputs]
        return [value[: tf.shape(events)[0]] for value in outputs] if may_be_empty else outputs

    def _call(self, events, kwargs, training, trains):
        """Calls the function as its kind requires; returns a pair."""
        if is_keras_layer(self.function):
            if training is not None:  # Keras treats None as "not training".
                kwargs = {**kwargs, "training": training}
            with contextlib.nullcontext() if trains else full_precision(self.function):
                output = self.function(events, **kwargs)
        else:
            if _parameter(self.function, "training"):
                kwargs = {**kwargs, "training": trains}
            output = self._call_bare(events, kwargs)
        if not isinstance(output, (tuple, list)):
            output = self._tensor(output)
            if output.shape.rank == 0 or (output.shape[-1] or 0) % 2:
                raise ValueError(
                    f"The conditioner of `{self._owner}` must return shift and log-scale on its last "
                    f"axis, an even number; it returned {output.shape}."
                )
            output = tf.split(output, 2, axis=-1)
        if len(output) != 2:
            raise ValueError(
                f"The conditioner of `{self._owner}` must return shift and log-scale; it returned "
                f"{len(output)} values."
            )
        return output

    def _call_bare(self, events, kwargs):
        """Calls the function; watches the first call for variables that nothing tracks."""
        if self._is_watched:
            return self.function(events, **kwargs)
        output = self._variables.call_watched(self.function, [events], kwargs, self._owner)
        self._is_watched = True
        return output

    def _flat(self, condition, x, event_ndims):
        """Returns one condition for each event, on one batch axis."""
        condition = tf.convert_to_tensor(condition, name="conditional_input")
        if not (condition.dtype.is_floating or condition.dtype.is_integer or condition.dtype.is_bool):
            raise TypeError(f"`conditional_input` must hold numbers; got dtype {condition.dtype.name}.")
        ndims = self._conditional_event_ndims
        if ndims is None:
            if condition.shape.rank is None or x.shape.rank is None:
                raise ValueError(
                    f"`{self._owner}` needs `conditional_event_ndims` where ranks are not known beforehand."
                )
            ndims = condition.shape.rank - (x.shape.rank - event_ndims)
        axes = tf.TensorShape(None) if x.shape.rank is None else x.shape[: x.shape.rank - event_ndims]
        check_batch_axes(condition.shape, ndims, axes, self._owner)
        shape = tf.shape(condition)
        batch = tf.shape(x)[: tf.rank(x) - event_ndims]
        event = shape[tf.size(shape) - ndims :]
        flat, _ = flatten_batch(tf.broadcast_to(condition, tf.concat([batch, event], 0)), ndims)
        sides = (
            [None] * ndims
            if condition.shape.rank is None
            else condition.shape[condition.shape.rank - ndims :]
        )
        return with_shape(flat, [None, *sides])

    def _tensor(self, value, dtype=None):
        try:
            return tf.convert_to_tensor(value, dtype)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"The conditioner of `{self._owner}` must return a pair (shift, log_scale), either of which "
                f"may be None, or one tensor of both; it returned a {type(value).__name__}."
            ) from error

    def _checked(self, value, events):
        """Returns one output in the shape and dtype of the events; raises if it does not fit."""
        if not tf.is_tensor(value):  # Arrays and numbers take the events' dtype, as everywhere in TFP.
            value = self._tensor(value, events.dtype)
        is_mixed = value.dtype in (tf.bfloat16, tf.float16) and events.dtype == tf.float32
        if value.dtype != events.dtype and not is_mixed:
            raise TypeError(
                f"The conditioner of `{self._owner}` computes in {value.dtype.name} where events are "
                f"{events.dtype.name}; build it with dtype='{events.dtype.name}'."
            )
        try:
            shape = tf.broadcast_static_shape(value.shape, events.shape)
        except ValueError:
            shape = None
        if shape is None or not shape.is_compatible_with(events.shape):
            raise ValueError(
                f"The conditioner of `{self._owner}` must return shift and log-scale that broadcast to "
                f"{events.shape}, or one tensor with both on its last axis; one of them has {value.shape}."
            )
        value = tf.cast(value, events.dtype)
        same = value.shape == events.shape and value.shape[1:].is_fully_defined()
        return value if same else tf.broadcast_to(value, tf.shape(events))


def _at_least_one(tensors):
    """Adds an event of zeros to each `Tensor` with an empty batch in a structure."""

    def padded(tensor):
        missing = tf.maximum(0, 1 - tf.shape(tensor)[0])
        result = tf.pad(tensor, [[0, missing], *[[0, 0]] * (tensor.shape.rank - 1)])
        return with_shape(result, [None, *tensor.shape[1:]])

    return tf.nest.map_structure(padded, tensors)


def _is_required(parameter):
    return (
        parameter is not None
        and parameter.kind is not parameter.VAR_KEYWORD
        and parameter.default is parameter.empty
    )


def _parameter(conditioner, name):
    """Finds the `inspect.Parameter` of a conditioner that takes the keyword `name`, or None.

    The `**kwargs` of a plain callable count; the `**kwargs` of a Keras model's `call` do not.
    """
    function = getattr(conditioner, "call", conditioner)
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # A builtin without a signature.
        return None
    keywords = (
        [] if is_keras_layer(conditioner) else [p for p in parameters.values() if p.kind is p.VAR_KEYWORD]
    )
    return parameters.get(name) or next(iter(keywords), None)
