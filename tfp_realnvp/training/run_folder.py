"""The folder of a training run, and the names of the files in it."""

import csv
import json
import pathlib
import shutil
import tempfile
from typing import Any

import keras

from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.training.checkpoints import Checkpoints
from tfp_realnvp.training.configuration import Configuration
from tfp_realnvp.training.json_object import read_json_object
from tfp_realnvp.training.load_file import load_file
from tfp_realnvp.training.options import defaults_before
from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.whole_file import whole_file


class RunFolder:
    """A folder with `config.json`, `model.keras`, `history.csv`, `results.json` and `checkpoints`.

    `best.weights.h5` has the weights of the epoch with the lowest `val_bits_per_dim`. Instead
    of `model.keras` there may be `model.weights.h5`, as `save_weights` writes it.

    Args:
      path: Name of the folder.
      figures: Name of the folder for figures, by default `figures` in it.

    Attributes:
      path: `pathlib.Path` of the folder.
    """

    def __init__(self, path: Path, figures: Path | None = None) -> None:
        self.path = pathlib.Path(path)
        self.config_path = self.path / "config.json"
        self.model_path = self.path / "model.keras"
        self.weights_path = self.path / "model.weights.h5"
        self.best_path = self.path / "best.weights.h5"
        self.checkpoints_path = self.path / "checkpoints"
        self.history_path = self.path / "history.csv"
        self.results_path = self.path / "results.json"
        self.tensorboard_path = self.path / "tensorboard"
        self.samples_path = self.path / "samples"
        self.figures_path = pathlib.Path(figures or self.path / "figures")

    def configuration(self) -> Configuration:
        """Reads the `Configuration` of the run.

        Raises:
          FileNotFoundError: if this is not the folder of a run.
          ValueError: if it was written by another version.
        """
        if not self.config_path.exists():
            raise FileNotFoundError(
                f"`run` must be the folder of a training run; got {self.path}, without config.json."
            )
        return Configuration.read(self.config_path)

    def check_is_new(self) -> None:
        """Raises a FileExistsError if the folder is not empty."""
        if self.path.is_dir() and any(self.path.iterdir()):
            raise FileExistsError(
                f"`out` must be a new or an empty folder, or `resume` be set; {self.path} is not empty."
            )

    def check_can_be_written(self, num_bytes: int = 0) -> None:
        """Checks that the folder, which need not exist yet, can be written and has room.

        Args:
          num_bytes: Python `int`, number of bytes to write.

        Raises:
          OSError: if the folder cannot be written, or its disk has less room.
        """
        folder = self.path.absolute()
        while not folder.exists():
            folder = folder.parent
        try:
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise OSError(
                f"`out` must be a folder that can be written; {self.path} cannot: {error}."
            ) from error
        free = shutil.disk_usage(folder).free
        if free < num_bytes:
            raise OSError(
                f"`out` must be on a disk with room for {num_bytes / 2**20:,.0f} MiB of checkpoints and "
                f"models; {self.path} has {free / 2**20:,.0f} MiB."
            )

    def check_has_begun(self) -> None:
        """Raises a FileNotFoundError if this is not the folder of a run that could resume."""
        if not self.config_path.exists():
            raise FileNotFoundError(
                f"`out` must be the folder of a run to `resume`; {self.path} is without config.json."
            )

    def check_has_ended(self) -> None:
        """Raises a FileNotFoundError if there is no trained model yet."""
        if not (self.model_path.exists() or self.weights_path.exists()):
            raise FileNotFoundError(
                f"`run` must be a run that has ended; {self.path} is without model.keras."
            )

    def checkpoints(self, model: FlowModel, configuration: Configuration, keep: int = 3) -> Checkpoints:
        """Returns the `Checkpoints` of the run.

        Args:
          model: `FlowModel` of `configuration`.
          configuration: `Configuration` of the run.
          keep: Python `int`, number of checkpoints to keep.

        Returns:
          `Checkpoints`.
        """
        fixed, before = configuration.without_lengths(), defaults_before(Configuration)
        before = {name: value for name, value in before.items() if name in fixed}
        return Checkpoints(self.checkpoints_path, model, fixed, keep, before)

    @property
    def has_checkpoints(self) -> bool:
        """Whether training has left a checkpoint."""
        return any(self.checkpoints_path.glob("*.index"))

    def model(self) -> FlowModel:
        """Loads the trained `FlowModel`.

        Raises:
          FileNotFoundError: if training has not ended yet.
          ValueError: if the file cannot be loaded.
        """
        self.check_has_ended()
        if self.model_path.exists():
            return load_file(self.model_path, keras.models.load_model)
        return self.configuration().build(self.weights_path)

    def history(self) -> dict[str, list[float]]:
        """Reads `history.csv` as a dictionary of lists, one number per epoch; empty without a file.

        Raises:
          ValueError: if the file is not a table of numbers.
        """
        if not self.history_path.exists():
            return {}
        try:
            with self.history_path.open() as file:
                rows = list(csv.DictReader(file))
            return {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else ())}
        except (csv.Error, TypeError, ValueError) as error:
            raise ValueError(f"`{self.history_path}` must hold a number in each place: {error}.") from error

    def results(self) -> dict[str, Any]:
        """Reads `results.json` as a dictionary of results by name; empty without a file.

        Raises:
          ValueError: if the file is not a JSON object.
        """
        return read_json_object(self.results_path) if self.results_path.exists() else {}

    def add_results(self, **results: Any) -> None:
        """Adds results to `results.json`, and replaces results with the same names.

        Args:
          **results: JSON values by name.
        """
        _add(self.results_path, results)

    def add_figure(self, name: str, numbers: Any) -> None:
        """Adds the measurements of a figure to `figures.json` beside it.

        Args:
          name: Python `str`, name of the figure.
          numbers: JSON value.
        """
        _add(self.figures_path / "figures.json", {name: numbers})


def _add(path, record):
    before = read_json_object(path) if path.exists() else {}
    with whole_file(path) as partial:
        pathlib.Path(partial).write_text(json.dumps({**before, **record}, indent=2) + "\n")
