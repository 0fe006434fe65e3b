"""The main job, by its command line: what it writes, and that it goes on where it stopped."""

import json

import keras
import numpy as np
import pytest
from run_example import run_example
from train_script import assert_same_end, results

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis.evaluation import inversion_error
from tfp_realnvp.training.checkpoints import Progress
from tfp_realnvp.training.configuration import Configuration
from tfp_realnvp.training.presets import PRESETS
from tfp_realnvp.training.run import reports, training_batches
from tfp_realnvp.training.run_folder import RunFolder

SMALL = (
    "--num_scales=1",
    "--num_residual_blocks=0",
    "--base_filters=4",
    "--steps_per_epoch=3",
    "--batch_size=16",
)
DIGITS = (
    "--preset=tiny",
    *SMALL,
    "--recompute",
    "--epochs=2",
    "--num_validation=32",
    "--checkpoint_minutes=0",
)


def train(*flags):
    return run_example("train_cifar.py", "--verbosity=-1", *flags)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nothing has stopped."""
    out = tmp_path_factory.mktemp("whole")
    train(*DIGITS, f"--out={out}")
    return out


def test_digits(whole):
    config, rows, result = results(whole)
    assert config["recompute"] is True
    assert (config["dataset"], config["base_filters"], config["conditional"]) == ("digits", 4, True)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert list(rows[0]) == ["epoch", "loss", "bits_per_dim", "val_bits_per_dim"]
    assert 2 < result["bits_per_dim"] < 9
    assert 0 < result["bits_per_dim_standard_error"] < 1
    assert (result["num_test_images"], result["steps"]) == (360, 6)
    assert (result["finished"], result["skipped"]) == (True, 0)
    assert len(list((whole / "checkpoints").glob("ckpt-*.index"))) == 3
    assert any((whole / "tensorboard").rglob("events*"))
    grid = keras.utils.img_to_array(keras.utils.load_img(whole / "samples.png"))
    assert grid.shape[1] >= 600
    assert np.unique(grid).size > 3
    model = keras.models.load_model(whole / "model.keras")
    conditions = np.eye(10, dtype=np.float32)[:2]
    assert model.distribution.sample(2, bijector_kwargs=kwargs_of(model, conditions)).shape == (2, 8, 8, 1)


def kwargs_of(model, conditions):
    return rnvp.bijector_kwargs(model.distribution.bijector, conditional_input=conditions)


def test_a_run_that_was_stopped_ends_as_one_that_was_not(whole, tmp_path):
    """Also where it ended early, with a model, after its first batch; but no other run may go on there."""
    train(*DIGITS, "--max_minutes=0", f"--out={tmp_path}")
    assert results(tmp_path)[2]["steps"] == 1 and (tmp_path / "model.keras").exists()
    with pytest.raises(SystemExit, match=r"learning_rate 0\.1 for 0\.002"):
        train(f"--out={tmp_path}", "--resume", "--learning_rate=0.1")
    printed = train(f"--out={tmp_path}", "--resume", "--checkpoint_minutes=5")
    assert "Training goes on from Progress(epoch=0, step=1, batches=1" in printed
    assert_same_end(tmp_path, whole)


def test_what_a_run_begins_with(whole, tmp_path, monkeypatch):
    """Flags of 0 count, the seed is that of the weights, and a checkpoint goes before `--init_from`."""
    seeds, built = [], []

    def build(self, weights=None):
        built.append((self, weights))
        raise ValueError("enough")

    monkeypatch.setattr(keras.utils, "set_random_seed", seeds.append)
    monkeypatch.setattr(Configuration, "build", build)
    path = str(tmp_path / "old.keras")
    given = ("--preset=tiny", "--ema_momentum=0", "--l2=0", "--seed=7", f"--init_from={path}")
    with pytest.raises(SystemExit, match="enough"):
        train(*given, f"--out={tmp_path / 'new'}")
    ((config, weights),) = built
    assert (config.ema_momentum, config.l2, config.seed, config.init_from, weights) == (0, 0, 7, path, path)
    assert seeds == [7]
    record = json.loads((whole / "config.json").read_text())
    for name, expected in (("checkpoints", None), ("none", path)):
        (tmp_path / name / "checkpoints").mkdir(parents=True)
        (tmp_path / name / "config.json").write_text(json.dumps({**record, "init_from": path}))
        if expected is None:
            (tmp_path / name / "checkpoints" / "ckpt-1.index").write_text("")
        with pytest.raises(SystemExit, match="enough"):
            train("--resume", f"--out={tmp_path / name}")
        assert built[-1][1] == expected


def test_batches_and_best_weights_of_a_run_that_goes_on(whole):
    run, progress = RunFolder(whole), Progress(epoch=2, step=1, batches=7)
    config = run.configuration()
    images, lowest = config.images(), min(run.history()["val_bits_per_dim"])
    first, later = (training_batches(config, images, p).as_numpy_iterator() for p in (None, progress))
    best = reports(config, images, run, progress)[1]
    for _ in range(7):
        next(first)
    np.testing.assert_array_equal(next(later)[0], next(first)[0])
    assert best.best == lowest


def test_an_evaluation_of_runs_that_differ_in_their_seed(whole, tmp_path):
    record, model = json.loads((whole / "config.json").read_text()), RunFolder(whole).model()
    runs = [RunFolder(tmp_path / str(seed)) for seed in (0, 1)]
    for seed, run in enumerate(runs):
        run.path.mkdir()
        run.config_path.write_text(json.dumps({**record, "seed": seed}))
        for v in model.trainable_variables:
            v.assign_add(0.1 * seed * np.ones(v.shape))
        model.save(run.model_path)
    options = {"conditional": True, "num_images": 6, "batch_size": 6}
    run_example(
        "evaluate.py", *(f"--run={run.path}" for run in runs), "--num_draws=2", "--num_images=6", "--seed=3"
    )
    kept = [run.results() for run in runs]
    means = [k["evaluation"]["test"]["bits_per_dim"]["mean"] for k in kept]
    of_both = kept[0]["over_runs"]
    assert of_both == kept[1]["over_runs"] and of_both["runs"] == 2
    assert of_both["test"]["bits_per_dim"] == pytest.approx(
        {"mean": np.mean(means), "standard_error": abs(means[0] - means[1]) / 2}
    )
    errors = [k["evaluation"]["inversion_error"] for k in kept]
    assert of_both["inversion_error"] == max(errors) and errors[0] != errors[1]
    noisy = data.evaluation_batches(runs[1].configuration().images(), noise_seed=3, **options)
    assert errors[1] == inversion_error(model, noisy)


@pytest.mark.slow
def test_an_array_as_the_flags_say(tmp_path):
    """Without a preset, of five channels; `--recalibration_steps` changes nothing but moving statistics."""
    np.save(
        tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, size=(60, 6, 6, 5)).astype(np.uint8)
    )
    flags = (f"--data_dir={tmp_path / 'x.npy'}", *SMALL, "--epochs=1", "--dtype_policy=mixed_bfloat16")
    bits, losses = [], []
    for steps in (0, 2):
        out = tmp_path / f"run_{steps}"
        train("--dataset=array", *flags, f"--recalibration_steps={steps}", f"--out={out}")
        config, rows, result = results(out)
        assert config["event_shape"] == [6, 6, 5]
        assert (out / "samples" / "epoch_0001.png").exists() and (out / "samples.png").exists()
        bits.append(result["bits_per_dim"])
        losses.append(rows[0]["loss"])
    assert losses[0] == losses[1]
    assert abs(bits[0] - bits[1]) > 0.001
    model = keras.models.load_model(out / "model.keras")
    images = np.load(tmp_path / "x.npy")[np.random.default_rng(0).permutation(60)[:6]]
    saved = rnvp.bits_per_dim(model.predict(images, verbose=0), (6, 6, 5))
    np.testing.assert_allclose(saved.mean(), bits[1], rtol=1e-5)


@pytest.mark.slow
def test_averages_are_kept_where_training_ends_early(tmp_path):
    """What is saved and evaluated has the averages that the last validation had."""
    flags = ("--preset=tiny", *SMALL, "--epochs=500", "--max_minutes=0.03", "--learning_rate=0.02")
    train(*flags, f"--out={tmp_path}")
    _, rows, result = results(tmp_path)
    assert result["steps"] < 1500
    assert result["bits_per_dim"] == pytest.approx(float(rows[-1]["val_bits_per_dim"]), rel=1e-5)


def test_the_papers_preset():
    preset = PRESETS["cifar10"]
    assert (preset.num_scales, preset.num_residual_blocks, preset.base_filters) == (2, 8, 64)
    assert (preset.batch_size, preset.flip, preset.l2, preset.learning_rate) == (64, True, 5e-5, 1e-3)
