"""Draws samples after epochs."""

import pathlib
from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp.analysis import figures
from tfp_realnvp.analysis.image_grid import image_grid, save_image_grid
from tfp_realnvp.training.callbacks.optional import optional
from tfp_realnvp.utils.hints import Path


class SampleGrid(keras.callbacks.Callback):
    """Draws samples every few epochs, always from the same latents.

    It uses the current weights of training, not the averages that `AveragedWeights` keeps. If a
    picture fails, training continues with a warning.

    Args:
      folder: Folder for the pictures, `epoch_0001.png` and so on.
      every: Python `int`, epochs between two pictures.
      num_levels: Python `int`, number of values a pixel takes.
      log_dir: Folder for TensorBoard, which gets the same pictures, or None.
      **kwargs: Arguments of `figures.samples`: number, temperature and conditions.
    """

    def __init__(
        self, folder: Path, every: int = 1, num_levels: int = 256, log_dir: Path | None = None, **kwargs: Any
    ) -> None:
        super().__init__()
        self.folder = pathlib.Path(folder)
        self.every, self.num_levels, self.log_dir = every, num_levels, log_dir
        self._options = kwargs
        self._writer = None
        optional(self)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.log_dir is not None:
            self._writer = tf.summary.create_file_writer(str(self.log_dir))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        images = figures.samples(self.model, **self._options).images
        save_image_grid(self.folder / f"epoch_{epoch + 1:04}.png", images, self.num_levels)
        if self._writer is not None:
            with self._writer.as_default(step=epoch):
                tf.summary.image("samples", image_grid(images, self.num_levels)[None])
            self._writer.flush()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._writer is not None:
            self._writer.close()
