"""The affine coupling of Real NVP."""

import inspect

import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors.batch_axis import flatten_batch
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import is_training
from tfp_realnvp.bijectors.layer_variables import is_keras_layer


class AffineCoupling(Bijector):
    """Scales and shifts part of an event by what a network makes of the rest of it.

    With `b` the mask (1 where an element passes through unchanged),

    ```none
    shift, log_scale = conditioner(b z)
    forward(z) = b z + (1 - b) (z exp(log_scale) + shift)
    log|det dx/dz| = sum((1 - b) log_scale)
    ```

    `b forward(z) = b z`, so the inverse has the same networks' outputs at hand.

    #### Examples

    >>> import keras, tensorflow as tf, tfp_realnvp as rnvp
    >>> net = keras.layers.Dense(2 * 4)   # Shift, then log-scale, of 4 dimensions.
    >>> coupling = rnvp.AffineCoupling(rnvp.channel_mask((4,)), net)
    >>> coupling.forward(tf.zeros([7, 4])).shape
    TensorShape([7, 4])
    >>> len(coupling.trainable_variables)
    2

    #### References
    Dinh et al. (2017), sections 3.2 to 3.4, equations 4 to 9. The paper's f is `inverse`.
    """

    def __init__(
        self,
        mask,
        conditioner,
        conditional_event_ndims=None,
        dtype=None,
        validate_args=False,
        name="affine_coupling",
    ):
        """Creates the coupling.

        Args:
          mask: Boolean array, True where an element of the event passes through
            unchanged. Its rank is the event's rank; a side of 1 broadcasts.
          conditioner: Callable or Keras layer, called with the event, zeros where it
            is changed, of shape `[N, *event_shape]` whatever the batch shape; also with
            `conditional_input=` (leading axis `N`) if the coupling is, and with
            `training=` if its signature takes it. It returns a pair `(shift, log_scale)`,
            each broadcasting against the event, or one tensor whose last axis holds
            first the shift and then the log-scale. Keras layers and `tf.Module`s are
            tracked.
          conditional_event_ndims: Python `int`, number of axes of one condition, to
            broadcast conditions against the batch of events. By default a condition
            has all of the batch's axes.
          dtype: `tf.DType` of events, None for any float type.
          validate_args: Python `bool`, whether to check that shift and log-scale are
            finite, at a cost.
          name: Python `str`.

        Raises:
          TypeError: if `mask` is not boolean or `conditioner` cannot be called.
          ValueError: if `mask` is a scalar, or all True or all False.
        """
        parameters = dict(locals())
        mask = np.asarray(mask)
        if mask.dtype != bool:
            raise TypeError(f"`mask` must be boolean; got dtype {mask.dtype}.")
        if mask.ndim == 0:
            raise ValueError("`mask` must have the rank of the event, at least 1; got a scalar.")
        if mask.all() or not mask.any():
            what = "transform" if mask.all() else "look at"
            raise ValueError(
                f"`mask` leaves the coupling nothing to {what}: its elements are all {mask.all()}."
            )
        if not callable(conditioner):
            raise TypeError(f"`conditioner` must be callable; got {conditioner!r}.")
        with tf.name_scope(name) as name:
            self._mask = mask
            self._conditioner = conditioner
            self._conditional_event_ndims = conditional_event_ndims
            super().__init__(
                layers=[conditioner] if is_keras_layer(conditioner) else [],
                forward_min_event_ndims=mask.ndim,
                dtype=dtype,
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def mask(self):
        """Boolean array, True where an element passes through unchanged."""
        return self._mask

    @property
    def conditioner(self):
        """The callable that gives shift and log-scale."""
        return self._conditioner

    @property
    def takes_condition(self):
        return _parameter(self._conditioner, "conditional_input") is not None

    def _forward_and_log_det(self, x, training, conditional_input):
        shift, log_scale = self._shift_and_log_scale(x, training, conditional_input)
        return x * tf.exp(log_scale) + shift, self._sum_event(log_scale)

    def _inverse_and_log_det(self, y, training, conditional_input):
        shift, log_scale = self._shift_and_log_scale(y, training, conditional_input)
        return (y - shift) * tf.exp(-log_scale), -self._sum_event(log_scale)

    def _sum_event(self, log_scale):
        return tf.reduce_sum(log_scale, axis=list(range(-self._mask.ndim, 0)))

    def _shift_and_log_scale(self, x, training, conditional_input):
        """Both of the shape of `x`, and zero where nothing changes."""
        flat, unflatten = flatten_batch(x, self._mask.ndim)
        flat = self._ensure_event_shape(flat)
        masked = tf.where(self._mask, flat, tf.zeros_like(flat))
        output = self._conditioner(masked, **self._call_arguments(x, training, conditional_input))
        if not isinstance(output, (tuple, list)):
            output = tf.split(output, 2, axis=-1)
        if len(output) != 2:
            raise ValueError(
                f"The conditioner of `{self.name}` must return shift and log-scale; got {len(output)} values."
            )
        return [unflatten(self._changed_part(tf.convert_to_tensor(o), flat)) for o in output]

    def _ensure_event_shape(self, flat):
        sides = [None if side == 1 else side for side in self._mask.shape]
        if not flat.shape[1:].is_compatible_with(sides):
            raise ValueError(
                f"`{self.name}` has a mask of shape {self._mask.shape}; got events of shape {flat.shape[1:]}."
            )
        return tf.ensure_shape(flat, [None, *sides])

    def _call_arguments(self, x, training, conditional_input):
        kwargs = {}
        if is_keras_layer(self._conditioner):
            if training is not None:  # Keras takes a None for "not training", and strips what is not needed.
                kwargs["training"] = training
        elif _parameter(self._conditioner, "training"):
            kwargs["training"] = is_training(training)
        if conditional_input is not None:
            if not self.takes_condition:
                raise ValueError(
                    f"`conditional_input` was given, but the conditioner of `{self.name}` takes none."
                )
            kwargs["conditional_input"] = self._flat_condition(conditional_input, x)
        elif self.takes_condition and _parameter(self._conditioner, "conditional_input").default is _REQUIRED:
            raise ValueError(f"`{self.name}` is conditional and needs a `conditional_input`.")
        return kwargs

    def _flat_condition(self, condition, x):
        """One condition for each of the flattened events."""
        condition = tf.convert_to_tensor(condition, name="conditional_input")
        ndims = self._conditional_event_ndims
        if ndims is None:
            if condition.shape.rank is None or x.shape.rank is None:
                raise ValueError(
                    f"`{self.name}` needs `conditional_event_ndims` where ranks are not known beforehand."
                )
            ndims = condition.shape.rank - (x.shape.rank - self._mask.ndim)
            if ndims < 0:
                raise ValueError(
                    "`conditional_input` must have the batch axes of the events; got shape "
                    f"{condition.shape} for events of shape {x.shape} with {self._mask.ndim} event axes."
                )
        shape = tf.shape(condition)
        batch = tf.shape(x)[: tf.rank(x) - self._mask.ndim]
        event = shape[tf.size(shape) - ndims :]
        flat, _ = flatten_batch(tf.broadcast_to(condition, tf.concat([batch, event], 0)), ndims)
        sides = (
            [None] * ndims
            if condition.shape.rank is None
            else condition.shape[condition.shape.rank - ndims :]
        )
        return tf.ensure_shape(flat, [None, *sides])

    def _changed_part(self, value, flat):
        """One output of the conditioner, checked, in the events' shape and dtype."""
        if value.dtype.size < flat.dtype.size and flat.dtype == tf.float64:
            raise TypeError(
                f"The conditioner of `{self.name}` computes in {value.dtype.name} where events are "
                "float64; build it with dtype='float64'."
            )
        try:
            static = tf.broadcast_static_shape(value.shape, flat.shape)
        except ValueError:
            static = None
        if static is None or not static.is_compatible_with(flat.shape):
            raise ValueError(
                f"The conditioner of `{self.name}` must return shift and log-scale that broadcast to "
                f"{flat.shape}, or one tensor with both on its last axis; got {value.shape} for one of them."
            )
        value = tf.cast(value, flat.dtype)
        if self.validate_args:
            value = tf.debugging.check_numerics(value, f"The conditioner of `{self.name}` is not finite")
        if value.shape != flat.shape or not value.shape.is_fully_defined():
            value = tf.broadcast_to(value, tf.shape(flat))
        return tf.where(self._mask, tf.zeros_like(flat), value)


_REQUIRED = inspect.Parameter.empty


def _parameter(conditioner, name):
    """The parameter of that name in the conditioner's signature, or None."""
    function = getattr(conditioner, "call", conditioner)
    try:
        return inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):  # A builtin without a signature.
        return None
