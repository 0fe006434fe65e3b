"""Saves the whole state of a training run, which resumes as if it had not stopped."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

from tfp_realnvp.bijectors.variables.tracked_variables import tf_variable
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.training.literal_path import literal_path
from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.replicas import is_chief
from tfp_realnvp.utils.snapshot import restoring

VERSION = 1
"""Version of the contents of a checkpoint."""

RECORD = "record/.ATTRIBUTES/py_state"
"""Name under which TensorFlow keeps the record in a checkpoint."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far training has come.

    Attributes:
      epoch: Python `int`, finished epochs.
      step: Python `int`, finished batches of the unfinished epoch.
      batches: Python `int`, finished batches in all.
      seconds: Python `float`, training time.
    """

    epoch: int = 0
    step: int = 0
    batches: int = 0
    seconds: float = 0.0


class Checkpoints:
    """Writes and restores the last checkpoints of a training run.

    Each has the weights, moving statistics and noise state of the model, the moments of its
    optimizer, its metrics, and the `Progress`. A checkpoint counts as soon as TensorFlow's
    `CheckpointManager` has written it completely.

    Args:
      folder: Name of the folder. Several machines need to share it.
      model: Compiled `FlowModel`.
      configuration: Dictionary of the options that must be the same when training resumes.
      keep: Python `int`, number of checkpoints to keep.
      before: Dictionary of values for options that older checkpoints lack, or None.
    """

    def __init__(
        self,
        folder: Path,
        model: FlowModel,
        configuration: Mapping[str, Any],
        keep: int = 3,
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = pathlib.Path(folder)
        self.keep = keep
        self._model = model
        self._record = _Record(configuration, before or {})

    @property
    def _variables(self):
        """The current variables: layers may have been adapted, and the optimizer follows them."""
        self._model.build_optimizer()
        return [tf_variable(v) for v in (*self._model.variables, *self._model.optimizer.variables)]

    @property
    def _checkpoint(self):
        return tf.train.Checkpoint(
            variables=self._variables,
            metrics=[tf_variable(v) for v in self._model.metrics_variables],
            record=self._record,
        )

    @property
    def size(self) -> int:
        """Python `int`, bytes of a checkpoint."""
        return sum(v.dtype.size * v.shape.num_elements() for v in self._variables)

    @property
    def latest(self) -> str | None:
        """Name of the last checkpoint, or None."""
        return next(reversed(self._names()), None)

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint, and removes all but the last `keep`.

        Args:
          progress: `Progress`.

        Raises:
          OSError, tf.errors.OpError: if it cannot be written. Earlier checkpoints are kept.
        """
        self._record.progress = progress
        if not is_chief(self._model.distribute_strategy):
            return self._save_as_the_chief_does()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with literal_path(self.folder) as folder:
                manager = tf.train.CheckpointManager(self._checkpoint, folder, self.keep)
                manager.save(checkpoint_number=self._next_number())
        finally:
            self._remove_unfinished()

    def _save_as_the_chief_does(self):
        """Takes part in sums over machines, and keeps no files."""
        resolver = self._model.distribute_strategy.cluster_resolver
        folder = self.folder / f"of_worker_{resolver.task_id}"
        try:
            self._checkpoint.write(str(folder / "checkpoint"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def restore(self) -> Progress | None:
        """Restores the last checkpoint that can be restored.

        A warning names later ones that cannot, with the reason; they are not deleted.

        Returns:
          `Progress`, or None if there is no checkpoint.

        Raises:
          ValueError: if no checkpoint can be restored. Model and optimizer are then unchanged.
        """
        names, problems = self._names(), []
        while names:
            name = names[-1]
            try:
                self._restore(name)
            except Exception as error:  # TensorFlow raises many kinds of errors.
                problems.append(f"{name}: {_first_line(error)}")
                names.pop()
                continue
            if problems:
                logging.warning("Not restored: %s. Training goes on from %s.", "; ".join(problems), name)
                if is_chief(self._model.distribute_strategy):
                    tf.compat.v1.train.update_checkpoint_state(str(self.folder), name, names)
            return self._record.progress
        if problems:
            raise ValueError(f"No checkpoint can be restored. {'; '.join(problems)}.")
        return None

    def _restore(self, name):
        with literal_path(self.folder) as folder, restoring(self._variables):
            path = os.path.join(folder, os.path.basename(name))
            self._record.check(tf.train.load_checkpoint(path).get_tensor(RECORD))
            self._checkpoint.restore(path).assert_consumed()

    def _names(self):
        """Checkpoints that have been written completely, the last one at the end."""
        with contextlib.suppress(ValueError):  # Raised for an empty list.
            state = tf.train.get_checkpoint_state(str(self.folder))
            if state:
                return list(state.all_model_checkpoint_paths)
        indices = sorted(self.folder.glob("*-*.index"), key=_number)
        return [str(path.with_suffix("")) for path in indices]

    def _next_number(self):
        return 1 + max(map(_number, self.folder.glob("ckpt-*")), default=0)

    def _remove_unfinished(self):
        for path in self.folder.glob("*_temp"):
            shutil.rmtree(path, ignore_errors=True)


class _Record(tf.train.experimental.PythonState):
    """The part of a checkpoint beside variables: configuration and progress."""

    def __init__(self, configuration: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        self.configuration = json.loads(json.dumps(configuration))
        self.before = json.loads(json.dumps(before))
        self.progress = Progress()

    def serialize(self) -> str:
        progress = dataclasses.asdict(self.progress)
        return json.dumps({"version": VERSION, "configuration": self.configuration, "progress": progress})

    def deserialize(self, string_value: str | bytes) -> None:
        self.progress = Progress(**json.loads(string_value)["progress"])

    def check(self, string_value: str | bytes) -> None:
        """Raises a ValueError if a record has a newer version or another configuration."""
        record = json.loads(string_value)
        if record["version"] > VERSION:
            raise ValueError(
                f"it is of version {record['version']}, this is a program for versions up to {VERSION}"
            )
        saved, own = {**self.before, **record["configuration"]}, self.configuration
        names = sorted(name for name in {**saved, **own} if saved.get(name) != own.get(name))
        if names:
            raise ValueError(
                "it is of another configuration: "
                + ", ".join(f"{name} was {saved.get(name)!r} and is {own.get(name)!r}" for name in names)
            )


def _number(path):
    return int(re.findall(r"-(\d+)", path.name)[0])


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
