"""A Keras model around a distribution: fit, evaluate, sample, save."""

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import bijector_kwargs
from tfp_realnvp.bijectors.call_arguments import is_training, takes_condition
from tfp_realnvp.bijectors.variables.layer_variables import LayerVariables
from tfp_realnvp.images.image_distribution import (
    add_noise,
    bits_per_dim,
    levels_in_range,
    num_levels_of,
    stateless_seed,
)
from tfp_realnvp.images.uniform_noise import uniform_noise
from tfp_realnvp.models.events import check_condition, check_has_batch, condition_shapes, of_shape
from tfp_realnvp.models.flow_layers import keras_layers
from tfp_realnvp.models.in_batches import in_batches
from tfp_realnvp.models.inputs import inputs, of_events
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam
from tfp_realnvp.models.optimizers.rebuilt_optimizer import build_for
from tfp_realnvp.models.optimizers.skip_non_finite import SkipNonFinite, skipping, stays_where_skipped
from tfp_realnvp.models.recalibration import recalibrate
from tfp_realnvp.models.saving.fingerprint import Fingerprint
from tfp_realnvp.models.saving.serialization import deserialize, serialize
from tfp_realnvp.models.saving.serving import INTEGERS, export_saved_model, signature
from tfp_realnvp.models.traced_variables import TracedVariables
from tfp_realnvp.models.unmoved_statistics import warns_where_unmoved
from tfp_realnvp.networks.adaptations import adapt, adaptations
from tfp_realnvp.networks.coupling_network import WEIGHT_SCALES, CouplingNetwork
from tfp_realnvp.pretrained import model_path
from tfp_realnvp.utils.arguments import check_bool, check_integer, check_number
from tfp_realnvp.utils.hints import Path, Seed, TensorLike
from tfp_realnvp.utils.replicas import own_rows, reducible
from tfp_realnvp.utils.snapshot import put_back
from tfp_realnvp.utils.whole_file import whole_file

register = keras.saving.register_keras_serializable("tfp_realnvp")


@register
class FlowModel(keras.Model):
    """Trains a `tfd.TransformedDistribution` by maximum likelihood with Keras.

    Data are events, or pairs of events and conditions: `fit(x)`, `fit(x, condition)`, a
    `tf.data.Dataset` of `x` or of `(x, condition)`. Integer events are dequantised, with
    fresh noise in training; elsewhere with one fixed noise for every event, so that
    results depend neither on the call nor on the batch. Floats are taken as given, in
    the dtype of the distribution, as Keras's layers take them.

    `predict` gives the log-density of each event in nats; `predict((x, condition))` under
    conditions. The loss is the mean negative log-density, plus the L2 term; the metric
    `bits_per_dim` is without that term. Of a batch of `n` events of `d` numbers,

    ```none
    loss = -sum(log p(x)) / n + l2 sum(weight_scale**2)    in nats
    bits_per_dim = -sum(log p(x)) / (n d log 2)
    ```

    Attributes:
      distribution, l2, seed: As they were given.
      flow_layers: List of Keras layers that hold all variables of the distribution.

    #### Examples

    >>> import numpy as np, tfp_realnvp as rnvp
    >>> flow = rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=1)
    >>> model = rnvp.FlowModel(rnvp.image_distribution(flow))
    >>> model.compile("adam")
    >>> history = model.fit(np.zeros((8, 4, 4, 1), "uint8"), verbose=0)
    >>> sorted(history.history)
    ['bits_per_dim', 'loss']
    >>> model.sample(3).shape
    TensorShape([3, 4, 4, 1])

    #### References
    Dinh et al. (2017), section 3.1 for the density, section 4.1 for noise, L2 and bits per dimension.
    """

    optimizer: keras.optimizers.Optimizer

    def __init__(
        self,
        distribution: tfp.distributions.Distribution,
        l2: float = 5e-5,
        seed: int | None = None,
        name: str = "flow_model",
        **kwargs: Any,
    ) -> None:
        """Creates the model.

        Args:
          distribution: `tfd.TransformedDistribution` of scalar batch shape.
          l2: Python `float`, factor of the sum of squares of the weight-scale variables
            in the networks of `RealNVP` (section 4.1); 0 for none.
          seed: Python `int`, of the noise that dequantises in training, or None.
          name: Python `str`.
          **kwargs: As of `keras.Model`.

        Raises:
          TypeError: if `distribution` has no bijector, or `l2` or `seed` is no number.
          ValueError: if it has a batch shape, or no known event shape or one of several parts, or
            `l2` is negative.
        """
        for attribute in ("distribution", "bijector", "event_shape"):
            if not hasattr(distribution, attribute):
                raise TypeError(
                    f"`distribution` must be a `tfd.TransformedDistribution`; got {distribution!r}."
                )
        if not isinstance(distribution.event_shape, tf.TensorShape):
            raise ValueError(
                "`distribution` must have events that are a single tensor; got parts of event shape "
                f"{distribution.event_shape}. `tfb.Invert(tfb.Split(...))` at the end makes one of them."
            )
        shape, least = distribution.event_shape, max(1, distribution.bijector.inverse_min_event_ndims)
        if distribution.batch_shape.rank != 0 or not shape.is_fully_defined() or shape.rank < least:
            raise ValueError(
                f"`distribution` must have batch shape () and a known event shape of at least {least} axes; "
                f"got {distribution.batch_shape} and {shape}. `tfd.Sample` makes events of a base."
            )
        check_number(l2, "l2", "of at least 0", lambda value: value >= 0)
        if seed is not None:
            check_integer(seed, "seed")
            if not -(2**63) <= seed < 2**63:
                raise ValueError(f"`seed` must be an integer of 64 bits; got {seed}.")
        super().__init__(**{"dtype": distribution.dtype.name, "autocast": False, "name": name, **kwargs})
        self.distribution = distribution
        self.l2, self.seed = l2, seed
        self.flow_layers = keras_layers(distribution)
        self._coupling_networks = [x for x in self.flow_layers if isinstance(x, CouplingNetwork)]
        self._bits_per_dim = keras.metrics.Mean(name="bits_per_dim")
        self._num_levels = num_levels_of(distribution)
        self._noise = keras.random.SeedGenerator(seed)
        self._traced_variables = TracedVariables(self)
        self._compile_bijector()
        self._checkpointed = LayerVariables([self])
        self._fingerprint = Fingerprint(self.flow_layers)
        self._build_with_known_shapes()

    def _build_with_known_shapes(self):
        """Tells Keras the shapes of the inputs, for `export`, unless a condition's is not known."""
        events, conditions = (None, *self.distribution.event_shape), condition_shapes(self.distribution)
        if conditions:
            self.build((events, (None, *conditions[0])))
        elif takes_condition(self.distribution.bijector):
            self.built = True
        else:
            self.build(events)

    def build(self, input_shape: Any) -> None:
        """Does nothing: the constructor has built the networks."""

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = None,
        *args: Any,
        auto_scale_loss: bool = True,
        skip_non_finite: bool = False,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`, with an optimizer and a loss by default.

        What is frozen, thawed or added (`enable_lora`) later counts from the next `fit` on, without
        another `compile`: see `build_optimizer`.

        Args:
          optimizer: Optimizer of Keras, or its name; `"adam"` is a `FusedAdam`.
          loss: Loss of Keras, given as `y_pred` the log-density of events in nats; by default
            the mean negative one.
          *args, **kwargs: As of `keras.Model.compile`.
          auto_scale_loss: Python `bool`, whether the loss is scaled where networks compute in
            float16.
          skip_non_finite: Python `bool`, whether a batch whose loss or gradient is not finite
            leaves weights, moments, moving statistics and metrics as they are.
            `optimizer.skipped` counts such batches; `callbacks.StopAtNonFinite` ends training
            after some in a row.

        Raises:
          TypeError: if `auto_scale_loss` or `skip_non_finite` is no Python `bool`.
        """
        check_bool(auto_scale_loss, "auto_scale_loss")
        check_bool(skip_non_finite, "skip_non_finite")
        loss = keras.losses.get(loss or negative_log_density)
        optimizer = FusedAdam() if optimizer == "adam" else optimizer
        self._optimizer_is_shared = getattr(optimizer, "built", False)  # Perhaps with another model.
        super().compile(optimizer, loss, *args, auto_scale_loss=auto_scale_loss, **kwargs)
        scaled = keras.optimizers.LossScaleOptimizer
        computes_in_float16 = any(x.compute_dtype == "float16" for x in self._flatten_layers())
        if auto_scale_loss and computes_in_float16 and not isinstance(self.optimizer, scaled):
            self.optimizer = scaled(self.optimizer)
        if skip_non_finite and not isinstance(self.optimizer, SkipNonFinite):
            self.optimizer = skipping(self.optimizer)
        self.build_optimizer()

    def build_optimizer(self) -> None:
        """Builds the optimizer for what is trainable now, as `compile` and the beginning of `fit` do.

        What stays trainable keeps its moments, those of other variables are dropped or begin at
        zero. An optimizer that was built before it came to `compile` drops none. This does
        nothing where networks are not built yet.

        Raises:
          ValueError: if the optimizer is built for other variables, and cannot be anew.
        """
        if all(layer.built for layer in self.flow_layers):  # Else a step does, and is traced twice.
            with self.distribute_strategy.scope():
                build_for(self.optimizer, self.trainable_variables, self._optimizer_is_shared)

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras's, which it calls before it trains; what is frozen or thawed since `compile` counts."""
        self.build_optimizer()
        return super().make_train_function(force or self._traced_variables.have_changed("train", trains=True))

    def make_test_function(self, force: bool = False) -> Any:
        """As Keras's, which it calls before it evaluates."""
        return super().make_test_function(force or self._traced_variables.have_changed("test"))

    def make_predict_function(self, force: bool = False) -> Any:
        """As Keras's, which it calls before it predicts."""
        return super().make_predict_function(force or self._traced_variables.have_changed("predict"))

    @staticmethod
    def from_pretrained(name: str) -> "FlowModel":
        """A trained model that comes with the package; nothing is downloaded.

        It is compiled with the defaults, for `evaluate`; compile it anew to train it on.

        Args:
          name: `"cifar10_small"`: CIFAR-10, images of 32 x 32 x 3 and 256 levels; or `"digits"`:
            scikit-learn's handwritten digits, 8 x 8 x 1 and 17 levels, conditional on the class
            as one-hot of 10. `tfp_realnvp/pretrained/NAME/README.md` says how it was trained.

        Returns:
          `FlowModel` of float32.

        Raises:
          ValueError: if there is no model of that name.

        #### Examples

        >>> import tfp_realnvp as rnvp
        >>> model = rnvp.FlowModel.from_pretrained("digits")
        >>> model.sample(3, conditional_input=[[0.0, 0, 0, 1, 0, 0, 0, 0, 0, 0]]).shape
        TensorShape([3, 8, 8, 1])
        """
        model = keras.models.load_model(model_path(name))
        model.compile()
        return model

    fit = of_events(
        keras.Model.fit,
        """As `keras.Model.fit`, of events as `x` and of conditions, if the flow takes them, as `y`.

        Args:
          x: Array of events of shape `[n, *event_shape]`; or a `tf.data.Dataset`, generator or
            `keras.utils.PyDataset` of batches of events, or of pairs of them and conditions.
          y: Array of conditions of shape `[n, ...]`, classes one-hot, where `x` is an array.
          **kwargs: As of `keras.Model.fit`: `epochs`, `batch_size`, `sample_weight` and so on.

        Returns:
          `keras.callbacks.History`, whose `history` has of each epoch the `loss` in nats and the
          `bits_per_dim`.

        Raises:
          TypeError, ValueError: as `call`.
        """,
    )
    fit = warns_where_unmoved(fit)
    evaluate = of_events(
        keras.Model.evaluate,
        """As `keras.Model.evaluate`, of events and conditions as `fit` takes them.

        Args:
          x, y: As of `fit`.
          **kwargs: As of `keras.Model.evaluate`.

        Returns:
          List of the `loss` in nats and the `bits_per_dim`, with `return_dict=True` a dictionary.

        Raises:
          TypeError, ValueError: as `call`.
        """,
    )

    predict = of_events(
        keras.Model.predict,
        """As `keras.Model.predict`: the log-density of each event.

        Args:
          x: Array of events of shape `[n, *event_shape]`, for a conditional flow a pair of it and
            an array of conditions; or a `tf.data.Dataset` of batches as for `fit`.
          **kwargs: As of `keras.Model.predict`: `batch_size`, `verbose`, `steps` and so on.

        Returns:
          Array of shape `[n]` in nats, of the distribution's dtype.

        Raises:
          TypeError, ValueError: as `call`.
        """,
    )

    def get_compile_config(self) -> dict[str, Any] | None:
        config = super().get_compile_config()
        if config and isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            config["optimizer"] = keras.saving.serialize_keras_object(self.optimizer)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Log-density of each event, in nats.

        Args:
          inputs: Events of shape `[batch, *event_shape]`, or a pair of events and
            conditions.
          training: Python `bool` or None, whether integers get fresh noise and batch norms take
            the statistics of the batch; None follows Keras's call context.

        Returns:
          `Tensor` of shape `[batch]`, of the distribution's dtype.

        Raises:
          TypeError: if events are no numbers, or `training` is no Python `bool`.
          ValueError: if integers are none of the levels of an `image_distribution` (in a graph an
            `InvalidArgumentError` as it runs), events or conditions are of another shape, or
            conditions are missing, or given to a flow that takes none.
        """
        events, condition = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        training = is_training(training)
        kwargs = bijector_kwargs(self.distribution.bijector, training, condition)
        check_has_batch(condition, self.distribution)
        return self.distribution.log_prob(self._continuous(events, training), bijector_kwargs=kwargs)

    def _continuous(self, events, training=False):
        events = of_shape(events, self.distribution.event_shape, "events")
        dtype = self.distribution.dtype
        if not events.dtype.is_integer:
            return tf.cast(events, dtype)
        if self._num_levels is not None:
            events = levels_in_range(events, self._num_levels)
        if training:
            seed = self._noise.next()
            return add_noise(events, own_rows(uniform_noise, tf.shape(events), seed, dtype))
        return add_noise(events, uniform_noise(self.distribution.event_shape, (0, 0), dtype))

    def _compile_bijector(self):
        self._forward = self._compiled(self.distribution.bijector.forward)
        self._inverse = self._compiled(self.distribution.bijector.inverse)

    def _compiled(self, method):
        """`method` of the bijector, as a compiled function of a value and a condition."""

        def apply(value, condition):
            return method(value, **bijector_kwargs(self.distribution.bijector, False, condition))

        return tf.function(apply, reduce_retracing=True, autograph=False)  # Errors are as they are raised.

    def sample(
        self,
        n: int | Sequence[int] | np.ndarray,
        seed: Seed | None = None,
        temperature: float = 1.0,
        conditional_input: TensorLike | None = None,
        batch_size: int | None = None,
    ) -> tf.Tensor:
        """Draws events.

        Args:
          n: Python `int` or shape, how many.
          seed: Python `int` or stateless seed `Tensor` of shape `[2]`, which give the same
            samples each time, or None.
          temperature: Python `float`, factor of the latents' deviation from their mean;
            below 1 samples are more typical and less diverse.
          conditional_input: `Tensor` of conditions of a conditional flow, of shape
            `[*n, *conditional_event_shape]`, or one that broadcasts to it, as
            `conditional_event_shape` does.
          batch_size: Python `int`, events that are decoded at a time; all by default.

        Returns:
          `Tensor` of shape `[n, *event_shape]`. Pixel values may lie in the logit's margin,
          a little outside of the levels: clip them to draw them.

        Raises:
          TypeError: if `n`, `seed` or `temperature` is of the wrong type.
          ValueError: if `n` or `temperature` is negative, or `batch_size` less than 1, or there is
            a `temperature` and the base distribution has no finite mean, or
            conditions are missing, of another shape, or given to a flow that takes none.
        """
        for side in () if tf.is_tensor(n) else np.ravel(n).tolist():
            check_integer(side, "n", least=0)
        check_number(temperature, "temperature", "of at least 0", lambda value: value >= 0)
        base = self.distribution.distribution
        self._latent_shape()
        z = base.sample(n, seed=stateless_seed(seed))
        if temperature != 1:
            mean = _mean(base, temperature)
            z = mean + temperature * (z - mean)
        return self.decode(z, conditional_input, batch_size)

    def encode(
        self, events: TensorLike, conditional_input: TensorLike | None = None, batch_size: int | None = None
    ) -> tf.Tensor:
        """Latents of events: the paper's f.

        Args:
          events: `Tensor` of shape `[batch, *event_shape]`; integers are dequantised with
            the fixed noise.
          conditional_input: `Tensor` of conditions, for a conditional flow.
          batch_size: Python `int`, events that are encoded at a time; all by default.

        Returns:
          `Tensor` of latents, of the shape of the base distribution's events.

        Raises:
          TypeError: if events are no numbers.
          ValueError: if events or conditions are of another shape, or conditions are missing, or
            given to a flow that takes none, or `batch_size` is less than 1.
        """
        events, ndims = self._continuous(events), self.distribution.event_shape.rank
        return self._in_batches("_inverse", events, ndims, conditional_input, batch_size)

    def decode(
        self, latents: TensorLike, conditional_input: TensorLike | None = None, batch_size: int | None = None
    ) -> tf.Tensor:
        """Events of latents: the paper's g, the inverse of `encode`.

        Args:
          latents: `Tensor` as `encode` returns it.
          conditional_input: `Tensor` of conditions, for a conditional flow.
          batch_size: Python `int`, latents that are decoded at a time; all by default.

        Returns:
          `Tensor` of events, in the distribution's dtype; pixel values as `sample` gives them.

        Raises:
          TypeError, ValueError: as `encode`.
        """
        shape = self._latent_shape()
        latents = of_shape(latents, shape, "latents")
        latents = tf.cast(latents, self.distribution.dtype)
        return self._in_batches("_forward", latents, shape.rank, conditional_input, batch_size)

    def _latent_shape(self):
        shape = self.distribution.distribution.event_shape
        if not isinstance(shape, tf.TensorShape):
            raise ValueError(
                f"`sample` and `decode` are for latents that are a single tensor; got parts of event shape "
                f"{shape}. `distribution.sample` and `distribution.bijector.forward` take them."
            )
        return shape

    def _in_batches(self, name, value, event_ndims, condition, batch_size):
        batch = value.shape[:-event_ndims]
        if condition is not None:
            condition = tf.convert_to_tensor(condition)
            check_condition(condition, batch, self.distribution)
        if batch_size is not None:
            check_integer(batch_size, "batch_size", least=1)
        if self._traced_variables.have_changed("bijector"):
            self._compile_bijector()
        method = getattr(self, name)
        if batch_size is None or not batch.rank:
            return method(value, condition)
        for shape in condition_shapes(self.distribution):
            if condition is not None:
                condition = tf.broadcast_to(condition, [*value.shape[:-event_ndims], *shape])
        return in_batches(method, value, condition, batch_size)

    def recalibrate(
        self,
        x: TensorLike | tf.data.Dataset,
        condition: TensorLike | None = None,
        batch_size: int = 32,
        steps: int | None = None,
    ) -> None:
        """Sets the moving statistics of all batch norms to those of a data set.

        The moving statistics of training are of its last batches only, and lag behind the
        weights; where evaluation is worse than training for that reason, this mends it.
        Each batch goes through the flow once as in training; weights stay as they are.

        Args:
          x: Array of events, or a `tf.data.Dataset` of batches as for `fit`.
          condition: Array of conditions, for a conditional flow, if `x` is an array.
          batch_size: Python `int`, if `x` is an array: best that of training.
          steps: Python `int`, number of batches, or None for all.

        Raises:
          TypeError: if `batch_size` or `steps` is no integer.
          ValueError: if there is no batch norm or no batch, `x` is endless and `steps`
            None, or a statistic is not finite; statistics are then as before. Or if there is a
            `condition` beside a data set.
        """
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
        sized = ((batch, len(tf.nest.flatten(batch)[0])) for batch, *_ in map(inputs, batches))
        recalibrate(self.distribution, lambda batch: self(batch, training=True), sized)

    @property
    def losses(self) -> list[tf.Tensor]:
        """The L2 term, `l2` times the sum of squares of weight scales, and what layers add."""
        # In the dtype in which Keras adds them to the loss of the data.
        return [tf.cast(loss, keras.config.floatx()) for loss in super().losses]

    def _get_own_losses(self):
        """What Keras adds to `losses`, also to those of a model that this one is part of."""
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
            # Keras would average the replicas' parts, which it can of single tensors only.
            epoch = getattr(iterator, "enumerate_epoch", iterator.__iter__)()  # Keras 3.6 has the first.
            parts = next(next(epoch)[-1])
            local = self._distribute_strategy.experimental_local_results
            data_batch = inputs(tf.nest.map_structure(lambda value: local(value)[0], parts))
        super()._maybe_symbolic_build(data_batch=data_batch)

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """A step of `fit` on a batch, as Keras hands it on; returns metrics by name."""
        with stays_where_skipped(self):
            logs = super().train_step(inputs(data))
        return reducible(self.get_metrics_result() if isinstance(self.optimizer, SkipNonFinite) else logs)

    def test_step(self, data: Any) -> dict[str, tf.Tensor]:
        """A step of `evaluate` on a batch, as Keras hands it on; returns metrics by name."""
        return reducible(super().test_step(inputs(data)))

    def predict_step(self, data: Any) -> tf.Tensor:
        """A step of `predict` on a batch, as Keras hands it on; returns log-densities in nats."""
        return super().predict_step(inputs(data))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        # The events are their own targets; Keras wants one to be there.
        return super().compute_loss(x, y_pred, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        bits = bits_per_dim(y_pred, self.distribution.event_shape)
        self._bits_per_dim.update_state(bits, sample_weight)
        return super().compute_metrics(x, y_pred, y_pred, sample_weight)

    def save(self, filepath: Path, overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save`; what is at `filepath` stays until all of the new file is written.

        As in Keras, the low-rank matrices of LoRA are written as part of the kernels that they
        change, and begin anew at zero; kernels of integers are rounded once more for that.

        Args:
          filepath: Name of the file: `.keras`, or `.h5`.
          overwrite: Python `bool`, whether to replace a file without a question.
          **kwargs: As of `keras.Model.save`.

        Raises:
          TypeError: if a part of the distribution cannot be described in a file; it is named.
          ValueError: if the name ends otherwise, or in `.h5`, where names of all variables differ,
            and those of the model do not.
        """
        is_file = str(filepath).endswith((".keras", ".h5", ".hdf5"))
        try:
            if not is_file or "://" in str(filepath) or not overwrite:
                return super().save(filepath, overwrite, **kwargs)
            with whole_file(filepath) as partial:
                super().save(partial, **kwargs)
        except ValueError as error:
            if "name already exists" not in str(error):
                raise
            raise ValueError(
                "Variables of the model have the same name, for which an `.h5` file has no place; got "
                f"{filepath}. Save it as `.keras`."
            ) from error

    def save_weights(self, filepath: Path, overwrite: bool = True, **kwargs: Any) -> None:
        """As `keras.Model.save_weights`; what is at `filepath` stays until the new file is written.

        Args:
          filepath: Name of the file, `.weights.h5`.
          overwrite: Python `bool`, whether to replace a file without a question.
          **kwargs: As of `keras.Model.save_weights`.

        Raises:
          ValueError: if the name ends otherwise.
        """
        if not str(filepath).endswith(".weights.h5") or "://" in str(filepath) or not overwrite:
            return super().save_weights(filepath, overwrite, **kwargs)
        with whole_file(filepath) as partial:
            super().save_weights(partial, **kwargs)

    def load_weights(self, filepath: Path, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """As `keras.Model.load_weights`; after an error all variables are as they were.

        Args:
          filepath: Name of a `.weights.h5` or `.keras` file.
          skip_mismatch: Python `bool`, whether layers of other shapes keep their weights.
          **kwargs: As of `keras.Model.load_weights`.

        Raises:
          ValueError: if the weights are those of another model.
        """
        with put_back(self.variables):
            super().load_weights(filepath, skip_mismatch=skip_mismatch, **kwargs)

    def export(
        self, filepath: Path, format: str = "tf_saved_model", verbose: bool | None = None, **kwargs: Any
    ) -> None:
        """As `keras.Model.export`: a SavedModel that gives what `predict` gives, without this package.

        Its function `serve` takes events, or a pair of events and conditions, of the dtypes that
        `predict` takes: integers get the fixed noise in it, floats are taken as given. For servers,
        whose signatures have one dtype each, there are `serve_integers`, of int32, and
        `serve_floats`. `serving_default` is that of integers for a model of an
        `image_distribution`, since pixels are integers, and as floats they would get no noise
        without a word; else it is that of floats.

        Args:
          filepath: Name of the folder or file.
          format: Python `str`, as of `keras.Model.export`; other formats have the one signature
            that is the default.
          verbose: Python `bool`, whether to print what is exported, or None as Keras does.
          **kwargs: As of `keras.Model.export`; with `input_signature` that one is the only one.

        Raises:
          ValueError: if the shape of conditions is not known, or there is no such format.
        """
        default = self.distribution.dtype.name if self._num_levels is None else INTEGERS[0]
        if kwargs.get("input_signature") is None:
            if format == "tf_saved_model":
                return export_saved_model(self, self._continuous, default, filepath, verbose is not False)
            kwargs["input_signature"] = [signature(self.distribution, default)]
        return super().export(filepath, format, verbose=verbose, **kwargs)

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        store["fingerprint"] = self._fingerprint.to_array()
        store["noise"] = self._noise.state  # Keras saves no state of random numbers.

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        if "fingerprint" in store.keys():
            self._fingerprint.check(store["fingerprint"])
            self._noise.state.assign(store["noise"])

    def get_config(self) -> dict[str, Any]:
        return {
            "distribution": serialize(self.distribution),
            "l2": self.l2,
            "seed": self.seed,
            "name": self.name,
            "trainable": self.trainable,
            "adaptations": adaptations(self),
            "frozen_layers": [i for i, x in enumerate(self._flatten_layers(False)) if not x.trainable],
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> "FlowModel":
        config = dict(config)
        frozen, adapted = config.pop("frozen_layers", []), config.pop("adaptations", [])
        model = cls(**{**config, "distribution": deserialize(config["distribution"])})
        for i, layer in enumerate(model._flatten_layers(False)):
            if layer.trainable == (i in frozen):
                layer.trainable = not layer.trainable  # Of what is in it, too, which comes after it.
        adapt(model, adapted)
        return model


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


# By which `load_model` looks for the class of a whole model in an `.h5` file.
keras.saving.get_custom_objects().setdefault("FlowModel", FlowModel)


@register
def negative_log_density(y_true: Any, y_pred: tf.Tensor) -> tf.Tensor:
    """The loss of an event, given its log-density as `y_pred`."""
    return -y_pred
