"""Saves the weights with the best validation result."""

from typing import Any

import keras

from tfp_realnvp.utils.hints import Path


class BestWeights(keras.callbacks.ModelCheckpoint):
    """A `ModelCheckpoint` that saves the weights with the lowest `val_bits_per_dim`, as validated.

    With `AveragedWeights` or `SwapEMAWeights` these are the averages: put this callback before that one.

    Args:
      filepath: Name of the `.weights.h5` file.
      so_far: Python `float`, the lowest bits/dim so far, or None.
    """

    def __init__(self, filepath: Path, so_far: float | None = None) -> None:
        super().__init__(
            str(filepath).replace("{", "{{").replace("}", "}}"),  # Keras formats the name.
            monitor="val_bits_per_dim",
            mode="min",
            save_best_only=True,
            save_weights_only=True,
            initial_value_threshold=so_far,
        )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._epoch = epoch

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_end(self._epoch, {f"val_{name}": value for name, value in (logs or {}).items()})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Does nothing: the model has the weights of training again."""
