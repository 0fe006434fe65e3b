"""Exports a SavedModel that returns the same as `predict`, for integers and for floats."""

import itertools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors.call_arguments import takes_condition
from tfp_realnvp.models.events import condition_shapes
from tfp_realnvp.utils.hints import Path

INTEGERS = "int32", "uint8", "uint16", "int64"
FLOATS = "float32", "float64"
"""Dtypes that a SavedModel takes. It converts none itself: integers could silently become floats."""


def signature(distribution: tfp.distributions.Distribution, events: str, condition: str | None = None) -> Any:
    """Returns the input signature of a model: events, or a pair of events and conditions.

    Args:
      distribution: `tfd.TransformedDistribution`.
      events, condition: Names of dtypes; a condition has the distribution's dtype by default.

    Returns:
      `tf.TensorSpec` named `events`, or a pair of it and one named `condition`.

    Raises:
      ValueError: if the condition's shape is not known.
    """
    spec = tf.TensorSpec([None, *distribution.event_shape], events, "events")
    if not takes_condition(distribution.bijector):
        return spec
    shapes = condition_shapes(distribution)
    if not shapes:
        raise ValueError(
            "`input_signature` must be given to export a flow that does not say the shape of its condition "
            "(`conditional_event_shape`)."
        )
    return spec, tf.TensorSpec([None, *shapes[0]], condition or distribution.dtype.name, "condition")


def export_saved_model(
    model: keras.Model,
    continuous: Callable[[tf.Tensor], tf.Tensor],
    default: str,
    filepath: Path,
    verbose: bool = True,
) -> None:
    """Writes a SavedModel of log-densities, with a signature for integers and one for floats.

    Its function `serve` takes every dtype in `INTEGERS` and `FLOATS`. The file holds the flow only once.

    Args:
      model: Model with an attribute `distribution`.
      continuous: Function from events of any dtype to events that `model` takes as given.
      default: Name of the dtype of events in the signature `serving_default`.
      filepath: Name of its folder.
      verbose: Python `bool`, whether to print its contents.
    """
    distribution = model.distribution
    of_floats = signature(distribution, distribution.dtype.name)
    flow = tf.function(lambda x: model(x, training=False), input_signature=[of_floats], autograph=False)

    def serve(inputs):
        if not isinstance(of_floats, tuple):
            return flow(continuous(inputs))
        events, condition = inputs
        return flow((continuous(events), tf.cast(condition, distribution.dtype)))

    def endpoint(*specs):
        function = tf.function(serve, autograph=False)
        for spec in specs:
            function.get_concrete_function(spec)
        return function

    dtypes = dict.fromkeys((default, *INTEGERS, *FLOATS))
    conditions = (
        dict.fromkeys((distribution.dtype.name, *FLOATS)) if isinstance(of_floats, tuple) else (None,)
    )
    archive = keras.export.ExportArchive()
    archive.track(model)
    # Only the first concrete function of an endpoint becomes a signature.
    archive.add_endpoint(
        "serve", endpoint(*(signature(distribution, *pair) for pair in itertools.product(dtypes, conditions)))
    )
    archive.add_endpoint("serve_integers", endpoint(signature(distribution, INTEGERS[0])))
    archive.add_endpoint("serve_floats", endpoint(of_floats))
    archive.write_out(filepath, verbose=verbose)
