"""Skips updates of weights if a gradient is not finite."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam
from tfp_realnvp.utils.hints import Variable


@keras.saving.register_keras_serializable("tfp_realnvp")
class SkipNonFinite(keras.optimizers.LossScaleOptimizer):
    """An optimizer that skips updates of weights and moments if loss or gradient is not finite.

    Keras's `LossScaleOptimizer` does this for the gradients of one device. This one also skips if
    only the loss is not finite, or a gradient on another device, and counts the skipped updates. A
    gradient counts as finite if its norm is finite.

    Args:
      inner_optimizer: `keras.optimizers.Optimizer` that makes the other updates.
      initial_scale: Python `float`, factor on the loss. At 1 the loss is not scaled; else the
        factor is halved at each skipped update.
      dynamic_growth_steps: Python `int`, updates after which the scale is doubled; never by
        default.
      **kwargs: Passed to `LossScaleOptimizer`.

    Attributes:
      skipped: Variable, number of skipped updates.
      skipped_in_a_row: Variable, number of updates skipped since the last applied one.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        initial_scale: float = 1.0,
        dynamic_growth_steps: int = 2**31 - 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(inner_optimizer, initial_scale, dynamic_growth_steps, **kwargs)

    def build(self, var_list: Sequence[Variable]) -> None:
        super().build(var_list)
        self.skipped, self.skipped_in_a_row = (
            self.add_variable((), "zeros", "int64", aggregation="only_first_replica", name=name)
            for name in ("skipped", "skipped_in_a_row")
        )

    def scale_loss(self, loss: tf.Tensor) -> tf.Tensor:
        # If the loss is not finite, this makes every gradient NaN.
        return super().scale_loss(loss * tf.where(tf.math.is_finite(loss), 1.0, float("nan")))

    def apply(
        self, grads: Sequence[tf.Tensor | None], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        inner, variables = self.inner_optimizer, trainable_variables or self._trainable_variables
        without_branch = self.built and self.initial_scale == 1 and isinstance(inner, FusedAdam)
        if not (without_branch and inner.is_fused(grads, variables)):
            return super().apply(grads, trainable_variables)
        grads = inner.of_all_replicas(grads)
        norm = tf.linalg.global_norm(grads)
        finite = tf.math.is_finite(norm)
        inner.apply_where(finite, norm, grads, variables)
        skipped = 1 - tf.cast(finite, self.skipped.dtype)
        self.skipped.assign_add(skipped)
        self.skipped_in_a_row.assign((self.skipped_in_a_row + 1) * skipped)

    def check_finite(self, grads: Sequence[tf.Tensor | None]) -> tf.Tensor:
        # One operation per gradient.
        norm = tf.linalg.global_norm([g for g in grads if g is not None])
        return _on_all_replicas(tf.math.is_finite(norm))

    def _stateful_handle_finite_grads(self, grads, trainable_variables):
        self.skipped_in_a_row.assign(0)
        if self.initial_scale == 1:
            self.inner_optimizer.apply(grads, trainable_variables)
        else:
            super()._stateful_handle_finite_grads(grads, trainable_variables)

    def _stateful_handle_non_finite_grads(self):
        self.skipped.assign_add(1)
        self.skipped_in_a_row.assign_add(1)
        if self.initial_scale != 1:
            super()._stateful_handle_non_finite_grads()


def _on_all_replicas(condition):
    """Whether a boolean `Tensor` is true on each replica."""
    replicas = tf.distribute.get_replica_context()
    if replicas is None or replicas.num_replicas_in_sync == 1:
        return condition
    return replicas.all_reduce("SUM", tf.cast(condition, tf.float32)) >= replicas.num_replicas_in_sync


@contextlib.contextmanager
def stays_where_skipped(model: keras.Model) -> Iterator[None]:
    """Makes a step in this context keep moving statistics and metrics too if its update is skipped."""
    if not isinstance(model.optimizer, SkipNonFinite):
        yield
        return
    state = [v for v in (*model.variables, *model.metrics_variables) if not v.trainable]
    state = [tf_variable(v) for v in state if keras.backend.is_float_dtype(v.dtype)]
    before = [tf.convert_to_tensor(v) for v in state]
    yield
    skipped = tf.convert_to_tensor(model.optimizer.skipped_in_a_row) > 0
    for v, old in zip(state, before, strict=True):
        v.assign(tf.where(skipped, old, v))


def skipping(optimizer: keras.optimizers.Optimizer) -> SkipNonFinite:
    """Wraps `optimizer` in a `SkipNonFinite`, with its loss scale if it has one."""
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        scale = optimizer.initial_scale, optimizer.dynamic_growth_steps
        return SkipNonFinite(optimizer.inner_optimizer, *scale)
    return SkipNonFinite(optimizer)
