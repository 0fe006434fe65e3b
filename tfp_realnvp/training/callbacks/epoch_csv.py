"""Writes the metrics of each epoch to a table."""

import csv
import pathlib
from typing import Any

import keras

from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.whole_file import whole_file

COLUMNS = "loss", "bits_per_dim", "val_bits_per_dim"


class EpochCSV(keras.callbacks.Callback):
    """Writes a row per epoch: `epoch`, `loss`, `bits_per_dim` and `val_bits_per_dim`.

    Unlike `keras.callbacks.CSVLogger`, it continues where an interrupted training ended. It opens
    the file only to write a row, so that an interruption leaves the file complete.

    Args:
      filename: Name of the file.
      initial_epoch: Python `int`, as in `fit`. Rows of earlier epochs stay in the file; other
        rows are removed, as their epochs are trained again.
    """

    def __init__(self, filename: Path, initial_epoch: int = 0) -> None:
        super().__init__()
        self.filename = filename
        self.initial_epoch = initial_epoch

    def lowest(self, column: str) -> float | None:
        """Returns the smallest value in a column of the rows that stay.

        Args:
          column: Python `str`, one of `COLUMNS`.

        Returns:
          Python `float`, or None if there are no rows.
        """
        i = 1 + COLUMNS.index(column)
        return min((float(row[i]) for row in self._rows()), default=None)

    def _rows(self):
        path = pathlib.Path(self.filename)
        rows = list(csv.reader(path.read_text().splitlines()))[1:] if path.exists() else []
        return [row for row in rows if row and int(row[0]) < self.initial_epoch]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        rows = self._rows()
        with whole_file(self.filename) as partial, open(partial, "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["epoch", *COLUMNS])
            table.writerows(rows)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        with open(self.filename, "a", newline="") as file:
            row = [epoch, *((logs or {}).get(column, "NA") for column in COLUMNS)]
            csv.writer(file, lineterminator="\n").writerow(row)
