"""Where training writes."""

import os
import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).parents[1]
SETTINGS = {".keras/keras.json", ".cache/matplotlib"}
"""What Keras and Matplotlib write to the home folder when they are first imported there."""


def files(folder):
    """Names and contents of what is below a folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_training_writes_to_out_only(tmp_path):
    """Of its own, a run writes to `--out`; the images it is given stay as they are."""
    here, home, temporary = (tmp_path / name for name in ("here", "home", "temporary"))
    for folder in (here / "images", home, temporary):
        folder.mkdir(parents=True)
    for i in range(20):
        pixels = np.random.default_rng(i).integers(0, 256, (4, 4, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(here / "images" / f"{i}.png")
    (here / "images" / "bad.png").write_bytes(b"")
    before = files(here)
    overridden = ("KERAS_HOME", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    process = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "train_cifar.py"),
            *("--dataset=folder", "--data_dir=images", "--out=out"),
            *("--num_scales=1", "--num_residual_blocks=0", "--base_filters=2"),
            *("--batch_size=8", "--epochs=1"),
        ],
        cwd=here,
        env={name: value for name, value in os.environ.items() if name not in overridden}
        | {
            "HOME": str(home),
            "TMPDIR": str(temporary),
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        },
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
    assert "skipped: 1 cannot be read as an image ('bad.png')." in process.stderr
    after = files(here)
    written = {name for name in after if name.startswith("out/")}
    assert {"out/config.json", "out/model.keras", "out/results.json"} <= written
    assert {name: after[name] for name in after.keys() - written} == before
    assert not files(temporary)
    assert not [name for name in files(home) if not name.startswith(tuple(SETTINGS))]
