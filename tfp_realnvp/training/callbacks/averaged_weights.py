"""Evaluates averages of the weights with their own moving statistics."""

from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.utils.arguments import check_integer


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` for a `FlowModel` with batch norm.

    The moving statistics of training fit its current weights, not their averages. For each
    evaluation this callback computes moving statistics of the averages from some training batches,
    as `FlowModel.recalibrate` does. Training then continues with its own moving statistics, as if
    there had been no evaluation.

    Args:
      batches: `tf.data.Dataset` of training batches, as for `fit`.
      steps: Python `int`, number of batches.

    Raises:
      TypeError: if `steps` is not an integer.
      ValueError: if `steps` is less than 1; at the start of an evaluation, if the model has no batch
        norm, or a statistic is not finite.

    #### References
    Izmailov et al. (2018), Averaging weights leads to wider optima and better generalization,
    section 3.2.
    """

    def __init__(self, batches: tf.data.Dataset, steps: int) -> None:
        super().__init__()
        check_integer(steps, "steps", least=1)
        self._batches, self._steps = batches, steps

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_test_begin(logs)
        self._of_training = [(v, v.numpy()) for v in self.model.non_trainable_variables]
        self.model.recalibrate(self._batches, steps=self._steps)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        for variable, value in self._of_training:
            variable.assign(value)
        super().on_test_end(logs)
