"""Shares one traced function among all functions with equal graphs."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


class SharedFunctions:
    """Traces functions, and returns the first traced one for every later equal one.

    So couplings share one graph if they differ only in the values of their weights, which are
    arguments. Fewer graphs remain after tracing, and the shared one is optimised once.
    """

    def __init__(self) -> None:
        self._by_graph: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]] = {}

    def traced(
        self, function: Callable[..., Any], arguments: Sequence[Any], companion: Callable[..., Any]
    ) -> tuple[Callable[..., Any], Callable[..., Any]] | None:
        """Traces `function`, and returns an earlier equal function if there is one.

        Args:
          function: Function of structures of `Tensor`s.
          arguments: Sequence of such structures, for shapes and dtypes.
          companion: Function that belongs to `function`, such as its gradient.

        Returns:
          Pair of compiled functions for `function` and `companion`, possibly from an earlier
          call; None if `function` uses `Tensor`s or variables that are not arguments.
        """
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), arguments)
        traced = _not_inlined(function).get_concrete_function(*specs)
        if not all(map(_is_constant, traced.captured_inputs)):
            return None
        constants = tuple(x.numpy().tobytes() for x in traced.captured_inputs)
        key = tuple(len(tf.nest.flatten(x)) for x in arguments), _structure(traced.graph), constants
        return self._by_graph.setdefault(key, (traced, _not_inlined(companion)))


def _is_constant(captured):
    return isinstance(captured, tf.__internal__.EagerTensor) and captured.dtype not in (
        tf.resource,
        tf.variant,
    )


def _not_inlined(function):
    # TensorFlow starts a function that is not inlined only when all its arguments are computed.
    return tf.function(function, autograph=False, experimental_attributes={"_noinline": True})


def _structure(graph):
    """Describes the computation of a graph, without names."""
    index = {op.name: i for i, op in enumerate(graph.get_operations())}

    def place(tensor):
        return index[tensor.op.name], tensor.value_index

    def node(op):
        attributes = {k: v.SerializeToString(deterministic=True) for k, v in op.node_def.attr.items()}
        attributes.pop("_user_specified_name", None)
        inputs = tuple(map(place, op.inputs))
        return (
            op.type,
            tuple(sorted(attributes.items())),
            inputs,
            tuple(index[x.name] for x in op.control_inputs),
        )

    return tuple(map(node, graph.get_operations())), tuple(map(place, graph.outputs))
