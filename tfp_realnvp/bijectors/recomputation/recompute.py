"""Activations that the backward pass builds anew, in place of keeping them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from tensorflow.python.eager.forwardprop_util import pack_tangents

from tfp_realnvp.bijectors.affine_coupling import AffineCoupling
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.recomputation.shared_functions import SharedFunctions
from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable


def recompute(
    function: Callable[..., Sequence[tf.Tensor]],
    bijectors: Sequence[tfp.bijectors.Bijector],
    inputs: Sequence[tf.Tensor],
    trains: bool,
    shared: SharedFunctions,
) -> Sequence[tf.Tensor]:
    """`function(*inputs)`; the backward pass keeps the inputs alone, and runs it once more.

    `tf.recompute_grad` does so for functions without state. Here the state of Keras layers is
    an argument of that function: moving statistics and seeds move once, and the second run
    has those of the first, hence dropout's mask. Inside of a `tf.function` both runs are
    functions of their own, which couplings built alike share, and derivatives of any order are right;
    eager calls raise `NotImplementedError` at second ones.

    Args:
      function: Function of `Tensor`s to a sequence of `Tensor`s.
      bijectors: Sequence of the bijectors that it evaluates. As long as a network of theirs is
        not built, and under a `tf.autodiff.ForwardAccumulator`, everything is kept.
      inputs: Sequence of `Tensor`s.
      trains: Python `bool`, whether the function may move state.
      shared: `SharedFunctions`.

    Returns:
      What the function returns.

    Raises:
      ValueError: if it may move state that is in no Keras 3 layer.
    """
    layers = list({id(x): x for b in bijectors for x in _layers(b)}.values())
    if _in_forward_mode() or not all(layer.built for layer in layers):
        return function(*inputs)
    variables = list({id(v): v for layer in layers for v in layer.variables}.values())
    if trains:
        _check_state(bijectors, variables)
    learned = [v for v in variables if tf_variable(v).trainable]  # Those of frozen layers too.
    state = [v for v in variables if not tf_variable(v).trainable]
    given = [_value(v) for v in state]
    moved = []

    def run(inputs, learned_values, state_values):
        values = zip([*learned, *state], [*learned_values, *state_values], strict=True)
        with keras.StatelessScope(list(values)) as scope:
            before = [scope.get_current_value(v) for v in state]
            outputs = function(*inputs)
            after = [scope.get_current_value(v) for v in state]
        moved.append([new is not old for old, new in zip(before, after, strict=True)])
        return list(outputs), after

    def gradients(inputs, learned_values, state_values, upstream):
        inputs = [_after(upstream[0], inputs[0]), *inputs[1:]]
        sources = [*inputs, *learned_values]
        with tf.GradientTape() as tape:
            tape.watch([source for source in sources if source.dtype.is_floating])
            outputs, _ = run(inputs, learned_values, state_values)
        return tape.gradient(outputs, sources, upstream, unconnected_gradients="zero")

    def in_place(*tensors):
        given_inputs, learned_values = _split(tensors, len(inputs))
        outputs, after = run(given_inputs, learned_values, given)
        states.append(after)
        return outputs

    def in_functions(*tensors):
        arguments = [*_split(tensors, len(inputs)), given]
        # A tape that sees the forward pass would keep its activations; second derivatives are of `arguments`.
        outputs, after = functions[0](*tf.nest.map_structure(tf.stop_gradient, arguments))
        states.append(after)
        return outputs, lambda *upstream: functions[1](*arguments, list(upstream))

    states: list[Any] = []
    arguments = [*inputs, *map(_value, learned)]
    functions: Any = None  # A pair of them in a graph.
    if not tf.executing_eagerly():
        functions = shared.traced(run, [*_split(arguments, len(inputs)), given], gradients)
    rebuilt = tf.recompute_grad(in_place) if functions is None else tf.custom_gradient(in_functions)
    outputs = rebuilt(*arguments)
    for variable, new, is_new in zip(state, states[0], moved[0], strict=True):  # Once, not in both runs.
        if is_new:
            variable.assign(new)
    return outputs


def _in_forward_mode():
    """Whether there is a `tf.autodiff.ForwardAccumulator`."""
    return bool(pack_tangents([]).indices)


def _value(variable):
    return tf.convert_to_tensor(tf_variable(variable))


def _split(tensors, size):
    return list(tensors[:size]), list(tensors[size:])


def _after(first, tensor):
    """`tensor`, in such a way that no compiler computes what needs it before `first`."""
    element = tf.reduce_max(tf.reshape(first, [-1])[:1])
    zero = tf.where(tf.math.is_nan(element), element, tf.zeros_like(element))
    return tensor + tf.cast(zero, tensor.dtype)


def segments(bijectors: Iterable[tfp.bijectors.Bijector]) -> tuple[tuple[tfp.bijectors.Bijector, ...], ...]:
    """Splits the members of a chain into those that are rebuilt together.

    Each segment has one coupling, or one member with couplings in it, and what follows it. A
    member in which a chain rebuilds by itself is a segment of its own.

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
    """Whether a chain in it, or it itself, recomputes."""
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
