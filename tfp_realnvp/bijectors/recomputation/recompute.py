"""Recomputes activations in the backward pass instead of storing them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.affine_coupling import AffineCoupling
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.recomputation.shared_functions import SharedFunctions
from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable
from tfp_realnvp.utils.private_names import is_in_forward_mode


def recompute(
    function: Callable[..., Sequence[tf.Tensor]],
    bijectors: Sequence[tfp.bijectors.Bijector],
    inputs: Sequence[tf.Tensor],
    trains: bool,
    shared: SharedFunctions,
) -> Sequence[tf.Tensor]:
    """Calls `function(*inputs)`, storing only the inputs; the backward pass runs it once more.

    `tf.recompute_grad` does so for functions without state. Here the state of Keras layers is
    an argument of that function. Moving statistics and seeds move once; the second run starts
    from the same values as the first, so dropout has the same mask. Inside a `tf.function` both
    runs are separate functions, which equal couplings share, and derivatives of any order are
    correct. Eager second derivatives raise `NotImplementedError`.

    Args:
      function: Function of `Tensor`s to a sequence of `Tensor`s.
      bijectors: Sequence of the bijectors that it evaluates. As long as one of their networks is
        not built, and under a `tf.autodiff.ForwardAccumulator`, all activations are stored.
      inputs: Sequence of `Tensor`s.
      trains: Python `bool`, whether the function may move state.
      shared: `SharedFunctions`.

    Returns:
      The result of the function.

    Raises:
      ValueError: if it may move state outside of Keras 3 layers.
    """
    layers = list({id(x): x for b in bijectors for x in _layers(b)}.values())
    if is_in_forward_mode() or not all(layer.built for layer in layers):
        return function(*inputs)
    variables = list({id(v): v for layer in layers for v in layer.variables}.values())
    if trains:
        _check_state(bijectors, variables)
    return _Evaluation(function, variables)(inputs, shared)


class _Evaluation:
    """One evaluation of a function, as a function of its inputs and of all variables.

    Args:
      function: Function of `Tensor`s to a sequence of `Tensor`s.
      variables: List of the Keras variables that it uses.
    """

    def __init__(self, function, variables):
        self._function = function
        self._learned = [v for v in variables if tf_variable(v).trainable]  # Perhaps frozen just now.
        self._state = [v for v in variables if not tf_variable(v).trainable]
        self._given = [_value(v) for v in self._state]
        self._has_moved: list[bool] = []
        self._after: Any = None
        self._traced: Any = None

    def __call__(self, inputs, shared):
        self._num_inputs = len(inputs)
        arguments = [*inputs, *map(_value, self._learned)]
        if not tf.executing_eagerly():
            self._traced = shared.traced(self._run, [*self._split(arguments), self._given], self._gradients)
        if self._traced is None:  # Eagerly, or where the function uses other tensors.
            outputs = tf.recompute_grad(self._in_place)(*arguments)
        else:
            outputs = tf.custom_gradient(self._in_functions)(*arguments)
        for variable, new, has_moved in zip(self._state, self._after, self._has_moved, strict=True):
            if has_moved:
                variable.assign(new)
        return outputs

    def _run(self, inputs, learned_values, state_values):
        """Returns the outputs, and the state after them."""
        values = zip([*self._learned, *self._state], [*learned_values, *state_values], strict=True)
        with keras.StatelessScope(list(values)) as scope:
            before = [scope.get_current_value(v) for v in self._state]
            outputs = self._function(*inputs)
            after = [scope.get_current_value(v) for v in self._state]
        self._has_moved = [new is not old for old, new in zip(before, after, strict=True)]
        return list(outputs), after

    def _gradients(self, inputs, learned_values, state_values, upstream):
        inputs = [_delayed_until(upstream[0], inputs[0]), *inputs[1:]]
        sources = [*inputs, *learned_values]
        with tf.GradientTape() as tape:
            tape.watch([source for source in sources if source.dtype.is_floating])
            outputs, _ = self._run(inputs, learned_values, state_values)
        return tape.gradient(outputs, sources, upstream, unconnected_gradients="zero")

    def _in_place(self, *tensors):
        inputs, learned_values = self._split(tensors)
        outputs, after = self._run(inputs, learned_values, self._given)
        if self._after is None:  # The backward pass runs this once more, and moves nothing.
            self._after = after
        return outputs

    def _in_functions(self, *tensors):
        function, gradients = self._traced
        arguments = [*self._split(tensors), self._given]
        # A tape that sees the forward pass would store its activations; `arguments` get second derivatives.
        outputs, self._after = function(*tf.nest.map_structure(tf.stop_gradient, arguments))
        return outputs, lambda *upstream: gradients(*arguments, list(upstream))

    def _split(self, tensors):
        """Splits tensors into inputs and values of learned variables."""
        return list(tensors[: self._num_inputs]), list(tensors[self._num_inputs :])


def _value(variable):
    return tf.convert_to_tensor(tf_variable(variable))


def _delayed_until(first, tensor):
    """Makes `tensor` depend on `first`, so that no compiler uses it before `first` is computed."""
    element = tf.reduce_max(tf.reshape(first, [-1])[:1])
    zero = tf.where(tf.math.is_nan(element), element, tf.zeros_like(element))
    return tensor + tf.cast(zero, tensor.dtype)


def segments(bijectors: Iterable[tfp.bijectors.Bijector]) -> tuple[tuple[tfp.bijectors.Bijector, ...], ...]:
    """Splits the members of a chain into segments that are recomputed together.

    A segment starts at the first member, and at each coupling or member with couplings in it. A
    member that contains a recomputing chain is a segment of its own.

    Returns:
      Tuple of tuples of bijectors.
    """
    result: list[list[tfp.bijectors.Bijector]] = []
    for b in bijectors:
        starts = not result or any(isinstance(m, AffineCoupling) for m in _modules(b))
        if starts or is_rebuilt_inside(result[-1][0]):
            result.append([])
        result[-1].append(b)
    return tuple(map(tuple, result))


def is_rebuilt_inside(bijector: tfp.bijectors.Bijector) -> bool:
    """True if the bijector, or a chain inside it, recomputes."""
    return any(getattr(m, "recompute", False) for m in _modules(bijector))


def _modules(bijector):
    return bijector, *bijector.submodules


def _layers(bijector):
    return [x for m in _modules(bijector) if isinstance(m, Bijector) for x in m.layers]


def _check_state(bijectors, known):
    known = {id(tf_variable(v)) for v in known}
    couplings = [m for b in bijectors for m in _modules(b) if isinstance(m, AffineCoupling)]
    others = [v.name for c in couplings for v in c.variables if not v.trainable and id(v) not in known]
    if others:
        raise ValueError(
            f"`recompute` needs all state of networks in Keras 3 layers, where it can move once; {others} "
            "are elsewhere."
        )
