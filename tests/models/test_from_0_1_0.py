"""Files of version 0.1.0 give the numbers that they gave then."""

import importlib.util
import pathlib
import shutil

import keras
import numpy as np
import pytest

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.run_folder import RunFolder

FOLDER = pathlib.Path(__file__).parent / "from_0_1_0"

spec = importlib.util.spec_from_file_location("make_files_of_0_1_0", FOLDER / "make.py")
make = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make)


def from_model_file(model, kind, folder):
    return keras.models.load_model(folder / "model.keras")


def from_weights(model, kind, folder):
    model.load_weights(folder / "model.weights.h5")
    return model


def from_checkpoint(model, kind, folder):
    assert Checkpoints(folder / "checkpoints", model, {"kind": kind}).restore() == Progress(2, 0, 6)
    return model


@pytest.mark.parametrize("load", [from_model_file, from_weights, from_checkpoint])
@pytest.mark.parametrize("kind", make.KINDS)
def test_models_and_optimizers(kind, load, tmp_path):
    folder = shutil.copytree(FOLDER / kind, tmp_path / kind)
    model, (x, condition) = make.made(kind)
    model = load(model, kind, folder)
    with np.load(folder / "expected.npz") as expected:
        for name, events in {"predicted": x, "of_floats": x + np.float32(0.5)}.items():
            shown = events if condition is None else (events, condition)
            np.testing.assert_allclose(
                model.predict(shown, verbose=0), expected[name], rtol=1e-5, err_msg=name
            )
        weights = [name for name in expected if name.startswith("weights")]
        assert len(weights) == len(model.variables)
        for name, v in zip(weights, model.variables, strict=True):
            np.testing.assert_array_equal(v, expected[name], err_msg=name)
        assert model.optimizer.skipped == expected["skipped"] == 1
        assert model.optimizer.iterations == expected["iterations"] == 6
        moments = [name for name in expected if name.startswith("optimizer")]
        for name, v in zip(moments, model.optimizer.variables, strict=True):
            np.testing.assert_array_equal(v, expected[name], err_msg=name)


def test_a_run():
    run = RunFolder(FOLDER / "run")
    config = run.configuration()
    images, model = config.images(), run.model()
    test = data.evaluation_batches(images, config.batch_size, config.conditional)
    bits = rnvp.bits_per_dim(model.predict(test, verbose=0), config.event_shape)
    assert bits.mean() == pytest.approx(run.results()["bits_per_dim"], rel=1e-6)
    fresh = config.build()
    checkpoints = Checkpoints(run.checkpoints_path, fresh, config.without_lengths())
    assert checkpoints.restore().batches == 4
