"""Memory of graphs that TensorFlow and TFP would keep until the process ends."""

import contextlib

import tensorflow_probability as tfp
from tensorflow.python.framework import ops


@contextlib.contextmanager
def graphs_are_freed():
    """Leaves the graphs that were traced inside to the garbage collector, if nothing else keeps them.

    TensorFlow registers each `tf.custom_gradient` of a graph for ever, and TFP's cache keeps each tensor
    of a graph that a stock bijector was asked for: both keep the whole graph, up to 100 MB of a training.
    """
    registered = ops.gradient_registry._registry
    before = set(registered)
    try:
        yield
    finally:
        for name in set(registered) - before:
            if name.startswith("CustomGradient"):
                del registered[name]
        cached = tfp.bijectors.Bijector.__dict__["_cache"].storage
        for key in list(cached):
            key.cancel()  # Else it would take itself out later.
        cached.clear()
