"""Activations that the backward pass builds anew, in place of keeping them."""

import keras
import tensorflow as tf

from tfp_realnvp.bijectors.affine_coupling import AffineCoupling
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.tracked_variables import tf_variable


def recompute(function, bijectors, inputs, trains):
    """`function(*inputs)`; the backward pass keeps the inputs alone, and runs it once more.

    `tf.recompute_grad` does so for functions without state. Here the state of Keras layers is
    an argument of that function: moving statistics and seeds move once, and the second run
    has those of the first, hence dropout's mask.

    Args:
      function: Function of `Tensor`s to a sequence of `Tensor`s.
      bijectors: Sequence of the bijectors that it evaluates. As long as a network of theirs is
        not built, everything is kept.
      inputs: Sequence of `Tensor`s.
      trains: Python `bool`, whether the function may move state.

    Returns:
      What the function returns.

    Raises:
      ValueError: if it may move state that is in no Keras 3 layer.
    """
    layers = list({id(x): x for b in bijectors for x in _layers(b)}.values())
    if not all(layer.built for layer in layers):
        return function(*inputs)
    variables = list({id(v): v for layer in layers for v in layer.variables}.values())
    if trains:
        _check_state(bijectors, variables)
    values = [tf.convert_to_tensor(tf_variable(v)) for v in variables]
    updates = []

    def stateless(*tensors):
        mapping = zip(variables, tensors[len(inputs) :], strict=True)
        with keras.StatelessScope(list(mapping)) as scope:
            before = [scope.get_current_value(v) for v in variables]
            outputs = function(*tensors[: len(inputs)])
            after = [scope.get_current_value(v) for v in variables]
        updates.append(
            [(v, new) for v, old, new in zip(variables, before, after, strict=True) if new is not old]
        )
        return outputs

    outputs = tf.recompute_grad(stateless)(*inputs, *values)
    for variable, new in updates[0]:  # Not those of the second run.
        variable.assign(new)
    return outputs


def segments(bijectors):
    """Splits the members of a chain into those that are rebuilt together.

    Each segment has one coupling, or one member with couplings in it, and what follows it. A
    member in which a chain rebuilds by itself is a segment of its own.

    Returns:
      Tuple of tuples of bijectors.
    """
    result = []
    for b in bijectors:
        starts = not result or any(isinstance(m, AffineCoupling) for m in _modules(b))
        if starts or is_rebuilt_inside(result[-1][0]):
            result.append([])
        result[-1].append(b)
    return tuple(map(tuple, result))


def is_rebuilt_inside(bijector):
    """Whether a chain in it, or it itself, recomputes."""
    return any(getattr(m, "recompute", False) for m in _modules(bijector))


def _modules(bijector):
    return bijector, *bijector.submodules


def _layers(bijector):
    return [x for m in _modules(bijector) if isinstance(m, Bijector) for x in m.layers]


def _check_state(bijectors, known):
    known = {id(tf_variable(v)) for v in known}
    others = [v.name for b in bijectors for v in b.variables if not v.trainable and id(v) not in known]
    if others:
        raise ValueError(
            f"`recompute` needs all state of networks in Keras 3 layers, where it can move once; {others} "
            "are elsewhere."
        )
