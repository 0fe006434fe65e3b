"""The presets: the paper's facts, the sizes of their models, and a training step of each."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from mock_images import mocked
from places import TFDS

from tfp_realnvp import data
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.configuration import Configuration, Preset
from tfp_realnvp.training.presets import PAPER, PRESETS
from tfp_realnvp.training.run_folder import RunFolder

SIDE_64 = ("celeba", "imagenet64", "lsun_bedroom", "lsun_church_outdoor", "lsun_tower")


def empty_images(preset):
    """Images of the true shape, without any."""
    side = 64 if preset.dataset in SIDE_64 else 32
    nothing = tf.data.Dataset.range(0)
    return data.ImageData(nothing, nothing, (side, side, 3), num_classes=10)


def test_the_papers_values():
    assert {name: PAPER[name].paper_bits_per_dim for name in PAPER} == {
        "cifar10": 3.49,
        "imagenet32": 4.28,
        "imagenet64": 3.98,
        "lsun_bedroom": 2.72,
        "lsun_tower": 2.81,
        "lsun_church_outdoor": 3.08,
        "celeba": 3.02,
    }
    for name, preset in PAPER.items():
        blocks, filters = {"cifar10": (8, 64), "imagenet32": (4, 32)}.get(name, (2, 32))
        assert (preset.num_residual_blocks, preset.base_filters) == (blocks, filters)
        assert preset.flip == (not name.startswith("imagenet"))
        assert (preset.dataset, preset.batch_size, preset.l2, preset.learning_rate) == (name, 64, 5e-5, 1e-3)
        assert preset.clip_norm == 100 and preset.use_batch_norm and not preset.conditional
        small = PRESETS[f"{name}_small"]
        assert (small.num_residual_blocks, small.base_filters) == (blocks // 2, filters // 2)
        assert small.paper_bits_per_dim == preset.paper_bits_per_dim
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESETS["cifar10"].base_filters = 3


# Weights of scales: 2 for CIFAR-10 ("downscale only once"), else until the last is 4 x 4.
SIZES = {
    "cifar10": (2, 19_609_545),  # A well-known re-implementation in PyTorch has 19.6 million.
    "cifar10_small": (2, 2_522_473),  # The same at its size: 2.5 million.
    "imagenet32": (4, 46_220_359),
    "imagenet64": (5, 96_363_237),
}


@pytest.mark.parametrize(
    "name",
    [
        "cifar10_small",
        *(pytest.param(n, marks=pytest.mark.slow) for n in PAPER),
    ],
)
def test_the_full_model_is_built(name):
    num_scales, size = SIZES["imagenet64"] if name in SIDE_64 else SIZES[name]
    model = PRESETS[name].for_images(empty_images(PRESETS[name])).build()
    assert model.distribution.bijector.bijectors[-1].num_scales == num_scales
    assert sum(v.value.shape.num_elements() for v in model.trainable_variables) == size


@pytest.mark.parametrize("name, num_scales", [("cifar10", 2), ("imagenet64", 5), ("lsun_tower", 5)])
def test_the_last_scale_is_of_4_x_4_but_for_cifar10(name, num_scales):
    preset = dataclasses.replace(PRESETS[name], base_filters=1, num_residual_blocks=0, use_batch_norm=False)
    model = preset.for_images(empty_images(preset)).build()
    assert model.distribution.bijector.bijectors[-1].num_scales == num_scales


@pytest.mark.slow
@pytest.mark.parametrize("name", ["imagenet32", "imagenet64", "celeba", "lsun_tower"])
def test_a_training_step_at_the_real_image_size(name):
    preset = dataclasses.replace(PRESETS[name], base_filters=2, num_residual_blocks=0, batch_size=4)
    with mocked():
        images = data.load(preset.dataset)
    one_step(preset, images)


def one_step(preset, images):
    model = preset.for_images(images, seed=0).build()
    before = [np.array(v) for v in model.trainable_variables]
    model.run_eagerly = True  # Of a single step.
    batches = data.training_batches(images, preset.batch_size, preset.conditional, preset.flip, seed=0)
    history = model.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)
    assert 1 < history.history["bits_per_dim"][0] < 30
    changed = [np.any(b != np.array(v)) for b, v in zip(before, model.trainable_variables, strict=True)]
    assert np.mean(changed) > 0.5
    return model


def test_a_training_step_under_attributes():
    preset = dataclasses.replace(
        PRESETS["celeba"], base_filters=2, num_residual_blocks=0, batch_size=4, num_scales=1, conditional=True
    )
    with mocked():
        images = data.load("celeba")
    model = one_step(preset, images)
    assert model.distribution.bijector.bijectors[-1].conditional_event_shape == (40,)


@pytest.mark.slow
def test_a_training_step_on_cifar10():
    if not TFDS.exists():
        pytest.skip(f"CIFAR-10 is not at {TFDS}")
    preset = dataclasses.replace(PRESETS["cifar10"], base_filters=2, num_residual_blocks=1, batch_size=8)
    one_step(preset, data.load("cifar10", str(TFDS)))


def digits_configuration(**kwargs):
    preset = dataclasses.replace(PRESETS["tiny"], base_filters=2, num_residual_blocks=0, **kwargs)
    return preset.for_images(data.load("digits"), seed=3)


def test_a_configuration_rebuilds_its_model(tmp_path):
    config = digits_configuration(
        use_batch_norm=True, use_running_average=True, batch_norm_momentum=0.5, max_log_scale=3.0
    )
    config.write(tmp_path / "config.json")
    assert Configuration.read(tmp_path / "config.json") == config
    assert json.loads((tmp_path / "config.json").read_text())["event_shape"] == [8, 8, 1]
    first, second = config.build(), Configuration.read(tmp_path / "config.json").build()
    first.save_weights(tmp_path / "model.weights.h5")
    second.load_weights(tmp_path / "model.weights.h5")
    x, condition = data.first_images(config.images(), 4)
    np.testing.assert_array_equal(*(m((x, condition)) for m in (first, second)))
    norm = next(
        m for m in second.distribution.submodules if "batch_norm" in m.name and hasattr(m, "momentum")
    )
    assert norm.momentum == 0.5
    assert norm.parameters["use_running_average"]
    assert {getattr(m, "max_log_scale", 3.0) for m in second.distribution.submodules} == {3.0}
    assert second.seed == 3
    optimizers = [{**m.optimizer.inner_optimizer.get_config(), "name": "adam"} for m in (first, second)]
    assert optimizers[0] == optimizers[1]
    assert (optimizers[0]["global_clipnorm"], optimizers[0]["clipnorm"]) == (100, None)


def test_the_papers_figures_are_of_its_data_sets():
    preset = PRESETS["imagenet32_small"]
    for changed, expected in (({"l2": 0.0}, (4.28, 4.26)), ({"dataset": "folder"}, (None, None))):
        changed = preset.changed(**changed)
        assert (changed.paper_bits_per_dim, changed.paper_train_bits_per_dim) == expected


@pytest.mark.parametrize(
    "given, expected",
    [
        ({}, [1, 1, 1, 1]),
        ({"warmup_steps": 20}, [0, 0.5, 1, 1]),
        ({"cosine_decay": True}, [1, 0.975528, 0.5, 0]),
        ({"cosine_decay": True, "warmup_steps": 20}, [0, 0.5, 0.691342, 0]),
    ],
    ids=["constant", "warm-up", "cosine", "warm-up and cosine"],
)
def test_learning_rates(given, expected):
    small = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 1}
    preset = Preset(learning_rate=0.1, epochs=5, steps_per_epoch=20, **small, **given)
    config = preset.for_images(data.load("digits"))
    rate = config.build().optimizer.inner_optimizer._learning_rate
    steps = [0, 10, 50, 100]
    rates = [rate(step) if callable(rate) else np.float32(rate) for step in steps]
    np.testing.assert_allclose(rates, 0.1 * np.array(expected), atol=1e-6)


def test_a_configuration_goes_on_with_other_lengths():
    config = digits_configuration()
    lengths = {"epochs": 99, "steps_per_epoch": 7}
    longer = config.continued(PRESETS["tiny"], base_filters=2, num_residual_blocks=0, **lengths)
    assert longer == dataclasses.replace(config, **lengths)
    assert config.continued() == config
    preset = dataclasses.replace(PRESETS["tiny"], base_filters=2, num_residual_blocks=0, epochs=1)
    assert config.continued(preset) == config  # A preset's length is not asked for.


@pytest.mark.parametrize(
    "given", [{"base_filters": 8}, {"seed": 4}, {"batch_size": 8}, {"learning_rate": 0.1}, {"data_dir": "x"}]
)
def test_a_configuration_that_goes_on_stays_what_it_is(given):
    ((name, value),) = given.items()
    message = rf"only epochs, steps_per_epoch, recalibration_steps may .*; given was {name} {value!r} for"
    with pytest.raises(ValueError, match=message):
        digits_configuration().continued(epochs=99, **given)
    with pytest.raises(ValueError, match="given was base_filters 24 for 2, num_residual_blocks 1 for 0"):
        digits_configuration().continued(PRESETS["tiny"])


def test_a_configuration_keeps_where_images_are(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((20, 4, 4), np.uint8))
    path = str(tmp_path / "x.npy")
    preset = Preset(dataset="array")
    config = preset.for_images(data.load("array", path), data_dir=path)
    assert config.images().num_train == 18
    np.save(tmp_path / "moved.npy", np.ones((40, 4, 4), np.uint8))
    assert config.images(str(tmp_path / "moved.npy")).num_train == 36
    assert config.steps_per_epoch == 1
    with pytest.raises(ValueError, match="`conditional` needs images with classes or attributes"):
        dataclasses.replace(preset, conditional=True).for_images(data.load("array", path))


def test_a_configuration_of_another_version(tmp_path):
    path = tmp_path / "config.json"
    digits_configuration().write(path)
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "colour": 3}))
    with pytest.raises(ValueError, match=r"config.json` is no configuration of this version.* \['colour'\]"):
        Configuration.read(path)
    del record["event_shape"]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=r"config.json` is no configuration: it lacks \['event_shape'\]"):
        Configuration.read(path)


def test_a_checkpoint_that_is_older_than_an_option(tmp_path):
    """It is of the value that there was before the option, not of today's default."""
    config = digits_configuration()
    model, run = config.build(), RunFolder(tmp_path)
    older = {k: v for k, v in config.without_lengths().items() if k not in ("max_log_scale", "flip")}
    Checkpoints(run.checkpoints_path, model, older).save(Progress(batches=3))
    assert run.checkpoints(model, config).restore() == Progress(batches=3)
    other = dataclasses.replace(config, flip=True)
    with pytest.raises(ValueError, match="of another configuration: flip was False and is True"):
        run.checkpoints(model, other).restore()


def test_run_folder(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"`run` must be the folder of a training run; got .* without config"
    ):
        run.configuration()
    digits_configuration().write(run.config_path)
    assert run.configuration().dataset == "digits"
    with pytest.raises(FileNotFoundError, match=r"a run that has ended; .* is without model.keras"):
        run.model()
    assert run.history() == {} and run.results() == {}
    run.history_path.write_text("epoch,loss,bits_per_dim,val_bits_per_dim\n0,5.0,2.0,3.0\n1,4.0,1.5,2.5\n")
    assert run.history()["val_bits_per_dim"] == [3.0, 2.5]
    run.add_results(steps=3, minutes=1.0)
    run.add_results(steps=4, evaluation={"a": 1})
    assert run.results() == {"steps": 4, "minutes": 1.0, "evaluation": {"a": 1}}
    run.results_path.rename(tmp_path / "elsewhere.json")
    run.results_path.symlink_to("elsewhere.json")
    run.add_results(steps=5)  # A link stays one.
    assert (
        run.results_path.is_symlink() and json.loads((tmp_path / "elsewhere.json").read_text())["steps"] == 5
    )


def test_a_file_that_cannot_be_loaded_is_named(tmp_path):
    run, config = RunFolder(tmp_path), digits_configuration()
    config.write(run.config_path)
    bad = tmp_path / "bad.weights.h5"
    for path in (run.model_path, bad):
        path.write_bytes(b"no model")
    for load, path in ((run.model, run.model_path), (lambda: config.build(bad), bad)):
        with pytest.raises(ValueError, match=rf"`{path}` cannot be loaded: "):
            load()
