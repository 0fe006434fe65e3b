"""The multi-layer perceptron that conditions the couplings of a vector flow."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from tfp_realnvp.networks.adaptations import adapt, adaptations
from tfp_realnvp.networks.log_scale import shift_and_log_scale
from tfp_realnvp.utils.hints import InputShape, TensorLike


@keras.saving.register_keras_serializable("tfp_realnvp")
class MLP(keras.layers.Layer):
    """Computes a shift and a bounded log-scale by dense layers with ReLU between them.

    ```none
    shift, s = dense(relu(... dense([masked, condition])))
    log_scale = gain tanh(s)
    ```

    `gain` is learned, as in the paper's image couplings, here one for each dimension. The
    last layer starts at zero, so a flow starts as the identity.

    Args:
      event_size: Python `int`, dimensions of the event.
      hidden_units: Sequence of Python `int`s, widths of the hidden layers.
      conditional_event_size: Python `int` or None, dimensions of a condition.
    """

    def __init__(
        self,
        event_size: int,
        hidden_units: Sequence[int],
        conditional_event_size: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config: dict[str, Any] = {
            "event_size": event_size,
            "hidden_units": tuple(hidden_units),
            "conditional_event_size": conditional_event_size,
        }
        self.hidden = [
            keras.layers.Dense(units, "relu", dtype=self.dtype_policy, name=f"hidden_{i}")
            for i, units in enumerate(hidden_units)
        ]
        self.out = keras.layers.Dense(
            2 * event_size, kernel_initializer="zeros", dtype=self.dtype_policy, name="out"
        )

    def build(self, input_shape: InputShape) -> None:
        size = self._config["event_size"] + (self._config["conditional_event_size"] or 0)
        for layer in (*self.hidden, self.out):
            layer.build((None, size))
            size = layer.units
        self.gain = self.add_weight(
            shape=(self._config["event_size"],), initializer="ones", name="gain", autocast=False
        )

    def call(self, x: tf.Tensor, conditional_input: TensorLike | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        if conditional_input is not None:
            x = ops.concatenate([x, ops.cast(conditional_input, x.dtype)], axis=-1)
        for layer in self.hidden:
            x = layer(x)
        return shift_and_log_scale(self.out(x), self.gain)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}

    def get_build_config(self) -> dict[str, Any]:
        return {**(super().get_build_config() or {}), "adaptations": adaptations(self)}

    def build_from_config(self, config: dict[str, Any]) -> None:
        super().build_from_config(config)
        adapt(self, config.get("adaptations", []))
