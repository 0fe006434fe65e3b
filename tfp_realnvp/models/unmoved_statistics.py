"""Warns if training has not changed any moving statistics."""

import functools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from tfp_realnvp.bijectors import BatchNormalization
from tfp_realnvp.utils.moving_statistics import has_single_elements


def warns_where_unmoved(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps `fit` of a `FlowModel`, to warn if all batches held a single vector.

    One vector has no variance, so batch norms are then as they were before training.
    """

    @functools.wraps(fit)
    def watched(model, *args, **kwargs):
        means = _moving_means(model)
        before = [np.array(mean) for mean in means]
        steps = _steps(model)
        result = fit(model, *args, **kwargs)
        unmoved = means and all(map(np.array_equal, before, means))
        if unmoved and _steps(model) > steps:
            warnings.warn(
                "Training has moved no moving statistics of batch norms. Of batches of one event there is no "
                "variance: give a `batch_size` of at least 2 events, or a flow without batch norm.",
                stacklevel=2,
            )
        return result

    return watched


def _moving_means(model):
    if not has_single_elements(model.distribution.event_shape):
        return []
    norms = [m.layer for m in model.distribution.submodules if isinstance(m, BatchNormalization)]
    return [layer.moving_mean for layer in norms if layer.trainable]


def _steps(model):
    return 0 if model.optimizer is None else int(model.optimizer.iterations.numpy())
