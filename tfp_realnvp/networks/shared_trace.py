"""Shares one traced function among layers with equal configurations."""

from collections.abc import Hashable

import keras
import tensorflow as tf

from tfp_realnvp.utils.private_names import all_layers

_ATTRIBUTE = "_tfp_realnvp_shared_traces"


def call_shared(layer: keras.layers.Layer, x: tf.Tensor, training: bool | None) -> tf.Tensor:
    """Calls `layer(x, training=training)`, which a graph traces once for all equal layers.

    Tracing, and TensorFlow's preparations before a first run, take longer than many steps. Networks
    of one scale's couplings differ only in the values of their weights. Here these are arguments
    of one function, which the graph calls for each network. The function returns the new moving
    statistics, which are assigned outside of it.

    Args:
      layer: Built Keras layer. Its computation must depend only on the types, configurations,
        dtype policies and `trainable` of itself and its inner layers.
      x: `Tensor`.
      training: Python `bool` or None.

    Returns:
      `Tensor`.
    """
    graph = _outermost_graph()
    if graph is None or tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return layer(x, training=training)
    functions = getattr(graph, _ATTRIBUTE, None)
    if functions is None:
        functions = {}
        setattr(graph, _ATTRIBUTE, functions)  # Kept as long as the graph lives.
    key = _kind(layer), tuple(x.shape), x.dtype, bool(training)
    if key not in functions:
        functions[key] = _Trace(layer, x, training)
    return functions[key](layer, x)


class _Trace:
    """Traces a layer's computation with its variables as arguments, for all equal layers."""

    def __init__(self, layer, x, training):
        def run(x, values):
            variables = layer.variables
            with keras.StatelessScope(list(zip(variables, values, strict=True))) as scope:
                y = layer(x, training=training)
                after = [scope.get_current_value(v) for v in variables]
            self._moved = [
                i for i, (old, new) in enumerate(zip(values, after, strict=True)) if new is not old
            ]
            return y, [after[i] for i in self._moved]

        specs = [tf.TensorSpec(v.shape, v.dtype) for v in map(_value, layer.variables)]
        function = tf.function(run, autograph=False, experimental_attributes={"_noinline": True})
        self._function = function.get_concrete_function(tf.TensorSpec(x.shape, x.dtype), specs)

    def __call__(self, layer, x):
        variables = layer.variables
        y, moved = self._function(x, [_value(v) for v in variables])
        for i, new in zip(self._moved, moved, strict=True):
            variables[i].assign(new)
        return y


def _value(variable):
    return tf.convert_to_tensor(variable.value)


def _outermost_graph():
    """Returns the graph of the outermost `tf.function` being traced, or None."""
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    if not isinstance(graph, tf.__internal__.FuncGraph):
        return None
    while isinstance(graph.outer_graph, tf.__internal__.FuncGraph):
        graph = graph.outer_graph
    return graph


def _kind(layer: keras.layers.Layer) -> Hashable:
    """Identifies a layer's computation, except for the values of its variables."""
    return tuple(
        (type(x), x.compute_dtype, x.variable_dtype, repr(_configuration(x))) for x in all_layers(layer)
    )


def _configuration(layer):
    return {k: v for k, v in layer.get_config().items() if k not in ("name", "dtype")}
