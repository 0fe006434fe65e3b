"""Files of version 0.1.0 give the numbers that they gave then."""

import importlib.util
import inspect
import pathlib
import shutil

import keras
import numpy as np
import pytest

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.flows.arguments import IMAGES, VECTORS
from tfp_realnvp.models.saving.serialization import deserialize, serialize
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


def of_0_1_0(config):
    """A description as version 0.1.0 wrote it: without arguments that are the default."""
    defaults = inspect.signature(getattr(rnvp, config["class"]).__init__).parameters
    kept = {k: v for k, v in config["parameters"].items() if k not in defaults or v != defaults[k].default}
    required = {k: v for k, v in kept.items() if k in ("event_shape", "mask", "conditioner")}
    return {**config, "parameters": required}


@pytest.mark.parametrize("written_by", [of_0_1_0, lambda config: config], ids=["0.1.0", "now"])
def test_a_default_that_changes_does_not_change_files(written_by, monkeypatch):
    norm, flow = (written_by(serialize(b)) for b in (rnvp.BatchNormalization((2,)), rnvp.RealNVP((3,))))
    image = written_by(serialize(rnvp.RealNVP((2, 2, 1), num_residual_blocks=0, base_filters=2)))
    init = rnvp.BatchNormalization.__init__
    monkeypatch.setattr(init, "__defaults__", tuple(0.5 if d == 0.9 else d for d in init.__defaults__))
    monkeypatch.setitem(VECTORS, "num_couplings", 3)
    monkeypatch.setitem(IMAGES, "base_filters", 5)
    assert rnvp.BatchNormalization((2,)).momentum == 0.5
    assert deserialize(norm).momentum == 0.9
    assert deserialize(flow).parameters["num_couplings"] == 8
    assert len(deserialize(flow).bijectors) == 16
    assert deserialize(image).parameters["base_filters"] == (32 if written_by is of_0_1_0 else 2)


def test_what_this_version_does_not_know_is_named():
    config = serialize(rnvp.Chain([rnvp.Squeeze()]))
    squeeze = config["parameters"]["bijectors"]["items"][0]
    place = r"`distribution.bijectors\[0\]`"
    squeeze["parameters"]["factor"] = 3
    with pytest.raises(ValueError, match=rf"{place} has arguments that `Squeeze` does not take.*'factor'"):
        deserialize(config)
    squeeze["class"] = "Unsqueeze"
    with pytest.raises(ValueError, match=rf"{place} is a `Unsqueeze` of tfp_realnvp, which there is not"):
        deserialize(config)
