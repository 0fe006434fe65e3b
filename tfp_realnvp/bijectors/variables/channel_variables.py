"""The variables of a batch normalisation."""

from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.utils.hints import InputShape


@keras.saving.register_keras_serializable("tfp_realnvp")
class ChannelVariables(keras.layers.Layer):
    """Holds the variables of a batch normalisation, each with one value per channel."""

    def __init__(self, center: bool, scale: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.center, self.scale = center, scale
        self.beta = self.log_gamma = None

    def build(self, input_shape: InputShape) -> None:
        def weight(name, initializer, **kwargs):
            return self.add_weight(
                shape=input_shape[-1:], name=name, initializer=initializer, autocast=False, **kwargs
            )

        self.moving_mean = weight("moving_mean", "zeros", trainable=False, aggregation="mean")
        self.moving_variance = weight("moving_variance", "ones", trainable=False, aggregation="mean")
        self.beta = weight("beta", "zeros") if self.center else None
        self.log_gamma = weight("log_gamma", "zeros") if self.scale else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "center": self.center, "scale": self.scale}


def check_channel_variables(
    layer: ChannelVariables, center: bool, scale: bool, channels: int, dtype: tf.DType
) -> None:
    """Raises a ValueError unless a layer is built with these arguments and number of channels."""
    needed = center, scale, channels, dtype.name
    given = layer.center, layer.scale, layer.moving_mean.shape[0], layer.variable_dtype
    if given != needed:
        raise ValueError(
            "`layer` is of another configuration: needed `center`, `scale`, channels and dtype "
            f"{needed}; got {given}."
        )
