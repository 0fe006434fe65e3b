"""Functions without some passes of the graph optimizer: the same numbers, and the user's options stay."""

import numpy as np
import tensorflow as tf

from tfp_realnvp.as_traced import PASSES, as_traced


def square(x):
    return {"y": x**2}


def options(graph):
    """Those of the graph optimizer that calls in a graph name."""
    calls = [op for op in graph.get_operations() if op.type.endswith("PartitionedCall")]
    config = tf.compat.v1.ConfigProto.FromString(calls[0].get_attr("config_proto"))
    return config.graph_options.rewrite_options


def test_values_and_gradients_stay():
    @tf.function(autograph=False)
    def compiled(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = as_traced(square, x)["y"]
        return y, tape.gradient(y, x)

    for function in (compiled, compiled.python_function):
        y, gradient = function(tf.constant([3.0, -2.0]))
        np.testing.assert_array_equal(y, [9.0, 4.0])
        np.testing.assert_array_equal(gradient, [6.0, -4.0])


def test_passes_are_off_inside_and_as_before_outside():
    before = tf.config.optimizer.get_experimental_options()

    def also_outside(x):
        return tf.function(square, autograph=False)(as_traced(square, x)["y"])

    graph = tf.function(also_outside, autograph=False).get_concrete_function(tf.TensorSpec([2])).graph
    off = type(options(graph)).OFF
    assert [getattr(options(graph), name) for name in PASSES] == [off] * len(PASSES)
    after = tf.function(square, autograph=False)
    outer = tf.function(lambda x: after(x), autograph=False).get_concrete_function(tf.TensorSpec([2])).graph
    assert off not in [getattr(options(outer), name) for name in PASSES]
    now = tf.config.optimizer.get_experimental_options()
    assert {name: now.get(name, True) for name in PASSES} == {name: before.get(name, True) for name in PASSES}
