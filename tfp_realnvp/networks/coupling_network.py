"""Networks of the paper's image couplings: kept part of an event in, shift and log-scale out."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfp_realnvp.bijectors.masks import checkerboard_mask, first_half
from tfp_realnvp.networks.inner_batch_norm import InnerBatchNorm
from tfp_realnvp.networks.log_scale import shift_and_log_scale
from tfp_realnvp.networks.residual_network import ResidualNetwork
from tfp_realnvp.networks.shared_trace import call_shared
from tfp_realnvp.utils.hints import InputShape, TensorLike
from tfp_realnvp.utils.private_names import all_layers

register = keras.saving.register_keras_serializable("tfp_realnvp")


class CouplingNetwork(keras.layers.Layer):
    """Computes shift and log-scale of an image coupling; subclasses choose the kept part.

    With `a` the kept part after batch norm, and a residual network `r`,

    ```none
    t, s = r(relu([a, -a]), condition)
    shift, log_scale = -t, -gain tanh(s)
    ```

    `gain` is a learned scalar. Without batch norm a learned offset is added to `gain tanh(s)`.
    With these signs `AffineCoupling.inverse(x)` is the authors' `(x + t) exp(gain tanh(s))`.

    Args:
      channels: Python `int`, channels of the event.
      invert: Python `bool`, whether to keep the other part, as for the mask.
      filters, num_residual_blocks, skip, bottleneck, use_batch_norm: see `ResidualNetwork`.
      conditional_channels: Python `int`, last side of a condition, or None. A condition is
        either a vector, which every pixel gets as channels, or an image as large as the
        flow's, which is averaged down to the size of the coupling's event.
      synchronized: Python `bool`, whether batch norm uses all devices that share a batch.

    #### References
    Dinh et al. (2017), sections 3.2 to 3.5; the authors' released code.
    """

    gain_name: str
    initial_gain: float
    mask_channels: int

    def __init__(
        self,
        channels: int,
        invert: bool,
        filters: int,
        num_residual_blocks: int,
        skip: bool = True,
        bottleneck: bool = False,
        use_batch_norm: bool = True,
        conditional_channels: int | None = None,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.invert, self.use_batch_norm = channels, invert, use_batch_norm
        self.conditional_channels = conditional_channels
        network: dict[str, Any] = {
            "filters": filters,
            "num_residual_blocks": num_residual_blocks,
            "skip": skip,
            "bottleneck": bottleneck,
            "use_batch_norm": use_batch_norm,
        }
        self._config = {
            "channels": channels,
            "invert": invert,
            "conditional_channels": conditional_channels,
            **network,
        }
        self.bn_in = InnerBatchNorm(dtype=self.dtype_policy, name="bn_in") if use_batch_norm else None
        self.resnet = ResidualNetwork(
            2 * self.changed_channels, dtype=self.dtype_policy, name="resnet", **network
        )
        self.synchronized = synchronized

    @property
    def synchronized(self) -> bool:
        """Whether batch norm is over all devices that share a batch."""
        return self._synchronized

    @synchronized.setter
    def synchronized(self, value: bool) -> None:
        self._synchronized = value
        for layer in all_layers(self):
            if isinstance(layer, InnerBatchNorm):
                layer.synchronized = value

    def build(self, input_shape: InputShape) -> None:
        kept = (*input_shape[:-1], self.kept_channels)
        if self.bn_in:
            self.bn_in.build(kept)
        inputs = 2 * self.kept_channels + self.mask_channels + (self.conditional_channels or 0)
        self.resnet.build((*input_shape[:-1], inputs))
        self.gain = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.initial_gain),
            name=self.gain_name,
            autocast=False,
        )
        if not self.use_batch_norm:
            self.offset = self.add_weight(shape=(), initializer="zeros", name="scale_shift", autocast=False)

    def call(
        self, x: tf.Tensor, conditional_input: TensorLike | None = None, training: bool | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        a = self.kept(x)
        if self.bn_in:
            a = self.after_norm(self.bn_in(a))
        features = [ops.relu(ops.concatenate([a, -a], axis=-1)), *self.planes(x, conditional_input)]
        x = ops.concatenate(features, axis=-1) if features[1:] else features[0]
        output = call_shared(self.resnet, x, training)
        t, log_scale = shift_and_log_scale(output, self.gain)
        if not self.use_batch_norm:
            log_scale = log_scale + self.offset
        return self.placed(-t), self.placed(-log_scale)

    def planes(self, x: tf.Tensor, condition: TensorLike | None) -> list[tf.Tensor]:
        """Returns further input channels: the mask, if it varies over space, and the condition."""
        return [] if condition is None else [self._condition_planes(x, condition)]

    def _condition_planes(self, x, condition):
        condition = ops.cast(condition, self.compute_dtype)
        batch, height, width, _ = ops.shape(x)
        if len(condition.shape) == 2:
            planes = (batch, height, width, self.conditional_channels)
            return ops.broadcast_to(condition[:, None, None, :], planes)
        factor = ops.shape(condition)[1] // height
        blocks = (batch, height, factor, width, factor, self.conditional_channels)
        return ops.mean(ops.reshape(condition, blocks), axis=(2, 4))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config, "synchronized": self.synchronized}


@register
class CheckerboardNetwork(CouplingNetwork):
    """Conditions a checkerboard coupling: sees every channel, half of it zero, and the mask."""

    gain_name, initial_gain = "rescaling_scale", 0.0
    mask_channels = 1

    @property
    def kept_channels(self) -> int:
        return self.channels

    @property
    def changed_channels(self) -> int:
        return self.channels

    def kept(self, x: tf.Tensor) -> tf.Tensor:
        return x

    def after_norm(self, a: tf.Tensor) -> tf.Tensor:
        return 2 * a  # Half of the normalised elements are zero.

    def placed(self, value: tf.Tensor) -> tf.Tensor:
        return value

    def planes(self, x: tf.Tensor, condition: TensorLike | None) -> list[tf.Tensor]:
        mask = checkerboard_mask((*x.shape[1:3], 1), self.invert)
        mask = ops.broadcast_to(ops.cast(mask, x.dtype), (ops.shape(x)[0], *mask.shape))
        return [mask, *super().planes(x, condition)]


@register
class ChannelNetwork(CouplingNetwork):
    """Conditions a channel-wise coupling: sees one half of the channels, changes the other."""

    gain_name, initial_gain = "scale", 1.0
    mask_channels = 0

    @property
    def kept_channels(self) -> int:
        first = first_half(self.channels)
        return self.channels - first if self.invert else first

    @property
    def changed_channels(self) -> int:
        return self.channels - self.kept_channels

    def kept(self, x: tf.Tensor) -> tf.Tensor:
        return x[..., self.changed_channels :] if self.invert else x[..., : self.kept_channels]

    def after_norm(self, a: tf.Tensor) -> tf.Tensor:
        return a

    def placed(self, value: tf.Tensor) -> tf.Tensor:
        kept = ((0, self.kept_channels) if self.invert else (self.kept_channels, 0),)
        return ops.pad(value, ((0, 0),) * 3 + kept)


WEIGHT_SCALES = ("magnitude", CheckerboardNetwork.gain_name)
"""Names of the variables with the paper's L2 regularisation (section 4.1)."""
