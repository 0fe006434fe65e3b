"""A training that has been stopped, however it was, goes on as if it had not been."""

import json
import os
import random
import shutil
import signal
import time

import numpy as np
import pytest
from PIL import Image
from places import ROOT
from train_script import assert_same_end, results, run, start

from tfp_realnvp.training.interrupts import Interrupts
from tfp_realnvp.training.run_folder import RunFolder

FLAGS = (
    "--preset=tiny",
    "--num_scales=1",
    "--num_residual_blocks=0",
    "--base_filters=4",
    "--batch_size=16",
    "--num_validation=32",
    "--sample_every=1000",
)


def wait_for_next_checkpoint(out, process):
    """Until the process has saved a checkpoint."""
    state = out / "checkpoints" / "checkpoint"
    before = state.read_text() if state.exists() else None
    while not state.exists() or state.read_text() == before:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


def resume(out):
    """The flag, of a run that has begun."""
    return ["--resume"] if (out / "config.json").exists() else []


@pytest.mark.slow
def test_four_kills(tmp_path):
    """It is killed four times, two of them at any moment of its life, while it saves after every batch."""
    flags = (*FLAGS, "--steps_per_epoch=50", "--epochs=20", "--use_batch_norm")
    process = run(*flags, f"--out={tmp_path / 'whole'}")
    assert process.returncode == 0, process.stderr
    out, moments = tmp_path / "killed", random.Random(0)
    for i in range(4):
        process = start(*flags, "--checkpoint_minutes=0", *resume(out), f"--out={out}")
        if i % 2:
            wait_for_next_checkpoint(out, process)
            time.sleep(moments.uniform(0, 1.5))
        else:
            time.sleep(moments.uniform(2, 12))
        assert process.poll() is None, process.stderr.read()
        process.kill()
        process.communicate()
    process = run(*flags, "--checkpoint_minutes=5", "--resume", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert "Training goes on from" in process.stdout
    assert_same_end(out, tmp_path / "whole")


SETTINGS = {".keras/keras.json", ".cache/matplotlib"}
"""What Keras and Matplotlib write to the home folder when they are first imported there."""


def files(folder):
    """Names and contents of what is below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_ctrl_c_finishes_the_batch_and_training_goes_on_writing_to_out_only(tmp_path):
    """On images of a folder, which stay as they are."""
    here, home, temporary = (tmp_path / name for name in ("here", "home", "temporary"))
    for folder in (here / "images", home, temporary):
        folder.mkdir(parents=True)
    for i in range(20):
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(here / "images" / f"{i}.png")
    (here / "images" / "bad.png").write_bytes(b"")
    before, out = files(here), here / "out"
    environment = {
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "KERAS_HOME": str(home / ".keras"),
        "MPLCONFIGDIR": str(home / ".cache" / "matplotlib"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    flags = (
        *("--dataset=folder", "--data_dir=images", "--num_scales=1", "--num_residual_blocks=0"),
        *("--base_filters=2", "--batch_size=8", "--steps_per_epoch=10", "--epochs=2"),
    )
    process = start(*flags, "--checkpoint_minutes=0", "--out=out", cwd=here, **environment)
    wait_for_next_checkpoint(out, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate()
    assert process.returncode == 1
    assert "skipped: 1 cannot be read as an image ('bad.png')." in stderr
    last = stderr.splitlines()[-1]
    assert last.startswith("Interrupted. The last checkpoint is ") and last.endswith("--out=out --resume")
    result = json.loads((out / "results.json").read_text())
    assert result["finished"] is False and 0 < result["steps"] < 20
    assert not (out / "model.keras").exists()

    process = start("--out=out", "--resume", "--epochs=3", "--checkpoint_minutes=5", cwd=here, **environment)
    stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    assert "functional_saver" not in stdout + stderr
    _, rows, result = results(out)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert result["finished"] is True and result["steps"] == 30

    after = files(here)
    written = {name for name in after if name.startswith("out/")}
    assert {"out/config.json", "out/model.keras", "out/results.json"} <= written
    assert {name: after[name] for name in after.keys() - written} == before
    assert not files(temporary)
    assert not [name for name in files(home) if not name.startswith(tuple(SETTINGS))]


@pytest.mark.slow
def test_interrupted_and_terminated_runs_end_as_others_do(tmp_path):
    """Also where `--max_minutes` ends a run, which then has a model."""
    flags = (*FLAGS, "--steps_per_epoch=10", "--epochs=6", "--ema_momentum=0.99")
    process = run(*flags, f"--out={tmp_path / 'whole'}")
    assert process.returncode == 0, process.stderr
    out = tmp_path / "stopped"
    for number in (signal.SIGINT, signal.SIGTERM):
        process = start(*flags, "--checkpoint_minutes=0", *resume(out), f"--out={out}")
        wait_for_next_checkpoint(out, process)
        process.send_signal(number)
        process.communicate()
        assert process.returncode == 1
    process = run(*flags, "--max_minutes=0", "--resume", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert results(out)[2]["steps"] < 60 and (out / "model.keras").exists()
    process = run(*flags, "--resume", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert_same_end(out, tmp_path / "whole")
    process = run(*flags, "--resume", f"--out={out}")  # Nothing is left to train.
    assert process.returncode == 0, process.stderr
    assert_same_end(out, tmp_path / "whole")


@pytest.fixture
def python_raises_at_ctrl_c():
    """As in a terminal; programs in the background of a shell ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_termination_is_noted():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            signal.raise_signal(signal.SIGTERM)
        assert interrupts.received == signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_second_ctrl_c_ends_at_once(python_raises_at_ctrl_c):
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.slow
def test_resume_without_a_checkpoint_begins_with_its_own_configuration(tmp_path):
    out = tmp_path / "run"
    process = run(*FLAGS, "--steps_per_epoch=2", "--epochs=1", f"--out={out}")
    assert process.returncode == 0, process.stderr
    for path in out.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != "config.json":
            path.unlink()
    process = run("--resume", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert "No checkpoint yet: training begins." in process.stdout
    assert results(out)[2]["steps"] == 2


def test_it_refuses_a_disk_without_room(tmp_path):
    run = RunFolder(tmp_path / "new" / "run")
    run.check_can_be_written(2**20)
    with pytest.raises(OSError, match=r"`out` must be on a disk with room for .* MiB of checkpoints"):
        run.check_can_be_written(2**60)
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="The superuser may write everywhere.")
def test_it_refuses_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="`out` must be a folder that can be written"):
        RunFolder(tmp_path / "run").check_can_be_written()


@pytest.mark.slow
def test_training_that_only_meets_nan_stops_with_a_checkpoint_and_a_reason(tmp_path):
    """Of a learning rate under which the first steps make everything infinite."""
    out = tmp_path / "run"
    flags = ("--steps_per_epoch=50", "--epochs=2", "--learning_rate=1e30", "--clip_norm=1e30")
    process = run(*FLAGS, *flags, "--max_skipped=5", "--checkpoint_minutes=0", f"--out={out}")
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert "5 batches in a row" in last and "learning rate that is too high" in last
    result = json.loads((out / "results.json").read_text())
    assert result["finished"] is False and result["skipped"] >= 5
