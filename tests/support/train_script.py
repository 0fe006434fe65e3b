"""The main job as a process."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
from places import EXAMPLES

from tfp_realnvp.training.run_folder import RunFolder

SCRIPT = EXAMPLES / "train_cifar.py"


def start(*flags, cwd=None, **environment):
    """The process of the main job, with these flags."""
    command = [sys.executable, str(SCRIPT), *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, **pipes)


def run(*flags, **environment):
    """The same once it has ended, with what it printed."""
    process = start(*flags, **environment)
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def variables(out):
    """Of the model that a run has saved, and of its optimizer."""
    model = RunFolder(out).model()
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def assert_same_end(out, other):
    """Of two runs, to the last bit."""
    assert (out / "history.csv").read_text() == (other / "history.csv").read_text()
    for a, b in zip(variables(out), variables(other), strict=True):
        np.testing.assert_array_equal(a, b)
    mine, others = results(out)[2], results(other)[2]
    for name in ("bits_per_dim", "steps", "skipped"):
        assert mine[name] == others[name], name


def results(out):
    """What is in `config.json`, `history.csv` and `results.json`."""
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    return json.loads((out / "config.json").read_text()), rows, json.loads((out / "results.json").read_text())
