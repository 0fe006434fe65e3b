"""A training that has been stopped, however it was, goes on as if it had not been."""

import random
import time

import numpy as np
import pytest
from train_script import results, run, start

from tfp_realnvp.run_folder import RunFolder

FLAGS = (
    "--preset=tiny",
    "--num_scales=1",
    "--num_residual_blocks=0",
    "--base_filters=4",
    "--batch_size=16",
    "--num_validation=32",
    "--sample_every=1000",
)


def variables(out):
    model = RunFolder(out).model()
    return [np.array(v) for v in (*model.variables, *model.optimizer.variables)]


def assert_same_end(out, other):
    assert (out / "history.csv").read_text() == (other / "history.csv").read_text()
    for a, b in zip(variables(out), variables(other), strict=True):
        np.testing.assert_array_equal(a, b)
    mine, others = results(out)[2], results(other)[2]
    for name in ("bits_per_dim", "steps", "skipped"):
        assert mine[name] == others[name], name


def wait_for_next_checkpoint(out, process):
    """Until the process has saved a checkpoint."""
    state = out / "checkpoints" / "checkpoint"
    before = state.read_text() if state.exists() else None
    while not state.exists() or state.read_text() == before:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.mark.slow
def test_ten_kills(tmp_path):
    """It is killed ten times, three of them at any moment of its life, while it saves after every batch."""
    flags = (*FLAGS, "--steps_per_epoch=60", "--epochs=30", "--use_batch_norm")
    process = run(*flags, f"--out={tmp_path / 'whole'}")
    assert process.returncode == 0, process.stderr
    out, moments = tmp_path / "killed", random.Random(0)
    for i in range(10):
        process = start(*flags, "--checkpoint_minutes=0", "--resume", f"--out={out}")
        if i % 3:
            wait_for_next_checkpoint(out, process)
            time.sleep(moments.uniform(0, 1.5))
        else:
            time.sleep(moments.uniform(2, 12))
        assert process.poll() is None, process.stderr.read()
        process.kill()
        process.communicate()
    process = run(*flags, "--checkpoint_minutes=0", "--resume", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert "Training goes on from" in process.stdout
    assert_same_end(out, tmp_path / "whole")
