"""Command lines that the examples refuse, before they do anything and with a reason."""

import functools
import json
import re
import socket
import subprocess
import sys

import pytest
from absl import app, flags
from places import EXAMPLES
from run_example import run_example

import tfp_realnvp as rnvp
from tfp_realnvp import pretrained
from tfp_realnvp.training.run_folder import RunFolder

DIGITS = f"--run={pretrained.model_path('digits').parent}"
TRAIN = ("train_cifar.py", "--preset=tiny", "--num_scales=1", "--num_residual_blocks=0", "--epochs=1")

REFUSED = [
    (("train_cifar.py", "--preset=huge", "--out=new"), "--preset.*huge.*should be one of"),
    ((*TRAIN, "--out=full"), "`out` must be a new or an empty folder, or `resume` be set.* is not empty"),
    (("evaluate.py", "--run=nowhere"), "`run` must be the folder of a training run; got nowhere"),
]
"""As programs: the reason is told in a line or two, and the program fails."""

REFUSED_ALIKE = [
    (("figures.py", DIGITS, "--figure=mona_lisa"), "--figure must be one of samples, .*; got mona_lisa"),
    (("train_cifar.py", "--dataset=mnist", "--out=new"), "--dataset.*mnist.*should be one of"),
    (("train_cifar.py", "--batch_size=0", "--out=new"), "--batch_size"),
    ((*TRAIN, "--resume", "--out=full"), "`out` must be the folder of a run.*full is without config.json"),
    (("train_cifar.py", "--resume", "--out=nowhere"), "nowhere is without config.json"),
    ((*TRAIN, "--out=full/notes.txt/run"), "`out` must be a folder that can be written"),
    (("figures.py", DIGITS, "--first=360"), "--first must be less than the 360 test images; got 360"),
    (("figures.py", DIGITS, "--figure=samples", "--out=full/notes.txt"), "FileExistsError: .*notes.txt"),
    (("figures.py", DIGITS, "--seed=-1"), "--seed=-1"),
    (
        ("make_pretrained.py", DIGITS, DIGITS.replace("--run", "--out")),
        "`out` must be another folder than `run`",
    ),
    (("evaluate.py", DIGITS, "--run=another", "--out=new"), "--out is for a single --run; got 2"),
    (("explore.py", "--run=nowhere"), "`run` must be the folder of a training run; got nowhere"),
    (("explore.py", DIGITS, "--port=PORT"), "OSError: --port must be a free one; PORT is not: Address"),
    (("benchmark.py", "--table=speed"), r"--table must be of \['curves', .*; got \['speed'\]"),
    (("conditional_digits.py", "steps=3"), r"Unexpected arguments: \['steps=3'\]"),
]
"""Within this process, by the same means."""

RUN_EACH = """
import json, os, runpy, sys
import tfp_realnvp
from tfp_realnvp import data
from tfp_realnvp.training import callbacks
from tfp_realnvp.analysis import figures

statuses = []
for i, line in enumerate(json.load(sys.stdin)):
    child = os.fork()
    if not child:
        printed = os.open(f"{i}.txt", os.O_WRONLY | os.O_CREAT)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.argv = line
        sys.path[0] = os.path.dirname(line[0])
        runpy.run_path(line[0], run_name="__main__")
        os._exit(0)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(json.dumps(statuses))
"""
"""Each command line in a fork of one process, so that the libraries are imported once for all."""


def test_every_one_is_refused_with_a_reason(tmp_path):
    here = tmp_path / "here"
    (here / "full").mkdir(parents=True)
    (here / "full" / "notes.txt").write_text("mine")
    lines = [[str(EXAMPLES / script), *flags] for (script, *flags), _ in REFUSED]
    process = subprocess.run(
        [sys.executable, "-c", RUN_EACH], input=json.dumps(lines), capture_output=True, text=True, cwd=here
    )
    assert process.returncode == 0, process.stderr
    for i, (line, reason) in enumerate(REFUSED):
        printed = (here / f"{i}.txt").read_text()
        assert re.search(reason, printed), (line, printed)
        assert "Traceback" not in printed, (line, printed)
        (here / f"{i}.txt").unlink()
    statuses = json.loads(process.stdout)
    assert len(statuses) == len(REFUSED) and all(statuses), statuses
    assert [(p.name, p.read_text()) for p in here.rglob("*") if p.is_file()] == [("notes.txt", "mine")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a file in `full`, where the program runs; the digits' model is loaded once."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(RunFolder, "model", lambda self: digits_model())
    return tmp_path


@functools.cache
def digits_model():
    return rnvp.FlowModel.from_pretrained("digits")


@pytest.mark.parametrize("line, reason", REFUSED_ALIKE, ids=[" ".join(line) for line, _ in REFUSED_ALIKE])
def test_it_is_refused(line, reason, here):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        with pytest.raises((SystemExit, app.UsageError, flags.Error), match=reason.replace("PORT", port)):
            run_example(*(word.replace("PORT", port) for word in line))
    assert [(p.name, p.read_text()) for p in here.rglob("*") if p.is_file()] == [("notes.txt", "mine")]


def test_every_example_without_arguments_refuses_them():
    refusal = 'if argv[1:]:\n        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")'
    programs = {path.name: path.read_text() for path in EXAMPLES.glob("*.py")}
    programs = {name: text for name, text in programs.items() if "app.run(main" in text}
    assert len(programs) > 10
    assert [name for name, text in programs.items() if refusal not in text] == []
