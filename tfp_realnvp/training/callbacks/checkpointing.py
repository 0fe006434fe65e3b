"""Saves checkpoints during training, within epochs too."""

import dataclasses
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.interrupts import Interrupts
from tfp_realnvp.utils.replicas import agreed


class Checkpointing(keras.callbacks.Callback):
    """Saves checkpoints, and lets `fit` resume from one in the middle of an epoch.

    It saves one after each epoch, every few minutes, and when training ends early, but none
    while updates are skipped because something is not finite. Training continues if a
    checkpoint cannot be written.

    Put it after the callbacks that end training after a batch, and before all that act on the
    weights or end training after an epoch. `fit` needs `steps_per_epoch`, `initial_epoch=
    progress.epoch` and a data set that begins with batch number `progress.batches`.

    Args:
      checkpoints: `Checkpoints` of the model.
      progress: `Progress` that they restored, or None for a new run.
      minutes: Python `float`, minutes between two checkpoints within an epoch; None for none.
      interrupts: `Interrupts` or None. After an interrupt, a checkpoint is saved and
        `KeyboardInterrupt` raised.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        progress: Progress | None = None,
        minutes: float | None = None,
        interrupts: Interrupts | None = None,
    ) -> None:
        super().__init__()
        self.checkpoints = checkpoints
        self.minutes = minutes
        self.interrupts = interrupts
        self.progress = progress or Progress()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._begin = time.monotonic() - self.progress.seconds
        self._saved = time.monotonic()
        self._restored_metrics = None
        if self.progress.step:  # `fit` will reset them.
            # Each replica has its own part of a metric: TensorFlow sums them, NumPy cannot.
            self._restored_metrics = [tf.convert_to_tensor(v) for v in self._metrics()]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._first_step = self.progress.step
        self._ends_epoch = False
        if self._restored_metrics is not None:
            for v, value in zip(self._metrics(), self._restored_metrics, strict=True):
                v.assign(value)
            self._restored_metrics = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        step = self._first_step + batch + 1
        batches = self.progress.batches + step - self.progress.step
        self.progress = dataclasses.replace(self.progress, step=step, batches=batches)
        if step >= self.params["steps"]:
            # The rest of a resumed epoch is shorter than an epoch, and training continues after it.
            self._ends_epoch = bool(self._first_step) and not self.model.stop_training
            self.model.stop_training |= self._ends_epoch
        elif self._is_interrupted():
            self._save()
            raise KeyboardInterrupt
        elif self.model.stop_training or self._agreed(self._is_time()):
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.progress.step < self.params["steps"]:
            return
        if self._ends_epoch:
            self.model.stop_training = False
        self.progress = dataclasses.replace(self.progress, epoch=epoch + 1, step=0)
        self._save()
        if self._is_interrupted():
            raise KeyboardInterrupt

    def _is_interrupted(self):
        return self._agreed(self.interrupts is not None and self.interrupts.received is not None)

    def _metrics(self):
        return [tf_variable(v) for v in self.model.metrics_variables]

    def _is_time(self):
        return self.minutes is not None and time.monotonic() >= self._saved + 60 * self.minutes

    def _agreed(self, flag):
        return agreed(flag, self.model.distribute_strategy)

    def _save(self):
        if np.any(getattr(self.model.optimizer, "skipped_in_a_row", 0)):
            return
        self.progress = dataclasses.replace(self.progress, seconds=time.monotonic() - self._begin)
        try:
            self.checkpoints.save(self.progress)
        except (OSError, tf.errors.OpError) as error:
            logging.error("No checkpoint could be saved, training goes on: %s", str(error).splitlines()[0])
        self._saved = time.monotonic()
