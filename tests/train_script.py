"""The main job as a process."""

import csv
import json
import os
import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).parents[1] / "examples" / "train_cifar.py"


def start(*flags, **environment):
    """The process of the main job, with these flags."""
    command = [sys.executable, str(SCRIPT), *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**os.environ, **environment}, **pipes)


def run(*flags, **environment):
    """The same once it has ended, with what it printed."""
    process = start(*flags, **environment)
    stdout, stderr = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def results(out):
    """What is in `config.json`, `history.csv` and `results.json`."""
    rows = list(csv.DictReader((out / "history.csv").read_text().splitlines()))
    return json.loads((out / "config.json").read_text()), rows, json.loads((out / "results.json").read_text())
