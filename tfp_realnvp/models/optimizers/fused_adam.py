"""Adam with few operations per variable."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable
from tfp_realnvp.utils.hints import Variable


@keras.saving.register_keras_serializable("tfp_realnvp")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam with a graph that builds and runs faster; results differ only by rounding.

    Each variable takes four operations, plus two to clip its gradient and two for its moving average;
    Keras takes more than twice as many. Arguments, variables and files are the same as in
    `keras.optimizers.Adam`. Where an option or a variable needs more (see `is_fused`), Keras computes
    the whole update.

    #### Examples

    >>> import tfp_realnvp as rnvp
    >>> optimizer = rnvp.FusedAdam(1e-3, global_clipnorm=100.0)
    >>> optimizer.learning_rate.numpy().item() < 2e-3
    True

    Raises:
      ValueError: as in `keras.optimizers.Adam`.

    #### References
    Kingma and Ba (2015), Adam: a method for stochastic optimization.
    """

    def is_fused(self, grads: Sequence[Any], trainable_variables: Sequence[Variable]) -> bool:
        """Whether an update uses the fused operations.

        Args:
          grads, trainable_variables: As in `apply`.

        Returns:
          Python `bool`: False with `amsgrad`, `weight_decay`, `clipnorm`, `clipvalue`,
          `gradient_accumulation_steps` or `ema_overwrite_frequency`; where gradients are missing or
          sparse; and where variables have constraints.
        """
        options = (
            self.amsgrad,
            self.weight_decay,
            self.clipnorm,
            self.clipvalue,
            self.gradient_accumulation_steps,
            self.ema_overwrite_frequency,
        )
        return (
            not any(options)
            and len(grads) == len(self._momentums)
            and all(isinstance(g, tf.Tensor) for g in grads)
            and not any(
                getattr(v, "constraint", None) or getattr(v, "overwrite_with_gradient", False)
                for v in trainable_variables
            )
        )

    def apply_where(
        self,
        moves: tf.Tensor,
        norm: tf.Tensor,
        grads: Sequence[tf.Tensor],
        trainable_variables: Sequence[Variable],
    ) -> None:
        """Applies an update if `moves`; else every variable keeps its value. The graph has no branch.

        Args:
          moves: Boolean scalar `Tensor`, the same on all replicas.
          norm: Scalar `Tensor`, the norm of all gradients together.
          grads: List of `Tensor`s, as `of_all_replicas` returns them.
          trainable_variables: As in `apply`; `is_fused` must be true.
        """
        self._update(grads, trainable_variables, norm, moves)
        self.iterations.assign_add(tf.cast(moves, self.iterations.dtype))

    def of_all_replicas(self, grads: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Sums gradients over all replicas, so that they clip and skip as a single device does.

        Args:
          grads: Sequence of `Tensor`s, the gradients of this replica.

        Returns:
          List of `Tensor`s, equal on all replicas.
        """
        replica = tf.distribute.get_replica_context()
        if replica is None or replica.num_replicas_in_sync == 1:
            return list(grads)
        return replica.all_reduce("SUM", list(grads))

    def _backend_apply_gradients(self, grads, trainable_variables):
        if self.is_fused(grads, trainable_variables):
            grads = self.of_all_replicas(grads)
            norm = tf.linalg.global_norm(grads) if self.global_clipnorm else None
            self._update(grads, trainable_variables, norm)
        else:
            super()._backend_apply_gradients(grads, trainable_variables)

    def _update(self, grads, trainable_variables, norm, moves=None):
        grads = self._clipped(grads, norm, moves)
        pairs = list(zip(grads, map(tf_variable, trainable_variables), strict=True))
        numbers = {dtype: self._numbers(dtype, moves) for dtype in {g.dtype for g in grads}}
        strategy = self._distribution_strategy
        if strategy.num_replicas_in_sync == 1:
            for gradient, variable in pairs:
                self._update_variable(variable, gradient, numbers[gradient.dtype])
            return
        tf.__internal__.distribute.interim.maybe_merge_call(self._update_replicas, strategy, pairs, numbers)

    def _clipped(self, grads, norm, moves):
        """Gradients clipped to the norm `global_clipnorm`, and zero unless `moves`."""
        if self.global_clipnorm:
            factor = self.global_clipnorm / tf.maximum(norm, self.global_clipnorm)
        elif moves is None:
            return grads
        else:
            factor = tf.ones_like(norm)
        if moves is None:
            return [g * tf.cast(factor, g.dtype) for g in grads]
        factor = tf.where(moves, factor, 0)
        return [tf.math.multiply_no_nan(g, tf.cast(factor, g.dtype)) for g in grads]

    def _numbers(self, dtype, moves):
        """Scalars of the update, which change nothing unless `moves`."""
        step = tf.cast(self.iterations + 1, dtype)
        numbers = {
            "lr": tf.cast(self.learning_rate, dtype),
            "beta_1": tf.constant(self.beta_1, dtype),
            "beta_2": tf.constant(self.beta_2, dtype),
            # The first average is the value itself.
            "ema_momentum": tf.where(step > 1, tf.constant(self.ema_momentum, dtype), 0),
        }
        if moves is not None:
            still = {"lr": 0, "beta_1": 1, "beta_2": 1, "ema_momentum": 1}
            numbers = {name: tf.where(moves, numbers[name], value) for name, value in still.items()}
        return {
            **numbers,
            "beta_1_power": tf.cast(self.beta_1, dtype) ** step,  # Of the rounded number, as in Keras.
            "beta_2_power": tf.cast(self.beta_2, dtype) ** step,
            "epsilon": tf.constant(self.epsilon, dtype),
            "part_of_square": tf.constant((1 - self.beta_2) ** 0.5, dtype),
            "zero": tf.zeros([], dtype),
            "one": tf.ones([], dtype),
        }

    def _update_replicas(self, strategy, pairs, numbers):
        """Updates each replica's copy of each variable."""
        for gradient, variable in pairs:
            args = gradient, numbers[variable.dtype]
            strategy.extended.update(variable, self._update_variable, args=args, group=False)

    def _update_variable(self, variable, gradient, numbers):
        index = self._get_variable_index(variable)
        m, v = tf_variable(self._momentums[index]).handle, tf_variable(self._velocities[index]).handle
        zero, one = numbers["zero"], numbers["one"]
        # v = beta_2 v + (1 - beta_2) gradient**2. In float32, ResourceApplyAdam has another 1 - beta_2.
        tf.raw_ops.ResourceApplyMomentum(
            var=m,
            accum=v,
            lr=zero,
            grad=tf.square(gradient * numbers["part_of_square"]),
            momentum=numbers["beta_2"],
        )
        # Updates only `m` and the variable.
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=m,
            v=v,
            beta1_power=numbers["beta_1_power"],
            beta2_power=numbers["beta_2_power"],
            lr=numbers["lr"],
            beta1=numbers["beta_1"],
            beta2=one,
            epsilon=numbers["epsilon"],
            grad=gradient,
        )
        if self.use_ema:
            # average = momentum average + (1 - momentum) value; a rate of zero changes nothing else.
            tf.raw_ops.ResourceApplyAddSign(
                var=v,
                m=tf_variable(self._model_variables_moving_average[index]).handle,
                lr=zero,
                alpha=zero,
                sign_decay=zero,
                beta=numbers["ema_momentum"],
                grad=tf.raw_ops.ReadVariableOp(resource=variable.handle, dtype=variable.dtype),
            )
