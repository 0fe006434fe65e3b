"""Trains and evaluates a density with Keras."""

from typing import Any

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.images.bits_per_dim import bits_per_dim
from tfp_realnvp.images.dequantization import add_noise
from tfp_realnvp.images.image_distribution import num_levels_of
from tfp_realnvp.images.levels import levels_in_range, nan_beyond
from tfp_realnvp.images.uniform_noise import uniform_noise
from tfp_realnvp.models.events import checked_tensor
from tfp_realnvp.models.flow_layers import keras_layers
from tfp_realnvp.models.inputs import call_inputs, takes_events
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam
from tfp_realnvp.models.optimizers.rebuilt_optimizer import build_for
from tfp_realnvp.models.optimizers.skip_non_finite import SkipNonFinite, skipping, stays_where_skipped
from tfp_realnvp.models.traced_variables import TracedVariables
from tfp_realnvp.models.unmoved_statistics import warns_where_unmoved
from tfp_realnvp.networks.coupling_network import WEIGHT_SCALES, CouplingNetwork
from tfp_realnvp.utils.arguments import check_bool
from tfp_realnvp.utils.private_names import all_layers
from tfp_realnvp.utils.replicas import reducible, rows_of_this_replica

register = keras.saving.register_keras_serializable("tfp_realnvp")


class TrainedModel(keras.Model):
    """The part of `FlowModel` that implements `fit`, `evaluate` and `predict`.

    A subclass defines `call`, which returns log-densities.

    Attributes:
      distribution: `tfd.TransformedDistribution`.
      l2: Python `float`, factor of the L2 term.
      seed: Python `int`, seed of the noise in training, or None.
      flow_layers: List of Keras layers that hold all variables of the distribution.
    """

    optimizer: keras.optimizers.Optimizer

    def __init__(
        self, distribution: tfp.distributions.Distribution, l2: float, seed: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.distribution, self.l2, self.seed = distribution, l2, seed
        self.flow_layers = keras_layers(distribution)
        self._coupling_networks = [x for x in self.flow_layers if isinstance(x, CouplingNetwork)]
        self._bits_per_dim = keras.metrics.Mean(name="bits_per_dim")
        self._num_levels = num_levels_of(distribution)
        self._noise = keras.random.SeedGenerator(seed)
        self._traced_variables = TracedVariables(self)

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = None,
        *args: Any,
        auto_scale_loss: bool = True,
        skip_non_finite: bool = False,
        **kwargs: Any,
    ) -> None:
        """Compiles as `keras.Model.compile` does, with a default optimizer and loss.

        The next `fit` takes account of variables that are frozen, thawed or added (`enable_lora`)
        later, without another `compile`: see `build_optimizer`.

        Args:
          optimizer: Keras optimizer or its name; `"adam"` is a `FusedAdam`.
          loss: Keras loss, whose `y_pred` is the log-density of events in nats; by default the
            mean negative log-density.
          *args, **kwargs: Passed to `keras.Model.compile`.
          auto_scale_loss: Python `bool`, whether to scale the loss if networks compute in
            float16.
          skip_non_finite: Python `bool`, whether a batch whose loss or gradient is not finite
            leaves weights, moments, moving statistics and metrics unchanged.
            `optimizer.skipped` counts such batches; `callbacks.StopAtNonFinite` ends training
            after some in a row.

        Raises:
          TypeError: if `auto_scale_loss` or `skip_non_finite` is not a Python `bool`.
        """
        check_bool(auto_scale_loss, "auto_scale_loss")
        check_bool(skip_non_finite, "skip_non_finite")
        loss = keras.losses.get(loss or negative_log_density)
        optimizer = FusedAdam() if optimizer == "adam" else optimizer
        self._optimizer_is_shared = getattr(optimizer, "built", False)  # Perhaps with another model.
        super().compile(optimizer, loss, *args, auto_scale_loss=auto_scale_loss, **kwargs)
        scaled = keras.optimizers.LossScaleOptimizer
        computes_in_float16 = any(x.compute_dtype == "float16" for x in all_layers(self))
        if auto_scale_loss and computes_in_float16 and not isinstance(self.optimizer, scaled):
            self.optimizer = scaled(self.optimizer)
        if skip_non_finite and not isinstance(self.optimizer, SkipNonFinite):
            self.optimizer = skipping(self.optimizer)
        self.build_optimizer()

    def build_optimizer(self) -> None:
        """Builds the optimizer for the variables that are trainable now; `compile` and `fit` call it.

        Variables that stay trainable keep their moments. Moments of new variables start at zero;
        moments of frozen ones are dropped, unless the optimizer was built before it was passed to
        `compile`. Does nothing if networks are not built yet.

        Raises:
          ValueError: if the optimizer was built for other variables and cannot be rebuilt.
        """
        if all(layer.built for layer in self.flow_layers):  # Else a step builds it, and is traced twice.
            with self.distribute_strategy.scope():
                build_for(self.optimizer, self.trainable_variables, self._optimizer_is_shared)

    def make_train_function(self, force: bool = False) -> Any:
        """Called by Keras before training; makes a new step if variables changed, were frozen or thawed."""
        self.build_optimizer()
        return super().make_train_function(force or self._traced_variables.have_changed("train", trains=True))

    def make_test_function(self, force: bool = False) -> Any:
        """Called by Keras before evaluation; makes a new step if variables changed."""
        return super().make_test_function(force or self._traced_variables.have_changed("test"))

    def make_predict_function(self, force: bool = False) -> Any:
        """Called by Keras before prediction; makes a new step if variables changed."""
        return super().make_predict_function(force or self._traced_variables.have_changed("predict"))

    fit = takes_events(
        keras.Model.fit,
        """Trains as `keras.Model.fit` does, on events `x` and, for a conditional flow, conditions `y`.

        Args:
          x: Array of events of shape `[n, *event_shape]`; or a `tf.data.Dataset`, generator or
            `keras.utils.PyDataset` of batches of events, or of pairs of events and conditions.
          y: Array of conditions of shape `[n, ...]`, classes one-hot, where `x` is an array.
          **kwargs: Passed to `keras.Model.fit`: `epochs`, `batch_size`, `sample_weight` and so on.

        Returns:
          `keras.callbacks.History`, whose `history` has the `loss` in nats and the `bits_per_dim`
          of each epoch.

        Raises:
          TypeError, ValueError: as in `call`.
        """,
    )
    fit = warns_where_unmoved(fit)
    evaluate = takes_events(
        keras.Model.evaluate,
        """Evaluates as `keras.Model.evaluate` does, on events and conditions as in `fit`.

        Args:
          x, y: As in `fit`.
          **kwargs: Passed to `keras.Model.evaluate`.

        Returns:
          List of the `loss` in nats and the `bits_per_dim`; a dictionary with `return_dict=True`.

        Raises:
          TypeError, ValueError: as in `call`.
        """,
    )

    predict = takes_events(
        keras.Model.predict,
        """Computes the log-density of each event, with the interface of `keras.Model.predict`.

        Args:
          x: Array of events of shape `[n, *event_shape]`, for a conditional flow a pair of events
            and conditions; or a `tf.data.Dataset` of batches as for `fit`.
          **kwargs: Passed to `keras.Model.predict`: `batch_size`, `verbose`, `steps` and so on.

        Returns:
          Array of shape `[n]` in nats, in the distribution's dtype.

        Raises:
          TypeError, ValueError: as in `call`.
        """,
    )

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Runs a step of `fit` on a batch from Keras; returns metrics by name."""
        with stays_where_skipped(self):
            logs = super().train_step(call_inputs(data))
        return reducible(self.get_metrics_result() if isinstance(self.optimizer, SkipNonFinite) else logs)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """Runs a step of `evaluate` on a batch from Keras; returns metrics by name."""
        return reducible(super().test_step(call_inputs(data)))

    def predict_step(self, data: Any) -> tf.Tensor:
        """Runs a step of `predict` on a batch from Keras; returns log-densities in nats."""
        return super().predict_step(call_inputs(data))

    def _continuous(self, events, training=False):
        """Events as floats: integers get fresh noise in training, else the fixed noise."""
        events = checked_tensor(events, self.distribution.event_shape, "events")
        dtype = self.distribution.dtype
        if not events.dtype.is_integer:
            return tf.cast(events, dtype)
        if self._num_levels is not None:
            events = levels_in_range(events, self._num_levels)
        if training:
            seed = self._noise.next()
            noise = rows_of_this_replica(uniform_noise, tf.shape(events), seed, dtype)
        else:
            noise = uniform_noise(self.distribution.event_shape, (0, 0), dtype)
        noisy = add_noise(events, noise)
        return noisy if self._num_levels is None else nan_beyond(noisy, events, 0, self._num_levels - 1)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        # A density has no targets, but Keras requires some: `y_pred` takes their place.
        return super().compute_loss(x, y_pred, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        bits = bits_per_dim(y_pred, self.distribution.event_shape)
        self._bits_per_dim.update_state(bits, sample_weight)
        return super().compute_metrics(x, y_pred, y_pred, sample_weight)

    @property
    def losses(self) -> list[tf.Tensor]:
        """The L2 term, `l2` times the sum of squares of weight scales, and the losses that layers add."""
        # In the dtype in which Keras adds them to the loss on the data.
        return [tf.cast(loss, keras.config.floatx()) for loss in super().losses]

    def _get_own_losses(self):
        """Adds the L2 term, which Keras also counts in the `losses` of a model that contains this one."""
        losses = super()._get_own_losses()
        scales = [
            v for x in self._coupling_networks for v in x.trainable_variables if v.name in WEIGHT_SCALES
        ]
        if self.l2 and scales:
            term = self.l2 * tf.add_n([tf.reduce_sum(tf.square(v)) for v in scales])
            losses.append(tf.cast(term, keras.config.floatx()))
        return losses

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if self._distribute_strategy is not None and iterator is not None:
            # Keras would average the replicas' parts, which works for single tensors only.
            epoch = getattr(iterator, "enumerate_epoch", iterator.__iter__)()  # Keras 3.6 has the first.
            parts = next(next(epoch)[-1])
            local = self._distribute_strategy.experimental_local_results
            data_batch = call_inputs(tf.nest.map_structure(lambda value: local(value)[0], parts))
        super()._maybe_symbolic_build(data_batch=data_batch)


@register
def negative_log_density(y_true: Any, y_pred: tf.Tensor) -> tf.Tensor:
    """The loss of an event, given its log-density as `y_pred`."""
    return -y_pred
