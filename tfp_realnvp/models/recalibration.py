"""Computes moving statistics of batch norms as averages over a data set."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import BatchNormalization
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.models.inputs import call_inputs
from tfp_realnvp.utils.arguments import check_integer
from tfp_realnvp.utils.hints import TensorLike
from tfp_realnvp.utils.moving_statistics import has_single_elements
from tfp_realnvp.utils.private_names import all_layers
from tfp_realnvp.utils.snapshot import restoring


def recalibrate(
    distribution: tfp.distributions.Distribution,
    apply: Callable[[Any], Any],
    batches: Iterable[tuple[Any, int]],
) -> None:
    """Sets the moving statistics of all batch norms to the statistics of a data set.

    The moving statistics from training cover only its last batches and lag behind the
    weights. Here each batch passes through the distribution once in training mode, with
    fixed weights, and the means and variances of all batches are pooled.

    Args:
      distribution: `tfd.TransformedDistribution` with batch norms: our bijectors, and
        layers of Keras or tf-keras in the networks. Frozen ones do not change.
      apply: Function of a batch that evaluates `distribution` in training mode.
      batches: Iterable of pairs of a batch, as `apply` takes it, and its size. Batches of a single
        vector have no variance and are skipped.

    Raises:
      ValueError: if there are no batch norms or no batches, all batches hold a single vector, or
        a statistic is not finite. Moving statistics are then unchanged.
    """
    norms = _batch_norms(distribution)
    if not norms:
        raise ValueError("There is nothing to recalibrate: no trainable batch norm is in the distribution.")
    layers = {id(layer): layer for layer, _ in norms}.values()
    variables = [v for layer in layers for v in (layer.moving_mean, layer.moving_variance)]

    @tf.function(reduce_retracing=True, autograph=False)
    def statistics(batch):
        apply(batch)
        return [tf.convert_to_tensor(v) for v in variables]

    # With a momentum of zero, moving statistics equal the statistics of the batch.
    with restoring(distribution.variables, always=True), _momentum_zero([holder for _, holder in norms]):
        for v in variables:
            v.assign(tf.zeros_like(v))
        sized = _with_variance(batches, distribution.event_shape)
        pooled = _pooled([([*map(np.float64, statistics(b))], size) for b, size in sized])
    for variable, value in zip(variables, pooled, strict=True):
        variable.assign(tf.cast(value, variable.dtype))


def batches_of(
    x: TensorLike | tf.data.Dataset, condition: TensorLike | None, batch_size: int, steps: int | None
) -> Iterator[tuple[Any, int]]:
    """Makes the batches for `recalibrate`, with the arguments and errors of `FlowModel.recalibrate`."""
    if steps is not None:
        check_integer(steps, "steps", least=1)
    if not isinstance(x, tf.data.Dataset):
        check_integer(batch_size, "batch_size", least=1)
        x = tf.data.Dataset.from_tensor_slices(x if condition is None else (x, condition))
        x = x.batch(batch_size)
    elif condition is not None:
        raise ValueError("`condition` must be None where `x` is a data set: that gives pairs of both.")
    elif steps is None and x.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise ValueError("`steps` must be given where `x` is an endless data set; got None.")
    batches = x if steps is None else x.take(steps)
    return ((batch, len(tf.nest.flatten(batch)[0])) for batch, *_ in map(call_inputs, batches))


def _with_variance(batches, event_shape):
    """Yields the batches that have more than one element per channel."""
    least, sizes = 2 if has_single_elements(event_shape) else 1, [0]
    for batch, size in batches:
        sizes.append(size)
        if size >= least:
            yield batch, size
    if max(sizes) == 1 < least:
        raise ValueError(
            "Batches must be of at least 2 events, as there is no variance of one; all are of 1."
        )


def _batch_norms(distribution):
    """Pairs of a layer that holds moving statistics and the object that holds their `momentum`."""
    modules = distribution.submodules
    norms = [(m.layer, m) for m in modules if isinstance(m, BatchNormalization)]
    networks = [layer for m in modules if isinstance(m, Bijector) for layer in m.layers]
    nested = [x for network in networks for x in all_layers(network)]
    norms += [(x, x) for x in (*nested, *modules) if _is_keras_batch_norm(x)]
    return [(layer, holder) for layer, holder in norms if layer.trainable]


def _is_keras_batch_norm(layer):
    """Whether it is a batch norm of Keras 3, or of tf-keras, which has the same attributes."""
    attributes = ("momentum", "moving_mean", "moving_variance", "trainable")
    return isinstance(layer, keras.layers.BatchNormalization) or (
        isinstance(layer, tf.Module) and all(hasattr(layer, a) for a in attributes)
    )


@contextlib.contextmanager
def _momentum_zero(holders):
    momenta = [holder.momentum for holder in holders]
    for holder in holders:
        holder.momentum = 0.0
    try:
        yield
    finally:
        for holder, momentum in zip(holders, momenta, strict=True):
            holder.momentum = momentum


def _pooled(results):
    """Means and variances over all batches, in turn, from the means and variances of each batch."""
    if not results:
        raise ValueError("There is nothing to recalibrate with: no batch was given.")
    statistics, sizes = zip(*results, strict=True)
    pooled = []
    for means, variances in zip(*[iter(zip(*statistics, strict=True))] * 2, strict=True):
        mean = np.average(means, axis=0, weights=sizes)
        variance = np.average(variances + np.square(means - mean), axis=0, weights=sizes)
        pooled += [mean, variance]
    if not all(np.isfinite(statistic).all() for statistic in pooled):
        raise ValueError("A batch gave statistics that are not finite; the moving ones are as before.")
    return pooled
