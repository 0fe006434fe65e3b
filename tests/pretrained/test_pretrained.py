"""The models that come with the package, and how they are made of a training run."""

import re
import shutil

import keras
import numpy as np
import pytest
from places import TFDS
from run_example import run_example

import tfp_realnvp as rnvp
from tfp_realnvp import data, pretrained
from tfp_realnvp.training.run_folder import RunFolder

DATA = {"cifar10_small": str(TFDS), "digits": None}


def run_of(name):
    return RunFolder(pretrained.model_path(name).parent)


@pytest.fixture(scope="module", params=[pytest.param("cifar10_small", marks=pytest.mark.slow), "digits"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return rnvp.FlowModel.from_pretrained(name)


def conditions(name, n):
    return np.eye(10, dtype=np.float32)[np.arange(n)] if name == "digits" else None


def test_names():
    assert pretrained.names() == sorted(DATA)
    sizes = {name: pretrained.model_path(name).stat().st_size for name in DATA}
    assert sizes["digits"] < 1e6 and sum(sizes.values()) < 1e7


def test_it_draws_and_inverts(name, model):
    samples = model.sample(4, seed=0, conditional_input=conditions(name, 4))
    z = model.distribution.distribution.sample(4, seed=(0, 0))
    np.testing.assert_allclose(model.encode(samples, conditions(name, 4)), z, atol=1e-2)
    assert 0.15 < np.std(samples) / run_of(name).configuration().num_levels < 0.4


def test_it_computes_in_float32_and_has_no_optimizer_but_a_new_one(name, model):
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32"}
    assert model.optimizer.iterations == 0


def test_its_bits_per_dim(name, model):
    if name == "cifar10_small" and not TFDS.exists():
        pytest.skip(f"CIFAR-10 is not at {TFDS}")
    config = run_of(name).configuration()
    images = config.images(DATA[name])
    batches = data.evaluation_batches(images, 64, config.conditional, num_images=256)
    bits = rnvp.bits_per_dim(model.predict(batches, verbose=0), config.event_shape)
    # The mean of the whole split, within three standard errors of the mean of 256 images.
    expected = run_of(name).results()["evaluation"]["test"]["bits_per_dim"]["mean"]
    assert bits.mean() == pytest.approx(expected, abs=float(3 * bits.std() / 16))


def test_it_can_be_trained_on_and_saved(tmp_path):
    model, other = (rnvp.FlowModel.from_pretrained("digits") for _ in range(2))
    other.run_eagerly = True
    other.fit(np.zeros((2, 8, 8, 1), np.uint8), conditions("digits", 2), epochs=1, verbose=0)
    weights = other.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(weights, model.get_weights(), strict=True))
    other.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras").get_weights()
    assert all(map(np.array_equal, again, weights))


@pytest.mark.parametrize("name", sorted(DATA))
def test_its_card_has_the_figures_that_were_measured(name):
    card = (run_of(name).path / "README.md").read_text()
    measured = run_of(name).results()["evaluation"]
    for split in ("test", "train"):
        for kind in ("bits_per_dim", "importance_weighted"):
            estimate = measured[split][kind]
            assert f"{estimate['mean']:.3f} ± {estimate['standard_error']:.3f}" in card
    for section in ("Data", "Configuration", "Training", "Licence", "Limits"):
        assert f"\n## {section}\n" in card


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_a_kernel_beyond_float16_is_refused(tmp_path):
    other = RunFolder(tmp_path / "run")
    shutil.copytree(run_of("digits").path, other.path)
    model = other.model()
    kernel = next(v for v in model.weights if len(v.shape) > 1)
    kernel.assign(np.full(kernel.shape, 1e5))
    model.save(other.model_path)
    reason = "ValueError: `run` must have kernels of at most 65504, float16's largest"
    with pytest.raises(SystemExit, match=reason):
        run_example("make_pretrained.py", f"--run={other.path}", f"--out={tmp_path / 'out'}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_run_becomes_a_smaller_model(tmp_path):
    small = ("--num_scales=1", "--num_residual_blocks=1", "--base_filters=4", "--steps_per_epoch=3")
    run_example("train_cifar.py", "--preset=tiny", *small, "--epochs=1", f"--out={tmp_path / 'run'}")
    flags = (f"--run={tmp_path / 'run'}", f"--out={tmp_path / 'out'}", "--num_images=64")
    printed = run_example("make_pretrained.py", *flags)
    cost = re.search(r"([\d.]+) bits/dim, ([+-][\d.]+) for float16 kernels \(64 test images\)", printed)
    assert abs(float(cost[2])) < 0.005
    trained, made = (RunFolder(tmp_path / name) for name in ("run", "out"))
    assert (made.history(), made.results()) == (trained.history(), trained.results())
    assert made.model_path.stat().st_size < 0.4 * trained.model_path.stat().st_size
    for a, b in zip(trained.model().get_weights(), made.model().get_weights(), strict=True):
        expected = a
        if expected.ndim > 1:
            expected = expected.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(b, expected)
    begin = (f"--out={tmp_path / 'next'}", f"--init_from={made.model_path}")
    run_example("train_cifar.py", "--preset=tiny", *small, "--epochs=1", *begin)
    first, second = (RunFolder(tmp_path / name).history()["loss"] for name in ("run", "next"))
    assert second[0] < first[0]
