"""Calls the network of a coupling, whatever kind of callable it is, and checks its output."""

import contextlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfp_realnvp.bijectors.call_arguments import is_training
from tfp_realnvp.bijectors.conditioning.batch_axis import flatten_batch
from tfp_realnvp.bijectors.conditioning.precision import full_precision
from tfp_realnvp.bijectors.variables.function_variables import FunctionVariables
from tfp_realnvp.bijectors.variables.layer_variables import is_keras_layer
from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.static_shape import with_shape


class Conditioner:
    """A callable from events, and conditions, to their shift and log-scale.

    Args:
      function: Callable or Keras layer; see `AffineCoupling`.
      variables: `FunctionVariables`, those that a bare function uses.
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
        its policy. An empty batch has the function called with one event of zeros, since
        convolutions fail on none.

        Args:
          events: `Tensor` with one batch axis, what the function sees.
          x: The same events as they came, with any batch shape.
          training: Python `bool` or None.
          condition: `Tensor` or None, with the batch shape of `x` or one that broadcasts.

        Returns:
          Pair of `Tensor`s of the shape and dtype of `events`, shift and log-scale.
        """
        kwargs = {}
        if condition is not None:
            kwargs["conditional_input"] = self._flat(condition, x, event_ndims=events.shape.rank - 1)
        elif _is_required(self._condition):
            raise ValueError(f"`{self._owner}` is conditional and needs a `conditional_input`.")
        if events.shape[0] == 0:
            training = False  # Statistics of no events would be none.
        trains = is_training(training)
        may_be_empty = not events.shape[0] and not trains
        shown, kwargs = _at_least_one((events, kwargs)) if may_be_empty else (events, kwargs)
        outputs = self._call(shown, kwargs, training, trains)
        # As of TFP's conditioners, None shifts or scales nothing.
        outputs = [tf.zeros_like(shown) if v is None else self._checked(v, shown) for v in outputs]
        return [value[: tf.shape(events)[0]] for value in outputs] if may_be_empty else outputs

    def _call(self, events, kwargs, training, trains):
        """Calls the function as its kind wants to be; returns a pair."""
        if is_keras_layer(self.function):
            if training is not None:  # Keras takes a None for "not training".
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
        """The first time, the function is watched for variables that nothing tracks."""
        if self._is_watched:
            return self.function(events, **kwargs)
        output = self._variables.call_watched(self.function, [events], kwargs, self._owner)
        self._is_watched = True
        return output

    def _flat(self, condition, x, event_ndims):
        """One condition for each of the events, on one batch axis."""
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
        self._check_batch(condition.shape, ndims, x.shape, event_ndims)
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

    def _check_batch(self, condition, condition_ndims, x, event_ndims):
        """Raises if the batch axes of a condition do not fit those of the events."""
        if condition.rank is None or x.rank is None:
            return
        batch = x[: x.rank - event_ndims]
        try:
            given = condition[: condition.rank - condition_ndims]
            fits = 0 <= condition_ndims <= condition.rank
            fits &= tf.broadcast_static_shape(given, batch).is_compatible_with(batch)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(
                f"`conditional_input` of `{self._owner}` must have, or broadcast to, the batch axes of the "
                f"events, {batch}, before its own; got shape {condition}."
            )

    def _tensor(self, value, dtype=None):
        try:
            return tf.convert_to_tensor(value, dtype)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"The conditioner of `{self._owner}` must return a pair (shift, log_scale), either of which "
                f"may be None, or one tensor of both; it returned a {type(value).__name__}."
            ) from error

    def _checked(self, value, events):
        """One output, if it fits the events, in their shape and dtype."""
        if not tf.is_tensor(value):  # An array or number is of no dtype of its own, as everywhere in TFP.
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
    """A structure of `Tensor`s, each with an event of zeros where its batch is empty."""

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
    """What takes the keyword argument `name` of a conditioner: an `inspect.Parameter`, or None.

    The `**kwargs` of a plain callable do; those of a Keras model's `call` mean nothing.
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
