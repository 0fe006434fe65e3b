"""Two devices that share each batch train as one does."""

import subprocess
import sys

import numpy as np
import pytest
from places import SUPPORT

pytestmark = pytest.mark.slow


KINDS = (
    "vector_plain_skip",
    "vector_synchronized_fused",
    "vector_synchronized_skip_fused",
    "image_plain_integer",
    "image_synchronized_integer",
    "image_integer",
)


def names(results, start):
    return [name for name in results if name.startswith(start)]


def test_losses_weights_and_statistics(tmp_path):
    """One test, so that one worker trains them; the two processes run side by side."""
    command = [sys.executable, str(SUPPORT / "two_replicas.py")]
    processes = [
        subprocess.Popen([*command, devices, str(tmp_path), *KINDS], stderr=subprocess.PIPE, text=True)
        for devices in "12"
    ]
    for process in processes:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
    for kind in KINDS:
        with np.load(tmp_path / f"{kind}_1.npz") as one, np.load(tmp_path / f"{kind}_2.npz") as two:
            check = another_training if kind == KINDS[-1] else the_same_training
            check(dict(one), dict(two), kind)


def the_same_training(one, two, kind):
    """Dequantised or not, with synchronised batch norm or none, with a batch left out, with all of Adam."""
    assert names(one, "history")
    for name in names(one, "history"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6, err_msg=f"{kind}: {name}")
    for name in names(one, "weights") + names(one, "optimizer"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-6, err_msg=f"{kind}: {name}")
    assert two["skipped"] == one["skipped"] == (3 if "skip" in kind else 0)


def another_training(one, two, kind):
    """Each device normalises by its own part of the batch; moving statistics are equal on all."""
    for name in names(two, "replica_0"):
        np.testing.assert_array_equal(two[name], two[name.replace("replica_0", "replica_1")])
    assert np.all(two["history_loss"] != one["history_loss"])
    np.testing.assert_allclose(two["history_loss"], one["history_loss"], rtol=0.01)
