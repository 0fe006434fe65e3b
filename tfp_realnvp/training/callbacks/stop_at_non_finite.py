"""Ends training that no longer finds finite numbers."""

from typing import Any

import keras
from absl import logging


class StopAtNonFinite(keras.callbacks.Callback):
    """Reports the updates that `compile(skip_non_finite=True)` skips; stops after some in a row.

    Args:
      in_a_row: Python `int`, number of skipped updates in a row that ends training.

    Raises:
      FloatingPointError: from `fit`; the message names likely causes.
    """

    def __init__(self, in_a_row: int = 20) -> None:
        super().__init__()
        self.in_a_row = in_a_row

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._before = int(self.model.optimizer.skipped.numpy())

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if int(self.model.optimizer.skipped_in_a_row.numpy()) >= self.in_a_row:
            raise FloatingPointError(
                f"{self.in_a_row} batches in a row had a loss or a gradient that is not finite; their "
                "updates were left out. Likely causes: a learning rate that is too high, gradients that "
                "are not clipped, events that are not finite or outside of the flow's range, log-scales "
                "that grow without bound (`max_log_scale` bounds them), a `dtype_policy` of low precision."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        skipped = int(self.model.optimizer.skipped.numpy()) - self._before
        if skipped:
            logging.warning(
                "Epoch %d: %d updates left out, as loss or gradient was not finite.", epoch + 1, skipped
            )
