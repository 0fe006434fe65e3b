"""Keras callbacks of a training run."""

import time

import keras


class EpochCSV(keras.callbacks.CSVLogger):
    """`CSVLogger` with just the columns `epoch`, `loss`, `bits_per_dim` and `val_bits_per_dim`."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.keys = ["loss", "bits_per_dim", "val_bits_per_dim"]


class StopAfter(keras.callbacks.Callback):
    """Ends training after the batch in which a time has passed.

    Args:
      minutes: Python `float`, counted from the beginning of `fit`.
    """

    def __init__(self, minutes):
        super().__init__()
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        self._end = time.monotonic() + 60 * self.minutes

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() >= self._end:
            self.model.stop_training = True
