"""Two devices that share each batch train as one does."""

import subprocess
import sys

import numpy as np
import pytest
from places import SUPPORT

pytestmark = pytest.mark.slow


KINDS = (
    "vector_synchronized_skip",
    "vector_synchronized_fused",
    "vector_synchronized_skip_fused",
    "image_plain_integer",
    "image_synchronized_integer",
    "image_integer",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """What comes of a kind on one device, and on two."""
    folder = tmp_path_factory.mktemp("trained")
    for devices in ("1", "2"):
        command = [sys.executable, str(SUPPORT / "two_replicas.py"), devices, str(folder), *KINDS]
        process = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr

    def load(kind):
        for devices in (1, 2):
            with np.load(folder / f"{kind}_{devices}.npz") as results:
                yield dict(results)

    return load


def names(results, start):
    return [name for name in results if name.startswith(start)]


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_losses_and_weights_are_those_of_one_device(kind, trained):
    """Dequantised or not, with synchronised batch norm or none, with a batch left out, with all of Adam."""
    one, two = trained(kind)
    assert names(one, "history")
    for name in names(one, "history"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-6, err_msg=name)
    for name in names(one, "weights") + names(one, "optimizer"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert two["skipped"] == one["skipped"] == (3 if "skip" in kind else 0)


def test_moving_statistics_are_equal_on_all_devices(trained):
    """Also where each device normalises by its own part of the batch, which is another flow's training."""
    one, two = trained("image_integer")
    assert names(two, "replica_0")
    for name in names(two, "replica_0"):
        np.testing.assert_array_equal(two[name], two[name.replace("replica_0", "replica_1")])
    assert np.all(two["history_loss"] != one["history_loss"])
    np.testing.assert_allclose(two["history_loss"], one["history_loss"], rtol=0.01)
