"""Moving statistics of batch norms as averages over a data set."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import BatchNormalization
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.utils.moving_statistics import has_single_elements
from tfp_realnvp.utils.snapshot import put_back


def recalibrate(
    distribution: tfp.distributions.Distribution,
    apply: Callable[[Any], Any],
    batches: Iterable[tuple[Any, int]],
) -> None:
    """Sets the moving statistics of all batch norms to those of a data set.

    The moving statistics of training are of its last batches only, and lag behind the
    weights. Here each batch goes through the distribution once as in training, the
    weights as they are, and the means and variances of all batches are pooled.

    Args:
      distribution: `tfd.TransformedDistribution` whose batch norms these are: bijectors
        of ours, and layers of Keras and of tf-keras in the networks. Frozen ones stay.
      apply: Function of a batch that evaluates `distribution` in training mode.
      batches: Iterable of pairs of a batch, as `apply` takes it, and its size. Those of a single
        vector, of which there is no variance, are passed over.

    Raises:
      ValueError: if there are no batch norms or no batches, all are of a single vector, or a
        statistic is not finite; statistics are then as before.
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

    # With a momentum of zero each moving statistic is its batch's own.
    with put_back(distribution.variables, always=True), _momentum_zero([holder for _, holder in norms]):
        for v in variables:
            v.assign(tf.zeros_like(v))
        sized = _with_variance(batches, distribution.event_shape)
        pooled = _pooled([([*map(np.float64, statistics(b))], size) for b, size in sized])
    for variable, value in zip(variables, pooled, strict=True):
        variable.assign(tf.cast(value, variable.dtype))


def _with_variance(batches, event_shape):
    """Those of `batches` that have more than one element of each channel."""
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
    """Pairs of a layer that holds moving statistics, and what has their `momentum`."""
    modules = distribution.submodules
    norms = [(m.layer, m) for m in modules if isinstance(m, BatchNormalization)]
    networks = [layer for m in modules if isinstance(m, Bijector) for layer in m.layers]
    nested = [x for network in networks for x in network._flatten_layers()]
    norms += [(x, x) for x in (*nested, *modules) if _is_keras_batch_norm(x)]
    return [(layer, holder) for layer, holder in norms if layer.trainable]


def _is_keras_batch_norm(layer):
    """Keras 3's or tf-keras's, which is a class of the same name and attributes."""
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
    """Means and variances of the union of batches, from those of each; all in turn."""
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
