"""Graphs that TensorFlow runs nearly as they were traced."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

PASSES = (
    "arithmetic_optimization",
    "constant_folding",
    "dependency_optimization",
    "function_optimization",
    "loop_optimization",
    "shape_optimization",
)
"""Passes of TensorFlow's graph optimizer that take seconds for a flow and win nothing."""


@tf.autograph.experimental.do_not_convert  # Errors are as they are raised.
def as_traced(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`; in a graph, as a function of its own, without some passes of the graph optimizer.

    Before the first step of a flow these take about as long as tracing, and later steps are as fast
    without them. Where there is a GPU they stay on: that was not tried. The options of other functions
    stay as they are.

    Args:
      function: Function of structures of `Tensor`s to another one.
      *args: Such structures.

    Returns:
      What the function returns.
    """
    # A replica could not wait for the others in a function of its own.
    if tf.executing_eagerly() or tf.distribute.has_strategy() or tf.config.list_logical_devices("GPU"):
        return function(*args)
    # TensorFlow would optimize a function that it inlines together with its caller.
    own = tf.function(function, autograph=False, experimental_attributes={"_noinline": True})
    with _without_passes():
        return own(*args)


@contextlib.contextmanager
def _without_passes() -> Iterator[None]:
    """Within, calls of functions that are traced say that the passes are off."""
    options = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options(dict.fromkeys(PASSES, False))
    try:
        yield
    finally:
        # They are on by default.
        tf.config.optimizer.set_experimental_options({name: options.get(name, True) for name in PASSES})
