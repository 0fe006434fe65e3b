"""The affine coupling of Real NVP."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.conditioning.batch_axis import flatten_batch
from tfp_realnvp.bijectors.conditioning.conditioner import Conditioner
from tfp_realnvp.bijectors.variables.function_variables import FunctionVariables
from tfp_realnvp.bijectors.variables.layer_variables import is_keras_layer
from tfp_realnvp.utils.arguments import boolean_mask, check_integer, check_number
from tfp_realnvp.utils.hints import ArrayLike, DTypeLike, Variable
from tfp_realnvp.utils.static_shape import with_shape


class AffineCoupling(Bijector):
    """Scales and shifts part of an event by a network's output for the rest of the event.

    With `b` the mask (1 where an element passes through unchanged),

    ```none
    shift, log_scale = conditioner(b z)
    forward(z) = b z + (1 - b) (z exp(log_scale) + shift)
    inverse(x) = b x + (1 - b) (x - shift) exp(-log_scale)
    log|det dx/dz| = sum((1 - b) log_scale)
    ```

    `b forward(z) = b z`, so the network's output is the same in both directions. Methods take
    the call arguments of `Chain`, `conditional_input` only if the conditioner does.

    With `max_log_scale` the log-scale becomes

    ```none
    max_log_scale tanh(log_scale / max_log_scale)
    ```

    It stays close to `log_scale` where that is small, and its absolute value never exceeds the
    bound. So neither `exp(log_scale)` nor its inverse can overflow (for a bound below 88 in
    float32). This is not in the paper.

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
        mask: ArrayLike,
        conditioner: Callable[..., Any],
        conditional_event_ndims: int | None = None,
        variables: Sequence[Variable] | None = None,
        max_log_scale: float | None = None,
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        name: str = "affine_coupling",
    ) -> None:
        """Creates the coupling.

        Args:
          mask: Boolean array, True where an element of the event passes through
            unchanged. Its rank is the event's rank; a side of 1 broadcasts.
          conditioner: Callable or Keras layer. It gets the event, with zeros in place of
            changed elements, in shape `[N, *event_shape]` for any batch shape. It also gets
            `conditional_input=` (leading axis `N`) if the coupling does, and `training=` if
            its signature takes it. It returns a pair `(shift, log_scale)`, each
            broadcasting against the event or None for zero, or one tensor whose last axis
            holds first the shift and then the log-scale. With `(shift, None)` the coupling
            preserves volumes, as in NICE. Keras layers (Keras 3 and tf-keras) and
            `tf.Module`s are tracked; for other callables list the variables in `variables`.
            The first call builds a network; if shapes are not known then, build it yourself.
          conditional_event_ndims: Python `int`, number of axes of one condition, needed to
            broadcast conditions against the batch of events. By default a condition
            has all of the batch's axes.
          variables: Sequence of the variables to track if `conditioner` is neither a Keras
            layer nor a `tf.Module`. `copy.deepcopy` shares them, as it shares functions.
          max_log_scale: Python `float` above 0, bound of the absolute log-scale (in nats: a
            coupling scales an element by at most `exp(max_log_scale)`), or None for no bound.
          dtype: `tf.DType` of events, None for any float type.
          validate_args: Python `bool`, whether to check that shift and log-scale are
            finite, at a cost.
          name: Python `str`.

        Raises:
          TypeError: if `mask` is not boolean, `conditioner` is not callable, or `variables`
            does not hold variables; on a call, if events are not floats.
          ValueError: if `mask` is a scalar, all True or all False, or `max_log_scale` is not
            above 0; on the first call, if `conditioner` uses trainable variables that
            nothing tracks; on a call, if it returns a wrong shape.
        """
        parameters = dict(locals())
        mask = boolean_mask(mask)
        if mask.ndim == 0:
            raise ValueError("`mask` must have the rank of the event, at least 1; got a scalar.")
        if mask.all() or not mask.any():
            what = "transform" if mask.all() else "look at"
            raise ValueError(
                f"`mask` leaves the coupling nothing to {what}: its elements are all {mask.all()}."
            )
        if not callable(conditioner):
            raise TypeError(f"`conditioner` must be callable; got {conditioner!r}.")
        if conditional_event_ndims is not None:
            check_integer(conditional_event_ndims, "conditional_event_ndims", least=0)
        if max_log_scale is not None:
            check_number(max_log_scale, "max_log_scale", "above 0", lambda bound: bound > 0)
        with tf.name_scope(name) as name:
            self._mask = mask
            self._max_log_scale = max_log_scale
            self._function = conditioner  # tf.Module and checkpoints find its variables here.
            self._function_variables = FunctionVariables(variables)
            if variables:
                parameters["variables"] = self._function_variables  # Copies share them.
            self._conditioner = Conditioner(
                conditioner, self._function_variables, conditional_event_ndims, name.rstrip("/")
            )
            super().__init__(
                layers=[conditioner] if is_keras_layer(conditioner) else [],
                forward_min_event_ndims=mask.ndim,
                dtype=dtype,
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def mask(self) -> np.ndarray:
        """Boolean array, True where an element passes through unchanged."""
        return self._mask

    @property
    def conditioner(self) -> Callable[..., Any]:
        """The callable that computes shift and log-scale."""
        return self._function

    @property
    def max_log_scale(self) -> float | None:
        """Bound of the absolute log-scale, or None."""
        return self._max_log_scale

    @property
    def takes_condition(self) -> bool:
        return self._conditioner.takes_condition

    def _forward_and_log_det(self, x, training, conditional_input):
        shift, log_scale = self._shift_and_log_scale(x, training, conditional_input)
        return x * tf.exp(log_scale) + shift, self._sum_event(log_scale)

    def _inverse_and_log_det(self, y, training, conditional_input):
        shift, log_scale = self._shift_and_log_scale(y, training, conditional_input)
        return (y - shift) * tf.exp(-log_scale), -self._sum_event(log_scale)

    def _sum_event(self, log_scale):
        return tf.reduce_sum(log_scale, axis=list(range(-self._mask.ndim, 0)))

    def _shift_and_log_scale(self, x, training, conditional_input):
        """Computes both in the shape of `x`, zero where nothing changes."""
        if not x.dtype.is_floating:
            raise TypeError(f"`{self.name}` is for events of a float dtype; got {x.dtype.name}.")
        events, unflatten = flatten_batch(x, self._mask.ndim)
        sides = [None if side == 1 else side for side in self._mask.shape]
        if not events.shape[1:].is_compatible_with(sides):
            raise ValueError(
                f"`{self.name}` has a mask of shape {self._mask.shape}; got events of {events.shape[1:]}."
            )
        events = with_shape(events, [None, *sides])
        kept, changed = (tf.constant(mask, events.dtype) for mask in (self._mask, ~self._mask))
        # Not `tf.where`, which broadcasts slowly. This too drops any value where the factor is 0.
        kept_events = tf.math.multiply_no_nan(events, kept)
        outputs = self._conditioner(kept_events, x, training, conditional_input)
        if self.validate_args:
            message = f"The conditioner of `{self.name}` is not finite"
            outputs = [tf.debugging.check_numerics(value, message) for value in outputs]
        shift, log_scale = outputs
        outputs = shift, self._bounded(log_scale)
        return [unflatten(tf.math.multiply_no_nan(value, changed)) for value in outputs]

    def _bounded(self, log_scale):
        if self._max_log_scale is None:
            return log_scale
        bound = tf.constant(self._max_log_scale, log_scale.dtype)
        return bound * tf.tanh(log_scale / bound)
