"""No file that a user passes runs code."""

import os
import pickle

import keras
import numpy as np
import pytest

from tfp_realnvp import data
from tfp_realnvp.training.run_folder import RunFolder


class MakesFolder:
    """Makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def array(path, content):
    np.save(path, np.array([content] * 20, object), allow_pickle=True)


def arrays(path, content):
    np.savez(path, x=np.array([content] * 20, object), allow_pickle=True)


def classes(path, content):
    np.savez(path, x=np.ones((20, 4, 4), int), y=np.array([content] * 20, object), allow_pickle=True)


def bare_pickle(path, content):
    path.write_bytes(pickle.dumps(content))


def unsafely(path):
    """Loads the pickles in a file."""
    if not path.read_bytes().startswith((b"\x93NUMPY", b"PK")):
        return pickle.loads(path.read_bytes())
    content = np.load(path, allow_pickle=True)
    if isinstance(content, np.ndarray):
        return content
    with content:
        return dict(content)


@pytest.mark.parametrize(
    "write, name",
    [(array, "x.npy"), (arrays, "x.npz"), (classes, "x.npz"), (bare_pickle, "x.npy"), (bare_pickle, "x.npz")],
)
def test_no_pickle_is_loaded(write, name, tmp_path):
    made = tmp_path / "made"
    write(tmp_path / name, MakesFolder(str(made)))
    with pytest.raises(ValueError, match=name):
        data.load("array", str(tmp_path / name))
    assert not made.exists()
    unsafely(tmp_path / name)
    assert made.exists()  # It does run where pickles are loaded.


def test_no_bytecode_is_loaded(tmp_path):
    made = tmp_path / "made"
    run = RunFolder(tmp_path)
    name = str(made)
    layer = keras.layers.Lambda(lambda x: (__import__("os").makedirs(name, exist_ok=True), x)[1])
    keras.Sequential([keras.Input((2,)), layer]).save(run.model_path)
    made.rmdir()
    with pytest.raises(ValueError, match="lambda"):
        run.model()
    assert not made.exists()
    keras.models.load_model(run.model_path, safe_mode=False)
    assert made.exists()  # It does run where it is loaded.
