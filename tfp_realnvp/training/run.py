"""Runs training from images to an evaluated model: starts, stops, resumes and finishes it."""

import dataclasses
import os
import sys
import time
from typing import Any

import keras
import tensorflow as tf

from tfp_realnvp import data
from tfp_realnvp.analysis import figures
from tfp_realnvp.analysis.evaluation import Estimate
from tfp_realnvp.analysis.image_grid import save_image_grid
from tfp_realnvp.data import ImageData
from tfp_realnvp.images.bits_per_dim import bits_per_dim
from tfp_realnvp.training import callbacks
from tfp_realnvp.training.checkpoints import Progress
from tfp_realnvp.training.configuration import Configuration, Preset
from tfp_realnvp.training.interrupts import Interrupts
from tfp_realnvp.training.options import check_options, documented, option
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils.one_line_errors import one_line_errors
from tfp_realnvp.utils.one_line_warnings import one_line_warnings
from tfp_realnvp.utils.replicas import STRATEGIES, are_machines, is_chief, strategy


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Where a run writes, how often, and when it ends; its results do not depend on these.

    Args:
      {options}

    Raises:
      TypeError, ValueError: if an option has another type, or is out of its range.
    """

    out: str = option("runs/train_cifar", "New or empty folder for the results.")
    resume: bool = option(
        False, "Resume from the last checkpoint in `out`. Only options of length and frequency may change."
    )
    sample_every: int = option(1, "Epochs between two pictures of samples.", least=1)
    max_minutes: float | None = option(None, "End this run's training after this many minutes.", least=0)
    checkpoint_minutes: float = option(10.0, "Minutes between two checkpoints within an epoch.", least=0)
    keep_checkpoints: int = option(3, "Number of last checkpoints to keep.", least=1)
    max_skipped: int = option(
        20, "End after this many batches in a row whose loss or gradient is not finite.", least=1
    )
    strategy: str | None = option(
        None,
        "Devices that share each batch; by default the machines that TF_CONFIG names, or all GPUs.",
        choices=tuple(STRATEGIES),
    )

    def __post_init__(self) -> None:
        check_options(self)


def train(options: RunOptions, preset: Preset | None = None, **given: Any) -> None:
    """Trains a model, saves it, evaluates it on the test split and draws samples.

    Everything is written to the folder `options.out`; see `RunFolder`.

    Args:
      options: `RunOptions`.
      preset: `Preset`, or None for the defaults, or for a resumed run's own configuration.
      **given: Values of single options of `Configuration`.

    Raises:
      SystemExit: if the value of an option is not allowed, the images or the folder cannot be used,
        or training was stopped. The message tells the reason and how to resume.
      TypeError: if an option has another type, or there is no such option.
    """
    run = RunFolder(options.out)
    with one_line_errors():
        devices = strategy(options.strategy)
        config, images = _configured(run, options.resume, is_chief(devices), preset, given)
        if config.seed is not None:
            keras.utils.set_random_seed(config.seed)
        with devices.scope():
            model = config.build(None if options.resume and run.has_checkpoints else config.init_from)
        checkpoints = run.checkpoints(model, config, options.keep_checkpoints)
        run.check_can_be_written((options.keep_checkpoints + 3) * checkpoints.size)
        progress = checkpoints.restore() if options.resume else None
        batches = training_batches(config, images, progress)
    if options.resume:
        print(f"Training goes on from {progress}." if progress else "No checkpoint yet: training begins.")
    if is_chief(devices):
        run.path.mkdir(parents=True, exist_ok=True)
        config.write(run.config_path)
    begin = time.monotonic() - (progress.seconds if progress else 0)
    _fit(model, batches, config, options, images, run, checkpoints, progress or Progress(), begin)
    if is_chief(devices):
        _finish(model, config, images, run, begin)


def _configured(run, resume, is_chief, preset, given):
    """Configuration and images for the given options, or of the run that resumes."""
    given = given | {name: _absolute(given[name]) for name in ("data_dir", "init_from") if given.get(name)}
    run.check_can_be_written()
    if resume:
        run.check_has_begun()
        config = run.configuration().continued(preset, **given)
        images = config.images()
        return config.with_steps(images), images
    if is_chief:
        run.check_is_new()
    init_from, seed = given.pop("init_from", None), given.pop("seed", 0)
    place = {name: given.pop(name, None) for name in ("data_dir", "image_size")}
    preset = (preset or Preset()).changed(**given)
    images = data.load(preset.dataset, **place)
    return preset.for_images(images, seed, init_from=init_from, **place), images


def training_batches(
    config: Configuration, images: ImageData, progress: Progress | None = None
) -> tf.data.Dataset:
    """Makes the batches of a run, from its progress on.

    Args:
      config: `Configuration` of the run.
      images: `ImageData`.
      progress: `Progress`, or None for the beginning.

    Returns:
      Endless `tf.data.Dataset`.
    """
    return data.training_batches(
        images,
        config.batch_size,
        config.conditional,
        config.flip,
        config.seed,
        progress.batches if progress else 0,
    )


def _drawn(config, images):
    """Arguments of `figures.samples`."""
    conditions = data.conditions_to_draw(images) if config.conditional else None
    return {
        "rows": 8,
        "columns": 8 if conditions is None else len(conditions),
        "temperature": config.temperature,
        "seed": config.seed,
        "conditional_input": conditions,
    }


def _fit(model, batches, config, options, images, run, checkpoints, progress, begin):
    """Trains to the end; exits the program if training was stopped."""
    evaluated = config.batch_size, config.conditional, config.num_validation
    writes = is_chief(model.distribute_strategy)
    with Interrupts() as interrupts:
        try:
            model.fit(
                batches,
                initial_epoch=progress.epoch,
                epochs=config.epochs,
                steps_per_epoch=config.steps_per_epoch,
                validation_data=data.evaluation_batches(images, *evaluated),
                shuffle=False,  # `batches` are already shuffled.
                verbose="auto" if writes else 0,
                callbacks=[
                    *([callbacks.StopAfter(options.max_minutes)] if options.max_minutes is not None else []),
                    *(reports(config, images, run, progress, options.sample_every) if writes else []),
                    callbacks.Checkpointing(checkpoints, progress, options.checkpoint_minutes, interrupts),
                    callbacks.StopAtNonFinite(options.max_skipped),
                    *_averages(model, config, images),
                ],
            )
        except (KeyboardInterrupt, FloatingPointError, tf.errors.OpError) as error:
            _stopped(error, model, run, checkpoints, begin)


def reports(
    config: Configuration, images: ImageData, run: RunFolder, progress: Progress, sample_every: int = 1
) -> list[keras.callbacks.Callback]:
    """Makes callbacks that write the results of each epoch before its checkpoint.

    Args:
      config: `Configuration` of the run.
      images: `ImageData`.
      run: `RunFolder`.
      progress: `Progress` from which training continues.
      sample_every: Python `int`, epochs between two pictures of samples.

    Returns:
      List of callbacks.
    """
    epochs = callbacks.EpochCSV(run.history_path, progress.epoch)
    best = callbacks.BestWeights(run.best_path, epochs.lowest("val_bits_per_dim"))
    board = keras.callbacks.TensorBoard(run.tensorboard_path)
    return [
        *map(callbacks.optional, (epochs, best, board)),
        callbacks.SampleGrid(
            run.samples_path,
            sample_every,
            config.num_levels,
            log_dir=run.tensorboard_path / "samples",
            **_drawn(config, images),
        ),
    ]


def _averages(model, config, images):
    """Callbacks that evaluate averages of the weights, if there are any."""
    if not config.ema_momentum:
        return []
    one_device = model.distribute_strategy.num_replicas_in_sync == 1
    if config.use_batch_norm and config.recalibration_steps and one_device:
        return [callbacks.AveragedWeights(training_batches(config, images), config.recalibration_steps)]
    return [keras.callbacks.SwapEMAWeights()]


def _stopped(error, model, run, checkpoints, begin):
    """Exits the program with the reason and how to resume."""
    strategy = model.distribute_strategy
    if isinstance(error, tf.errors.OpError) and not are_machines(strategy):
        raise error
    why = {
        KeyboardInterrupt: "Interrupted.",
        FloatingPointError: str(error),
    }.get(type(error), f"Another machine has stopped, or cannot be reached: {type(error).__name__}.")
    go_on = f"python {sys.argv[0]} --out={run.path} --resume"
    if checkpoints.latest:
        why += f" The last checkpoint is {checkpoints.latest}; go on with: {go_on}"
    if is_chief(strategy):
        run.add_results(finished=False, **_figures_of_training(model, begin))
    if not are_machines(strategy):
        sys.exit(why)
    print(why, file=sys.stderr, flush=True)
    os._exit(1)  # TensorFlow waits for the other machines, and would not let the program end.


def _figures_of_training(model, begin):
    return {
        "steps": int(model.optimizer.iterations.numpy()),
        "skipped": int(model.optimizer.skipped.numpy()),
        "minutes": (time.monotonic() - begin) / 60,
    }


def _finish(model, config, images, run, begin):
    """Saves the model, evaluates it on the test split and draws samples."""
    model.save(run.model_path)
    if model.distribute_strategy.num_replicas_in_sync > 1:
        model = run.model()  # On one device.
    if config.recalibration_steps and config.use_batch_norm:
        model.recalibrate(training_batches(config, images), steps=config.recalibration_steps)
        model.save(run.model_path)
    test = data.evaluation_batches(images, config.batch_size, config.conditional)
    bits = Estimate.of(bits_per_dim(model.predict(test), config.event_shape))
    run.add_results(
        bits_per_dim=bits.mean,
        bits_per_dim_standard_error=bits.standard_error,
        num_test_images=images.num_test,
        finished=True,
        **_figures_of_training(model, begin),
    )
    with one_line_warnings("No picture of samples"):
        samples = figures.samples(model, **_drawn(config, images))
        save_image_grid(run.path / "samples.png", samples.images, config.num_levels)
    print(f"Test bits/dim {bits} ({images.num_test} images); results are in {run.path}.")


def _absolute(path):
    """A local path made absolute; URLs are returned as they are."""
    path = os.fspath(path)
    return path if "://" in path else os.path.abspath(path)
