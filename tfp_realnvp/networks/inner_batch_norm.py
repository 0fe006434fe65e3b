"""Batch norm inside the networks."""

from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.utils.moving_statistics import moved, num_elements

LEAST_EPSILON = 1.001e-5
"""The fused operation raises a smaller epsilon to this value."""


@keras.saving.register_keras_serializable("tfp_realnvp")
class InnerBatchNorm(keras.layers.BatchNormalization):
    """Normalises an image's channels by Keras's batch norm, without a scale as the authors do.

    ```none
    (x - mean) / sqrt(variance + 1e-4) + beta
    ```

    It normalises as `keras.layers.BatchNormalization` does with the same arguments, but by TensorFlow's
    fused operation where possible (not for float64, `synchronized`, a `mask`, an `axis` other
    than the last of four, or an `epsilon` below 1.001e-5).

    #### References
    Dinh et al. (2017), section 3.7; the authors' released code.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"scale": False, "momentum": 0.9, "epsilon": 1e-4, **kwargs})

    def add_weight(self, *args: Any, **kwargs: Any) -> keras.Variable:
        # Moving statistics are the mean over replicas; Keras would keep one per replica.
        return super().add_weight(*args, **{"aggregation": "mean", **kwargs})

    def call(self, x: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        is_fused = self.axis in (-1, 3) and len(x.shape) == 4 and self.epsilon >= LEAST_EPSILON
        if self.compute_dtype == "float64" or self.synchronized or mask is not None or not is_fused:
            return super().call(x, training=training, mask=mask)
        is_training = bool(training) and self.trainable
        beta = tf.cast(self.beta, self.variable_dtype) if self.center else tf.zeros_like(self.moving_mean)
        gamma = tf.cast(self.gamma, self.variable_dtype) if self.scale else tf.ones_like(beta)
        moving = (
            [] if is_training else [tf.convert_to_tensor(m) for m in (self.moving_mean, self.moving_variance)]
        )
        mean, variance = moving or (None, None)
        y, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            x, gamma, beta, mean, variance, epsilon=self.epsilon, is_training=is_training
        )
        if is_training:
            count = tf.cast(tf.size(x), variance.dtype) / x.shape[-1]
            variance *= (count - 1) / count  # The operation returns the unbiased variance.
            for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
                old = tf.convert_to_tensor(moving)
                moving.assign(moved(old, batch, self.momentum, num_elements(x), batch is variance))
        return y
