"""The main job, by its command line."""

import keras
import numpy as np
import pytest
from train_script import results, run

import tfp_realnvp as rnvp
from tfp_realnvp.presets import PRESETS

SMALL = (
    "--num_scales=1",
    "--num_residual_blocks=0",
    "--base_filters=4",
    "--steps_per_epoch=3",
    "--batch_size=16",
)


def test_digits(tmp_path):
    out = tmp_path / "run"
    process = run("--preset=tiny", *SMALL, "--recompute", "--epochs=2", "--num_validation=32", f"--out={out}")
    assert process.returncode == 0, process.stderr
    assert "functional_saver" not in process.stdout + process.stderr
    config, rows, result = results(out)
    assert config["recompute"] is True
    assert (config["dataset"], config["base_filters"], config["conditional"]) == ("digits", 4, True)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert list(rows[0]) == ["epoch", "loss", "bits_per_dim", "val_bits_per_dim"]
    assert 2 < result["bits_per_dim"] < 9
    assert 0 < result["bits_per_dim_standard_error"] < 1
    assert (result["num_test_images"], result["steps"]) == (360, 6)
    assert (result["finished"], result["skipped"]) == (True, 0)
    assert len(list((out / "checkpoints").glob("ckpt-*.index"))) == 2
    assert any((out / "tensorboard").rglob("events*"))
    grid = keras.utils.img_to_array(keras.utils.load_img(out / "samples.png"))
    assert grid.shape[1] >= 600
    assert np.unique(grid).size > 3
    model = keras.models.load_model(out / "model.keras")
    assert model.sample(2, conditional_input=np.eye(10, dtype=np.float32)[:2]).shape == (2, 8, 8, 1)


@pytest.mark.slow
def test_array_without_preset(tmp_path):
    np.save(
        tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, size=(60, 6, 6, 3)).astype(np.uint8)
    )
    flags = (f"--data_dir={tmp_path / 'x.npy'}", *SMALL, "--epochs=1", "--dtype_policy=mixed_bfloat16")
    bits, losses = [], []
    for steps in (0, 2):  # The same training; other moving statistics.
        out = tmp_path / f"run_{steps}"
        process = run("--dataset=array", *flags, f"--recalibration_steps={steps}", f"--out={out}")
        assert process.returncode == 0, process.stderr
        config, rows, result = results(out)
        assert config["event_shape"] == [6, 6, 3]
        bits.append(result["bits_per_dim"])
        losses.append(rows[0]["loss"])
    assert losses[0] == losses[1]
    assert abs(bits[0] - bits[1]) > 0.001
    model = keras.models.load_model(out / "model.keras")
    images = np.load(tmp_path / "x.npy")[np.random.default_rng(0).permutation(60)[:6]]
    saved = rnvp.bits_per_dim(model.predict(images, verbose=0), (6, 6, 3))
    np.testing.assert_allclose(saved.mean(), bits[1], rtol=1e-5)


@pytest.mark.slow
def test_averages_are_kept_where_training_ends_early(tmp_path):
    """What is saved and evaluated has the averages that the last validation had."""
    flags = ("--preset=tiny", *SMALL, "--epochs=500", "--max_minutes=0.03", "--learning_rate=0.02")
    process = run(*flags, f"--out={tmp_path}")
    assert process.returncode == 0, process.stderr
    _, rows, result = results(tmp_path)
    assert result["steps"] < 1500
    assert result["bits_per_dim"] == pytest.approx(float(rows[-1]["val_bits_per_dim"]), rel=1e-5)


def test_the_papers_preset():
    preset = PRESETS["cifar10"]
    assert (preset.num_scales, preset.num_residual_blocks, preset.base_filters) == (2, 8, 64)
    assert (preset.batch_size, preset.flip, preset.l2, preset.learning_rate) == (64, True, 5e-5, 1e-3)
