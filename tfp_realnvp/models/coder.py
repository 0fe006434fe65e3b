"""Encodes events and decodes latents with compiled functions, a batch at a time."""

from collections.abc import Callable

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import bijector_kwargs
from tfp_realnvp.models.events import check_condition, condition_shapes
from tfp_realnvp.models.in_batches import in_batches
from tfp_realnvp.utils.arguments import check_integer
from tfp_realnvp.utils.hints import Seed, TensorLike
from tfp_realnvp.utils.seeds import stateless_seed


class Coder:
    """Runs the bijector of a distribution outside of training.

    Args:
      distribution: `tfd.TransformedDistribution`.
      has_changed: Function that tells whether variables were replaced since its last call, so that
        compiled functions are out of date.
    """

    def __init__(self, distribution: tfp.distributions.Distribution, has_changed: Callable[[], bool]) -> None:
        self._distribution, self._has_changed = distribution, has_changed
        self._compile()

    def _compile(self):
        self._compiled = {name: self._function(name) for name in ("forward", "inverse")}

    def _function(self, direction):
        bijector = self._distribution.bijector

        def apply(value, condition):
            return getattr(bijector, direction)(value, **bijector_kwargs(bijector, False, condition))

        return tf.function(apply, reduce_retracing=True, autograph=False)  # AutoGraph would wrap errors.

    def __call__(
        self, direction: str, value: tf.Tensor, condition: TensorLike | None, batch_size: int | None
    ) -> tf.Tensor:
        """Applies `forward` or `inverse` to all rows of a tensor.

        Args:
          direction: "forward" or "inverse".
          value: `Tensor` of latents or events, of any batch shape.
          condition: `Tensor` of conditions that broadcasts to the batch, or None.
          batch_size: Python `int`, rows at a time, or None for all.

        Returns:
          `Tensor`.

        Raises:
          TypeError, ValueError: if an argument is not allowed.
        """
        shape = self.latent_shape if direction == "forward" else self._distribution.event_shape
        batch = value.shape[: -shape.rank]
        if condition is not None:
            condition = tf.convert_to_tensor(condition)
            check_condition(condition, batch, self._distribution)
        if batch_size is not None:
            check_integer(batch_size, "batch_size", least=1)
        if self._has_changed():
            self._compile()
        function = self._compiled[direction]
        if batch_size is None or not batch.rank:
            return function(value, condition)
        for own in condition_shapes(self._distribution):
            if condition is not None:
                condition = tf.broadcast_to(condition, [*batch, *own])
        return in_batches(function, value, condition, batch_size)

    @property
    def latent_shape(self) -> tf.TensorShape:
        """`tf.TensorShape` of a latent; raises a ValueError if it has several parts."""
        self._check_is_single(self._distribution.distribution)
        return self._distribution.distribution.event_shape

    def _check_is_single(self, base):
        if not isinstance(base.event_shape, tf.TensorShape):
            raise ValueError(
                "`sample` and `decode` are for latents that are a single tensor; got parts of event shape "
                f"{base.event_shape}. `distribution.sample` and `distribution.bijector.forward` take them."
            )

    def latents(self, n: TensorLike, seed: Seed | None, temperature: float) -> tf.Tensor:
        """Draws latents.

        Args:
          n: Python `int` or shape, the number of latents.
          seed: Python `int` or stateless seed, or None.
          temperature: Python `float`, factor on their deviation from the mean.

        Returns:
          `Tensor`.

        Raises:
          ValueError: if a latent has several parts, or `temperature` is not 1 and the base
            distribution has no finite mean.
        """
        base = self._distribution.distribution
        self._check_is_single(base)
        z = base.sample(n, seed=stateless_seed(seed))
        if temperature == 1:
            return z
        mean = _mean(base, temperature)
        return mean + temperature * (z - mean)


def _mean(base, temperature):
    try:
        mean = base.mean()
        if tf.executing_eagerly():
            return tf.debugging.check_numerics(mean, "")
    except (NotImplementedError, tf.errors.InvalidArgumentError) as error:
        raise ValueError(
            f"`temperature` must be 1 where the base distribution has no finite mean; got {temperature} for "
            f"a {type(base).__name__}."
        ) from error
    return tf.debugging.check_numerics(mean, "`temperature` must be 1 where the base has no finite mean")
