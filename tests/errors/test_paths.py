"""Names of files and folders are taken as they are, not as patterns."""

import keras
import numpy as np
import pytest
from tiny_models import KINDS, assert_equal, values

from tfp_realnvp import data
from tfp_realnvp.analysis.image_grid import save_image_grid
from tfp_realnvp.training import callbacks
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.run_folder import RunFolder

NAMES = ["seed[1]", "*best? {lr}=\\{0.1}"]


@pytest.fixture(scope="module")
def model():
    return KINDS["vector"].model()


@pytest.mark.parametrize("name", NAMES)
def test_checkpoints_of_one_run_alone_are_found_and_removed(tmp_path, model, name):
    other = Checkpoints(tmp_path / {NAMES[0]: "seed1"}.get(name, "the best! {lr}={0.1}"), model, {})
    other.save(Progress(epoch=1))
    saved = Checkpoints(tmp_path / name, model, {}, keep=1)
    for epoch in (1, 2):
        saved.save(Progress(epoch))
    assert [path.name for path in (tmp_path / name).glob("*.index")] == ["ckpt-2.index"]
    weights = values(model.variables)
    model.variables[0].assign_add(np.ones(model.variables[0].shape))
    assert Checkpoints(tmp_path / name, model, {}).restore() == Progress(2)
    assert_equal(values(model.variables), weights)
    assert other.restore() == Progress(1)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_a_run_writes_and_reads(tmp_path, model, name):
    run = RunFolder(tmp_path / name)
    run.path.mkdir()
    best = callbacks.BestWeights(run.best_path)
    tensorboard = keras.callbacks.TensorBoard(run.tensorboard_path)
    best.set_model(model)
    tensorboard.set_model(model)
    best.on_epoch_begin(0)
    best.on_test_end({"bits_per_dim": 1.0})
    tensorboard.on_epoch_end(0, {"loss": 1.0})
    tensorboard.on_train_end()
    model.save(run.model_path)
    run.add_results(loss=1.0)
    run.samples_path.mkdir()
    save_image_grid(run.samples_path / "epoch_0001.png", np.zeros((1, 1, 4, 4, 1)), 16)
    names = {path.name for path in run.path.iterdir()}
    assert names == {"best.weights.h5", "tensorboard", "model.keras", "results.json", "samples"}
    assert list(run.tensorboard_path.rglob("events*"))
    weights = values(model.variables)
    for path in (run.best_path, run.model_path):
        model.variables[0].assign_add(np.ones(model.variables[0].shape))
        model.load_weights(path)  # As `--init_from` does.
        assert_equal(values(model.variables), weights)
    assert_equal(values(run.model().variables), weights)


@pytest.mark.parametrize("name", NAMES)
def test_data_of_a_folder(tmp_path, name):
    folder = tmp_path / name
    for class_, red in (("a[1]", 10), ("*", 20)):
        (folder / class_).mkdir(parents=True)
        for i in range(2):
            image = np.full((4, 4, 3), [red, 0, 0], np.uint8)
            keras.utils.save_img(folder / class_ / f"{i}[0].png", image, scale=False)
    images = data.load("folder", folder)
    assert (images.num_train, images.num_test, images.num_classes) == (3, 1, 2)
    for image, label in images.train:
        assert image[0, 0, 0] == (20, 10)[int(label)]
    np.savez(folder / "images[0].npz", x=np.zeros((4, 2, 2), np.uint8))
    assert data.load("array", folder / "images[0].npz").num_train == 3
