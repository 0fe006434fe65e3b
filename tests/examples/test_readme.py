"""The code in the README runs as it stands there."""

import json
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

ROOT = pathlib.Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    command
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for command in block.strip().split(" && ")
]
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(
    "block",
    [pytest.param(block, marks=[pytest.mark.slow] if i else [], id=str(i)) for i, block in enumerate(BLOCKS)],
)
def test_code_block(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos").mkdir()  # The reader's own.
    for i in range(80):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"photos/{i}.png")
    exec(compile(block, "README.md", "exec"), {})


def test_there_are_code_blocks():
    assert len(BLOCKS) == 4
    installs = ['pip install ".[examples]"', 'pip install ".[test]"']
    assert [command for command in COMMANDS if "examples/" not in command] == [*installs, "python -m pytest"]


def test_it_is_read_in_minutes():
    """At most 700 words, without code, tables and where links lead."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    prose = "\n".join(line for line in prose.splitlines() if not line.startswith("|"))
    assert len(re.sub(r"\]\([^)]*\)", "]", prose).split()) <= 700


@pytest.mark.slow
def test_commands(tmp_path):
    """But for those that install, and that run the tests."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    path = f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"
    for command in COMMANDS:
        if "examples/" in command:
            process = subprocess.run(
                command,
                shell=True,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
            )
            assert process.returncode == 0, process.stderr
    run = tmp_path / "runs" / "digits"
    for name in ("samples.png", "history.csv", "model.keras", "table.md", "figures/manifold.png"):
        assert (run / name).stat().st_size > 0
    results = json.loads((run / "results.json").read_text())
    assert results["bits_per_dim"] < 2.2
    assert results["evaluation"]["test"]["bits_per_dim"]["mean"] == pytest.approx(
        results["bits_per_dim"], abs=0.05
    )
