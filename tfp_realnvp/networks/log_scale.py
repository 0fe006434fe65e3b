"""Last step of a coupling's network: splits its output into shift and bounded log-scale."""

import keras
import tensorflow as tf
from keras import ops


def shift_and_log_scale(output: tf.Tensor, gain: keras.Variable) -> tuple[tf.Tensor, tf.Tensor]:
    """Splits a network's output into shift and bounded log-scale.

    ```none
    shift, s = output
    log_scale = gain tanh(s)
    ```

    Args:
      output: `Tensor` of shape `[..., 2 * channels]`, possibly in a lower precision.
      gain: Variable that broadcasts against `s`.

    Returns:
      Pair of `Tensor`s of shape `[..., channels]`, with the dtype of `gain`.
    """
    shift, s = ops.split(ops.cast(output, gain.dtype), 2, axis=-1)
    return shift, gain * ops.tanh(s)
