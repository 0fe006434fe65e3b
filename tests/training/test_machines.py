"""Two processes train together through the main job, over the loopback device."""

import json
import socket
import time

import pytest
from test_resume import FLAGS, wait_for_next_checkpoint
from train_script import results, run, start

pytestmark = pytest.mark.slow
LENGTH = ("--use_batch_norm", "--synchronized", "--steps_per_epoch=8")


def free_addresses(n):
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def start_both(*flags):
    """The processes of two workers, the first of them the chief."""
    workers = free_addresses(2)
    return [
        start(
            *FLAGS,
            *LENGTH,
            *flags,
            TF_CONFIG=json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": i}}),
            CUDA_VISIBLE_DEVICES="-1",
        )
        for i in range(2)
    ]


def test_two_machines_train_as_one_does(tmp_path):
    processes = start_both("--epochs=3", f"--out={tmp_path / 'two'}")
    outputs = [process.communicate() for process in processes]
    for process, (_, stderr) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, stderr
    process = run(*FLAGS, *LENGTH, "--epochs=3", f"--out={tmp_path / 'one'}")
    assert process.returncode == 0, process.stderr
    (_, two, bits), (_, one, others) = results(tmp_path / "two"), results(tmp_path / "one")
    assert [row["epoch"] for row in two] == ["0", "1", "2"]
    for a, b in zip(two, one, strict=True):
        for name in ("loss", "bits_per_dim", "val_bits_per_dim"):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-4)
    assert bits["bits_per_dim"] == pytest.approx(others["bits_per_dim"], rel=1e-4)
    assert bits["steps"] == 24
    names = [sorted(p.name for p in (tmp_path / out).iterdir()) for out in ("two", "one")]
    assert names[0] == names[1]


@pytest.mark.parametrize("killed", [0, 1])
def test_the_others_stop_where_one_is_killed(killed, tmp_path):
    out = tmp_path / "killed"
    flags = ("--epochs=3", "--steps_per_epoch=20", "--checkpoint_minutes=0.01")
    processes = start_both(*flags, f"--out={out}")
    wait_for_next_checkpoint(out, processes[0])
    processes[killed].kill()
    processes[killed].communicate()
    begin = time.monotonic()
    _, stderr = processes[1 - killed].communicate(timeout=60)
    assert time.monotonic() - begin < 60
    assert processes[1 - killed].returncode != 0
    said = [line for line in stderr.splitlines() if line.startswith("Another machine has stopped")]
    assert len(said) == 1 and "--resume" in said[0]
    processes = start_both(*flags, "--resume", f"--out={out}")
    outputs = [process.communicate() for process in processes]
    for process, (_, stderr) in zip(processes, outputs, strict=True):
        assert process.returncode == 0, stderr
    assert "Training goes on from" in outputs[0][0]
    _, rows, result = results(out)
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert result["steps"] == 60
