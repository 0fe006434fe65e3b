"""Ends training after a given time."""

import time
from typing import Any

import keras

from tfp_realnvp.utils.replicas import agreed


class StopAfter(keras.callbacks.Callback):
    """Ends training after the first batch that exceeds a given time.

    Args:
      minutes: Python `float`, counted from the beginning of `fit`.
    """

    def __init__(self, minutes: float) -> None:
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._end = time.monotonic() + 60 * self.minutes

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if agreed(time.monotonic() >= self._end, self.model.distribute_strategy):
            self.model.stop_training = True
