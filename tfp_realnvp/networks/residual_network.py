"""Residual network for the shift and log-scale of an image coupling."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfp_realnvp.networks.inner_batch_norm import InnerBatchNorm
from tfp_realnvp.networks.weight_norm_conv import WeightNormConv2D
from tfp_realnvp.utils.hints import InputShape

register = keras.saving.register_keras_serializable("tfp_realnvp")


@register
class ResidualNetwork(keras.layers.Layer):
    """Applies residual blocks of weight-normalised convolutions, all with the same width.

    The coupling has applied ReLU to the input. With `skip`, 1x1 convolutions of the state
    before the first and after each block are summed, and the last layer takes the sum.

    Args:
      outputs: Python `int`, output channels.
      filters: Python `int`, channels of every hidden layer.
      num_residual_blocks: Python `int`; with 0 the network is two 3x3 convolutions.
      skip: Python `bool`, see above.
      bottleneck: Python `bool`, whether blocks have 1x1, 3x3 and 1x1 instead of two 3x3
        kernels. The width stays the same, as in the released code.
      use_batch_norm: Python `bool`.

    #### References
    Dinh et al. (2017), sections 3.5 and 4.1; every layer is as in the authors' released code.
    """

    def __init__(
        self,
        outputs: int,
        filters: int,
        num_residual_blocks: int,
        skip: bool = True,
        bottleneck: bool = False,
        use_batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config = {
            "outputs": outputs,
            "filters": filters,
            "num_residual_blocks": num_residual_blocks,
            "skip": skip,
            "bottleneck": bottleneck,
            "use_batch_norm": use_batch_norm,
        }
        dtype = self.dtype_policy
        self.blocks, self.skips = [], []
        if num_residual_blocks == 0:
            self.h_in = WeightNormConv2D(
                filters, 3, use_magnitude=False, use_bias=not use_batch_norm, dtype=dtype, name="h_in"
            )
            self.out = PreActivatedConv(outputs, 3, use_batch_norm, dtype=dtype, name="out")
            return
        self.h_in = WeightNormConv2D(filters, 3, use_magnitude=False, dtype=dtype, name="h_in")
        for i in range(num_residual_blocks):
            self.blocks.append(
                ResidualBlock(filters, bottleneck, use_batch_norm, dtype=dtype, name=f"block_{i}")
            )
        if skip:
            for i in range(num_residual_blocks + 1):
                self.skips.append(WeightNormConv2D(filters, 1, dtype=dtype, name=f"skip_{i}"))
        self.out = PreActivatedConv(outputs, 1, use_batch_norm, dtype=dtype, name="out")

    def build(self, input_shape: InputShape) -> None:
        hidden = (*input_shape[:-1], self._config["filters"])
        self.h_in.build(input_shape)
        layers: list[keras.layers.Layer] = [*self.blocks, *self.skips, self.out]
        for layer in layers:
            layer.build(hidden)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        state = self.h_in(x)
        total = self.skips[0](state) if self.skips else None
        for i, block in enumerate(self.blocks):
            state = state + block(state)
            if self.skips:
                total = total + self.skips[i + 1](state)
        return self.out(total if self.skips else state)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}


@register
class ResidualBlock(keras.layers.Layer):
    """Applies two pre-activated 3x3 convolutions, or three (1x1, 3x3, 1x1)."""

    def __init__(self, filters: int, bottleneck: bool, use_batch_norm: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._config = {"filters": filters, "bottleneck": bottleneck, "use_batch_norm": use_batch_norm}
        *plain, last = (1, 3, 1) if bottleneck else (3, 3)
        self.convs = [
            PreActivatedConv(
                filters,
                side,
                use_batch_norm,
                use_magnitude=False,
                use_bias=not use_batch_norm,
                dtype=self.dtype_policy,
                name=f"h_{i}",
            )
            for i, side in enumerate(plain)
        ]
        self.convs.append(
            PreActivatedConv(filters, last, use_batch_norm, dtype=self.dtype_policy, name="out")
        )

    def build(self, input_shape: InputShape) -> None:
        for conv in self.convs:
            conv.build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        for conv in self.convs:
            x = conv(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}


@register
class PreActivatedConv(keras.layers.Layer):
    """Applies batch norm (if used), ReLU and a weight-normalised convolution."""

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        use_batch_norm: bool,
        use_magnitude: bool = True,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config = {
            "filters": filters,
            "kernel_size": kernel_size,
            "use_batch_norm": use_batch_norm,
            "use_magnitude": use_magnitude,
            "use_bias": use_bias,
        }
        self.norm = InnerBatchNorm(dtype=self.dtype_policy, name="norm") if use_batch_norm else None
        self.conv = WeightNormConv2D(
            filters, kernel_size, use_magnitude, use_bias, dtype=self.dtype_policy, name="conv"
        )

    def build(self, input_shape: InputShape) -> None:
        if self.norm:
            self.norm.build(input_shape)
        self.conv.build(input_shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return self.conv(ops.relu(self.norm(x) if self.norm else x))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}
