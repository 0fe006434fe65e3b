"""A Keras model around a distribution: fit, evaluate, sample, save."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import bijector_kwargs
from tfp_realnvp.bijectors.call_arguments import is_training, takes_condition
from tfp_realnvp.models.coder import Coder
from tfp_realnvp.models.events import check_distribution, check_has_batch, checked_tensor, condition_shapes
from tfp_realnvp.models.recalibration import batches_of, recalibrate
from tfp_realnvp.models.saving.saved_model import SavedModel
from tfp_realnvp.pretrained import model_path
from tfp_realnvp.utils.arguments import check_integer, check_number
from tfp_realnvp.utils.hints import Seed, TensorLike


@keras.saving.register_keras_serializable("tfp_realnvp")
class FlowModel(SavedModel):
    """Trains a `tfd.TransformedDistribution` by maximum likelihood with Keras.

    Data are events, or pairs of events and conditions: `fit(x)`, `fit(x, condition)`, a
    `tf.data.Dataset` of `x` or of `(x, condition)`. Integer events are dequantised: in
    training with fresh noise, elsewhere with one fixed noise for every event, so that
    results depend neither on the call nor on the batch. Floats are taken as given, cast
    to the distribution's dtype as Keras's layers cast their inputs.

    `predict(x)` returns the log-density of each event in nats, `predict((x, condition))`
    the log-density under conditions. The loss is the mean negative log-density plus the L2
    term; the metric `bits_per_dim` leaves out this term. For a batch of `n` events of `d` numbers,

    ```none
    loss = -sum(log p(x)) / n + l2 sum(weight_scale**2)    in nats
    bits_per_dim = -sum(log p(x)) / (n d log 2)
    ```

    Attributes:
      distribution, l2, seed: The constructor's arguments.
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
          seed: Python `int`, seed of the noise that dequantises in training, or None.
          name: Python `str`.
          **kwargs: Passed to `keras.Model`.

        Raises:
          TypeError: if `distribution` has no bijector, or `l2` or `seed` is not a number.
          ValueError: if `distribution` has a batch shape, or an event shape that is unknown or of
            several parts, `l2` is negative, or `seed` has more than 64 bits.
        """
        check_distribution(distribution)
        check_number(l2, "l2", "of at least 0", lambda value: value >= 0)
        if seed is not None:
            check_integer(seed, "seed")
            if not -(2**63) <= seed < 2**63:
                raise ValueError(f"`seed` must be an integer of 64 bits; got {seed}.")
        defaults = {"dtype": distribution.dtype.name, "autocast": False, "name": name}
        super().__init__(distribution, l2, seed, **{**defaults, **kwargs})
        self._coder = Coder(distribution, lambda: self._traced_variables.have_changed("bijector"))
        self._build_with_known_shapes()

    def _build_with_known_shapes(self):
        """Tells Keras the input shapes, for `export`, unless the condition's shape is not known."""
        events, conditions = (None, *self.distribution.event_shape), condition_shapes(self.distribution)
        if conditions:
            self.build((events, (None, *conditions[0])))
        elif takes_condition(self.distribution.bijector):
            self.built = True
        else:
            self.build(events)

    def build(self, input_shape: Any) -> None:
        """Does nothing: the constructor has built the networks."""

    def call(self, inputs: Any, training: bool | None = None) -> tf.Tensor:
        """Computes the log-density of each event, in nats.

        Args:
          inputs: Events of shape `[batch, *event_shape]`, or a pair of events and
            conditions.
          training: Python `bool` or None, whether integers get fresh noise and batch norms use
            the statistics of the batch; None follows Keras's call context.

        Returns:
          `Tensor` of shape `[batch]`, in the distribution's dtype.

        Raises:
          TypeError: if events are not numbers, or `training` is not a Python `bool`.
          ValueError: if integers are outside the levels of an `image_distribution` (an
            `InvalidArgumentError` when a graph runs), events or conditions have another shape, or
            conditions are missing, or given to a flow that takes none.
        """
        events, condition = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        training = is_training(training)
        kwargs = bijector_kwargs(self.distribution.bijector, training, condition)
        check_has_batch(condition, self.distribution)
        return self.distribution.log_prob(self._continuous(events, training), bijector_kwargs=kwargs)

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
          n: Python `int` or shape, the number of events.
          seed: Python `int` or stateless seed `Tensor` of shape `[2]`, for the same samples
            each time, or None.
          temperature: Python `float`, factor on the latents' deviation from their mean;
            below 1 samples are more typical and less diverse.
          conditional_input: `Tensor` of conditions, for a conditional flow, of shape
            `[*n, *conditional_event_shape]`, or of a shape that broadcasts to it, such as
            `conditional_event_shape`.
          batch_size: Python `int`, events to decode at a time; all by default.

        Returns:
          `Tensor` of shape `[n, *event_shape]`. Pixel values may lie slightly outside the
          levels, in the logit's margin: clip them before you draw them.

        Raises:
          TypeError: if `n`, `seed` or `temperature` has the wrong type.
          ValueError: if `n` or `temperature` is negative, `batch_size` is less than 1, `temperature`
            is not 1 and the base distribution has no finite mean, or conditions are missing, have
            another shape, or are given to a flow that takes none.
        """
        for side in () if tf.is_tensor(n) else np.ravel(n).tolist():
            check_integer(side, "n", least=0)
        check_number(temperature, "temperature", "of at least 0", lambda value: value >= 0)
        return self.decode(self._coder.latents(n, seed, temperature), conditional_input, batch_size)

    def encode(
        self, events: TensorLike, conditional_input: TensorLike | None = None, batch_size: int | None = None
    ) -> tf.Tensor:
        """Maps events to latents: the paper's f.

        Args:
          events: `Tensor` of shape `[batch, *event_shape]`; integers are dequantised with
            the fixed noise.
          conditional_input: `Tensor` of conditions, for a conditional flow.
          batch_size: Python `int`, events to encode at a time; all by default.

        Returns:
          `Tensor` of latents, of the shape of the base distribution's events.

        Raises:
          TypeError: if events are not numbers.
          ValueError: if events or conditions have another shape, conditions are missing or given to
            a flow that takes none, or `batch_size` is less than 1.
        """
        return self._coder("inverse", self._continuous(events), conditional_input, batch_size)

    def decode(
        self, latents: TensorLike, conditional_input: TensorLike | None = None, batch_size: int | None = None
    ) -> tf.Tensor:
        """Maps latents to events: the paper's g, the inverse of `encode`.

        Args:
          latents: `Tensor` of latents, as `encode` returns them.
          conditional_input: `Tensor` of conditions, for a conditional flow.
          batch_size: Python `int`, latents to decode at a time; all by default.

        Returns:
          `Tensor` of events, in the distribution's dtype; pixel values as from `sample`.

        Raises:
          TypeError, ValueError: as in `encode`.
        """
        latents = checked_tensor(latents, self._coder.latent_shape, "latents")
        latents = tf.cast(latents, self.distribution.dtype)
        return self._coder("forward", latents, conditional_input, batch_size)

    def recalibrate(
        self,
        x: TensorLike | tf.data.Dataset,
        condition: TensorLike | None = None,
        batch_size: int = 32,
        steps: int | None = None,
    ) -> None:
        """Sets the moving statistics of all batch norms to the statistics of a data set.

        The moving statistics from training cover only its last batches and lag behind the
        weights. Call this if evaluation is worse than training for that reason. Each batch
        passes through the flow once in training mode; weights do not change.

        Args:
          x: Array of events, or a `tf.data.Dataset` of batches as for `fit`.
          condition: Array of conditions, for a conditional flow, if `x` is an array.
          batch_size: Python `int`, if `x` is an array; ideally the batch size of training.
          steps: Python `int`, number of batches, or None for all.

        Raises:
          TypeError: if `batch_size` or `steps` is not an integer.
          ValueError: if there is no batch norm or no batch, `x` is endless and `steps` is None,
            a `condition` is given beside a data set, or a statistic is not finite. Moving
            statistics are then unchanged.
        """
        batches = batches_of(x, condition, batch_size, steps)
        recalibrate(self.distribution, lambda batch: self(batch, training=True), batches)

    @staticmethod
    def from_pretrained(name: str) -> "FlowModel":
        """Loads a trained model that comes with the package; nothing is downloaded.

        It is compiled with the defaults, for `evaluate`. Compile it again to train it further.

        Args:
          name: `"cifar10_small"`: CIFAR-10, images of 32 x 32 x 3 and 256 levels; or `"digits"`:
            scikit-learn's handwritten digits, 8 x 8 x 1 and 17 levels, conditional on the
            class, one-hot of size 10. `tfp_realnvp/pretrained/NAME/README.md` says how it was trained.

        Returns:
          A float32 `FlowModel`.

        Raises:
          ValueError: if there is no model with that name.

        #### Examples

        >>> import tfp_realnvp as rnvp
        >>> model = rnvp.FlowModel.from_pretrained("digits")
        >>> model.sample(3, conditional_input=[[0.0, 0, 0, 1, 0, 0, 0, 0, 0, 0]]).shape
        TensorShape([3, 8, 8, 1])
        """
        model = keras.models.load_model(model_path(name))
        model.compile()
        return model


# `load_model` looks up the class of a model in an `.h5` file by this name.
keras.saving.get_custom_objects().setdefault("FlowModel", FlowModel)
