"""The code in the README runs as it stands there."""

import pathlib
import re

import numpy as np
import pytest
from PIL import Image

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_code_block(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("photos").mkdir()  # The reader's own.
    for i in range(80):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 20, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(f"photos/{i}.png")
    exec(compile(block, "README.md", "exec"), {})


def test_there_are_code_blocks():
    assert len(BLOCKS) >= 3
