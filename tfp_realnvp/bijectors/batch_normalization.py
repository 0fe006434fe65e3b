"""Batch normalisation as a bijector, with its log-determinant."""

from collections.abc import Iterable

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.call_arguments import is_training
from tfp_realnvp.bijectors.variables.channel_variables import ChannelVariables, check_channel_variables
from tfp_realnvp.utils.arguments import boolean_mask, check_bool, check_number, float_dtype
from tfp_realnvp.utils.hints import ArrayLike, DTypeLike
from tfp_realnvp.utils.moving_statistics import moved as moved_statistic
from tfp_realnvp.utils.moving_statistics import num_elements
from tfp_realnvp.utils.replicas import mean_of_all_replicas, sum_of_all_replicas
from tfp_realnvp.utils.static_shape import with_shape


class BatchNormalization(Bijector):
    """Normalises each channel of data by statistics of the batch; `forward` undoes it.

    With one mean `m` and variance `v` per channel, taken over batch and space, and `b`
    the mask (1 where an element passes through unchanged; without a mask 0 everywhere),

    ```none
    inverse(x) = b x + (1 - b) ((x - m) / sqrt(v + epsilon) exp(log_gamma) + beta)
    forward(z) = b z + (1 - b) ((z - beta) exp(-log_gamma) sqrt(v + epsilon) + m)
    log|det dz/dx| = sum((1 - b) (log_gamma - log(v + epsilon) / 2))
    ```

    While training, `inverse` uses the statistics of its batch and updates the moving
    statistics. Otherwise everything uses the moving statistics, so outside of training this
    is an exact bijection of each event alone. In training the log-determinant treats the
    batch's statistics as constants (it is not the log-determinant of the map of the whole
    batch), but gradients flow through them.

    A batch of fewer than 16 elements per channel moves the moving statistics less than others do.
    A single element has no variance: it leaves them unchanged and is normalised by them.

    With a mask the statistics are taken over `(1 - b) x`, zeros included, as in the
    authors' released code: a half-kept channel with mean `mu` and variance `s2` on its
    changed half has `m = mu / 2` and `v = s2 / 2 + mu^2 / 4`. Channels that the mask
    keeps everywhere have no variables.

    With `use_running_average` training normalises by the mixture of moving and batch
    statistics `m = momentum stop_gradient(moving) + (1 - momentum) batch`, which becomes
    the new moving statistic. This is more robust for very small batches.

    Methods take the call argument `training` of `Chain`.

    If several devices share a batch (`tf.distribute`), each uses the statistics of its own part,
    or with `synchronized` of the whole batch. Moving statistics are the mean over all devices.

    #### Examples

    >>> import tensorflow as tf, tfp_realnvp as rnvp
    >>> bijector = rnvp.BatchNormalization((2,))
    >>> z = bijector.inverse(tf.constant([[1.0, 2.0], [3.0, 6.0]]), training=True)
    >>> z.numpy().round(2).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]

    #### References
    Dinh et al. (2017), section 3.7, equations 17 and 18, and appendix E.
    """

    def __init__(
        self,
        event_shape: Iterable[int | None],
        mask: ArrayLike | None = None,
        center: bool = True,
        scale: bool = True,
        momentum: float = 0.9,
        epsilon: float = 1e-4,
        use_running_average: bool = False,
        layer: keras.layers.Layer | None = None,
        synchronized: bool = False,
        dtype: DTypeLike | None = None,
        validate_args: bool = False,
        name: str = "batch_normalization",
    ) -> None:
        """Creates the bijector and its variables.

        Args:
          event_shape: Shape of one event, channels last. Spatial sides may be None
            if there is no mask.
          mask: Boolean array that broadcasts to `event_shape`, True where an element
            passes through unchanged, or None.
          center: Python `bool`, whether `beta` is learned.
          scale: Python `bool`, whether `log_gamma` is learned.
          momentum: Python `float` in [0, 1), weight of the old value in the moving
            statistics (the paper's rho).
          epsilon: Python `float` > 0, added to variances.
          use_running_average: Python `bool`, the variant of appendix E.
          layer: The `layer` of another instance, to share its variables (as `copy` does).
          synchronized: Python `bool`, whether statistics are taken over the batch of all replicas,
            as in `keras.layers.BatchNormalization`; not with `recompute`.
          dtype: `tf.DType` of events and variables. By default the dtype of `layer`, else
            Keras's `floatx`.
          validate_args: Python `bool`; shapes are checked in any case.
          name: Python `str`.

        Raises:
          ValueError: if `event_shape` has no known last side, `mask` does not fit it or
            leaves nothing to normalise, a number is out of range, or `layer` has another
            configuration; on a call, if events have another shape.
          TypeError: if an argument has the wrong type.
        """
        parameters = dict(locals())
        self._event_shape, self._mask = _checked(event_shape, mask)
        changed = True if self._mask is None else ~self._mask
        changed = np.broadcast_to(changed, [side or 1 for side in self._event_shape])
        self._changed_positions = changed.reshape(-1, changed.shape[-1]).sum(axis=0)
        self._channels = np.flatnonzero(self._changed_positions)
        self._is_by_channel = np.isin(self._changed_positions, (0, changed[..., 0].size)).all()
        if layer is not None and not isinstance(layer, ChannelVariables):
            raise TypeError(f"`layer` must be the `layer` of a `BatchNormalization`, or None; got {layer!r}.")
        for argument in ("center", "scale", "use_running_average", "synchronized"):
            check_bool(parameters[argument], argument)
        check_number(momentum, "momentum", "in [0, 1)", lambda m: 0 <= m < 1)
        check_number(epsilon, "epsilon", "above 0", lambda e: e > 0)
        with tf.name_scope(name) as name:
            dtype = float_dtype(dtype or (layer and layer.variable_dtype) or keras.config.floatx())
            if layer is None:
                layer_name = name.rstrip("/").rsplit("/", 1)[-1]
                layer = ChannelVariables(center, scale, dtype=tf.as_dtype(dtype).name, name=layer_name)
            if not layer.built:
                layer.build((None, self._channels.size))
            check_channel_variables(layer, center, scale, self._channels.size, dtype)
            self._layer = parameters["layer"] = layer
            self.momentum, self._epsilon = momentum, epsilon
            self._use_running_average = use_running_average
            self._mean = mean_of_all_replicas if synchronized else tf.reduce_mean
            self._synchronized = synchronized
            super().__init__(
                layers=[layer],
                forward_min_event_ndims=self._event_shape.rank,
                dtype=dtype,
                validate_args=validate_args,
                parameters=parameters,
                name=name,
            )

    @property
    def layer(self) -> keras.layers.Layer:
        """Keras layer that holds `moving_mean`, `moving_variance`, `beta` and `log_gamma`."""
        return self._layer

    def _forward_and_log_det(self, x, training, conditional_input):
        x = self._ensure_event_shape(x)
        shift, mean, log_scale = self._affine(*self._moving())
        shift, mean, scale = self._where_changed(shift, mean, tf.exp(-log_scale))
        return (x - shift) * scale + mean, -self._log_det(log_scale, x)

    def _inverse_and_log_det(self, y, training, conditional_input):
        y = self._ensure_event_shape(y)
        moments = self._moving()
        if is_training(training) and self._layer.trainable:
            moments = self._batch_moments(y)
        shift, mean, log_scale = self._affine(*moments)
        log_det = self._log_det(log_scale, y)
        shift, mean, scale = self._where_changed(shift, mean, tf.exp(log_scale))
        return (y - mean) * scale + shift, log_det

    def _affine(self, mean, variance):
        """Returns the normalisation as shift, mean and log-scale, each one value per channel."""
        log_scale = -0.5 * tf.math.log(variance + self._epsilon)
        if self._layer.log_gamma is not None:
            log_scale += self._at_all_channels(self._layer.log_gamma)
        beta = self._layer.beta
        return tf.zeros_like(mean) if beta is None else self._at_all_channels(beta), mean, log_scale

    def _moving(self):
        return [self._at_all_channels(v) for v in self._moving_variables()]

    def _at_all_channels(self, variable):
        """Expands a variable to all channels; channels without variables get zero, which changes nothing."""
        vector, channels = tf.convert_to_tensor(variable), self._event_shape[-1]
        if self._channels.size == channels:
            return vector
        return tf.scatter_nd(self._channels[:, None], vector, [channels])

    def _batch_moments(self, y):
        """Returns mean and variance to normalise `y` in training; updates the moving statistics."""
        # Elements of wholly kept channels need not be zero: their moments are not used.
        changed = y if self._is_by_channel else tf.math.multiply_no_nan(y, tf.constant(~self._mask, y.dtype))
        axes = tf.range(tf.rank(y) - 1) if y.shape.rank is None else list(range(y.shape.rank - 1))
        mean = self._mean(changed, axes)
        variance = self._mean(tf.math.squared_difference(changed, mean), axes)
        moments, count = [], num_elements(y)
        if self._synchronized:
            count = sum_of_all_replicas(count)
        is_known = isinstance(count, int) and count > 1
        is_enough = tf.size(y) > 0 if is_known else tf.convert_to_tensor(count) > 1
        for variable, old, new in zip(
            self._moving_variables(), self._moving(), (mean, variance), strict=True
        ):
            moved = moved_statistic(tf.stop_gradient(old), new, self.momentum, count, new is variance)
            if not (is_known and y.shape.num_elements()):  # A single element has no variance.
                new, moved = (tf.where(is_enough, value, old) for value in (new, moved))
            value = tf.stop_gradient(moved)
            if self._channels.size < self._event_shape[-1]:
                value = tf.gather(value, self._channels)
            variable.assign(value)
            moments.append(moved if self._use_running_average else new)
        return moments

    def _moving_variables(self):
        return self._layer.moving_mean, self._layer.moving_variance

    def _where_changed(self, shift, mean, scale):
        """Returns the three with the identity's values where the mask is True."""
        if self._mask is None:
            return shift, mean, scale
        return [
            tf.where(self._mask, tf.constant(identity, value.dtype), value)
            for value, identity in ((shift, 0), (mean, 0), (scale, 1))
        ]

    def _log_det(self, log_scale, x):
        """Sums over the changed elements of an event, in the batch's shape."""
        ndims = self._event_shape.rank
        if self._event_shape.is_fully_defined():
            positions = tf.constant(self._changed_positions, log_scale.dtype)
        else:
            shape = tf.shape(x)
            positions = tf.cast(tf.reduce_prod(shape[tf.size(shape) - ndims : -1]), log_scale.dtype)
        log_det = tf.reduce_sum(tf.math.multiply_no_nan(log_scale, positions))
        first_element = (..., *[0] * ndims)
        return tf.ones_like(x[first_element]) * log_det

    def _ensure_event_shape(self, x):
        ndims = self._event_shape.rank
        event = x.shape[-ndims:]
        if not event.is_compatible_with(self._event_shape):
            raise ValueError(f"`{self.name}` is for events of shape {self._event_shape}; got {event}.")
        return x if x.shape.rank is None else with_shape(x, x.shape[:-ndims].concatenate(self._event_shape))


def _checked(event_shape, mask):
    try:
        shape = tf.TensorShape(tuple(event_shape))
    except (TypeError, ValueError):
        shape = tf.TensorShape(None)
    if not shape.rank or shape[-1] is None or 0 in shape.as_list():
        raise ValueError(
            f"`event_shape` needs a known last side (channels), and none of 0; got {event_shape}."
        )
    if mask is None:
        return shape, None
    mask = boolean_mask(mask)
    if not shape.is_fully_defined():
        raise ValueError(f"`event_shape` must be fully known where there is a `mask`; got {event_shape}.")
    try:
        fits = np.broadcast_shapes(mask.shape, shape) == tuple(shape)
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"`mask` must broadcast to `event_shape` {tuple(shape)}; got shape {mask.shape}.")
    if mask.all():
        raise ValueError("`mask` leaves nothing to normalise: it is True everywhere.")
    return shape, mask
