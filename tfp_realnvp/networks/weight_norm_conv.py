"""Convolution with weight normalisation."""

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfp_realnvp.utils.hints import InputShape


@keras.saving.register_keras_serializable("tfp_realnvp")
class WeightNormConv2D(keras.layers.Layer):
    """Convolves in 2-D, stride 1, same padding, with a kernel of norm 1 or `magnitude`.

    ```none
    kernel_normalised = magnitude kernel / ||kernel||, one norm for each output channel
    ```

    Args:
      filters: Python `int`, output channels.
      kernel_size: Python `int`, side of the kernel.
      use_magnitude: Python `bool`, whether the norm is learned; otherwise it is 1.
      use_bias: Python `bool`.

    #### References
    Salimans and Kingma (2016), equation 2; initial values as in the released code of
    Dinh et al. (2017).
    """

    def __init__(
        self, filters: int, kernel_size: int, use_magnitude: bool = True, use_bias: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.use_magnitude, self.use_bias = use_magnitude, use_bias

    def build(self, input_shape: InputShape) -> None:
        inputs, side = input_shape[-1], self.kernel_size
        limit = (2 / inputs) ** 0.5
        self.kernel = self.add_weight(
            shape=(side, side, inputs, self.filters),
            initializer=keras.initializers.RandomUniform(-limit, limit),
            name="kernel",
            autocast=False,  # The norm is computed in the variable's precision.
        )
        if self.use_magnitude:
            self.magnitude = self.add_weight(
                shape=(self.filters,),
                initializer=keras.initializers.Constant(side / 6**0.5),
                name="magnitude",
                autocast=False,
            )
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        y = ops.conv(x, ops.cast(self.normalised_kernel(), x.dtype), padding="same")
        return y + ops.cast(self.bias, y.dtype) if self.use_bias else y

    def normalised_kernel(self) -> tf.Tensor:
        """Returns the kernel of the convolution, in the variables' dtype."""
        kernel = ops.convert_to_tensor(self.kernel)
        gain = ops.rsqrt(ops.sum(ops.square(kernel), axis=(0, 1, 2)))
        return kernel * (gain * self.magnitude if self.use_magnitude else gain)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "use_magnitude": self.use_magnitude,
            "use_bias": self.use_bias,
        }
