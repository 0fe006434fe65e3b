"""Trains Real NVP on images and samples from it.

python examples/train_cifar.py --preset=tiny --out=runs/digits
python examples/train_cifar.py --preset=cifar10 --out=runs/cifar10
python examples/train_cifar.py --out=runs/cifar10 --resume
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses
import os
import sys
import time

import keras
import tensorflow as tf
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis import figures
from tfp_realnvp.analysis.evaluation import Estimate
from tfp_realnvp.analysis.image_grid import save_image_grid
from tfp_realnvp.training import callbacks
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.configuration import Configuration, Preset
from tfp_realnvp.training.interrupts import Interrupts
from tfp_realnvp.training.presets import PRESETS
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils import replicas
from tfp_realnvp.utils.one_line_errors import one_line_errors
from tfp_realnvp.utils.one_line_warnings import one_line_warnings

flags.DEFINE_enum("preset", None, sorted(PRESETS), "Configuration to start from; other flags override it.")
flags.DEFINE_enum("dataset", None, data.DATASETS, "Images to train on; digits by default.")
flags.DEFINE_string("data_dir", None, "Folder of TFDS, of the images, or the .npy or .npz file.")
flags.DEFINE_integer("image_size", None, "Side to which the images of a folder are resized.", lower_bound=2)
flags.DEFINE_integer("num_scales", None, "Scales; until 4 x 4 pixels by default.", lower_bound=1)
flags.DEFINE_integer("num_residual_blocks", None, "Residual blocks of each network.", lower_bound=0)
flags.DEFINE_integer("base_filters", None, "Channels of the first scale's networks.", lower_bound=1)
flags.DEFINE_bool("use_batch_norm", None, "Batch norm in the networks and after couplings.")
flags.DEFINE_bool("use_running_average", None, "The variant of batch norm of the paper's appendix E.")
flags.DEFINE_bool("synchronized", None, "Batch norm over all devices that share a batch.")
flags.DEFINE_float(
    "batch_norm_momentum", None, "Of batch norm after couplings.", lower_bound=0, upper_bound=0.9999
)
flags.DEFINE_bool("rescale_latents", None, "The last scale's, to a variance of 1; 2 in the authors' code.")
flags.DEFINE_float("max_log_scale", None, "Bound of the log-scale in each coupling.", lower_bound=0)
flags.DEFINE_bool("conditional", None, "Condition on the classes or attributes of the images.")
flags.DEFINE_bool("flip", None, "Mirror training images at random.")
flags.DEFINE_integer("batch_size", None, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("epochs", None, "Epochs, each ended by an evaluation.", lower_bound=1)
flags.DEFINE_integer(
    "steps_per_epoch", None, "Batches in an epoch; by default the training split.", lower_bound=1
)
flags.DEFINE_float("learning_rate", None, "Of Adam.", lower_bound=0)
flags.DEFINE_bool("cosine_decay", None, "Let the learning rate fall to 0 over the epochs.")
flags.DEFINE_integer(
    "warmup_steps", None, "Batches over which the learning rate rises from 0.", lower_bound=0
)
flags.DEFINE_float(
    "ema_momentum",
    None,
    "Of moving averages of the weights, which are evaluated and kept; 0 for the weights themselves.",
    lower_bound=0,
    upper_bound=0.99999,
)
flags.DEFINE_float("l2", None, "Factor of the L2 term on weight scales.", lower_bound=0)
flags.DEFINE_float("clip_norm", None, "Largest norm of the gradient.", lower_bound=0)
flags.DEFINE_integer(
    "recalibration_steps", None, "Batches that moving statistics are of in the end; 0 for those of training."
)
flags.DEFINE_enum(
    "dtype_policy", None, ["float32", "mixed_bfloat16", "mixed_float16"], "Of the networks, in training."
)
flags.DEFINE_bool(
    "recompute", None, "Rebuild activations in the backward pass: less memory, more time, the same numbers."
)
flags.DEFINE_float("temperature", None, "Of the samples drawn.", lower_bound=0)
flags.DEFINE_integer("num_validation", None, "Test images in each epoch's evaluation.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of weights, order and noise.")
flags.DEFINE_integer("sample_every", 1, "Epochs between two pictures of samples.", lower_bound=1)
flags.DEFINE_string("init_from", None, "A .weights.h5 or .keras file whose weights training begins with.")
flags.DEFINE_string("out", "runs/train_cifar", "New or empty folder for the results.")
flags.DEFINE_bool(
    "resume", False, "Go on from the last checkpoint in `out`. Only flags of length and frequency may change."
)
flags.DEFINE_float("max_minutes", None, "End this run's training after so many minutes.", lower_bound=0)
flags.DEFINE_float("checkpoint_minutes", 10, "Between two checkpoints inside of an epoch.", lower_bound=0)
flags.DEFINE_integer("keep_checkpoints", 3, "How many of the last checkpoints are kept.", lower_bound=1)
flags.DEFINE_integer(
    "max_skipped", 20, "End after so many batches in a row whose gradient is not finite.", lower_bound=1
)
flags.DEFINE_enum(
    "strategy",
    None,
    list(replicas.STRATEGIES),
    "Devices that share each batch; by default the machines that TF_CONFIG names, or all GPUs.",
)
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    run = RunFolder(FLAGS.out)
    with one_line_errors():
        strategy = replicas.strategy(FLAGS.strategy)
        config, images = configured(run, replicas.is_chief(strategy))
        keras.utils.set_random_seed(config.seed)
        with strategy.scope():
            model = config.build(None if FLAGS.resume and run.has_checkpoints else config.init_from)
        same = config.without_lengths()
        checkpoints = Checkpoints(run.checkpoints_path, model, same, FLAGS.keep_checkpoints)
        run.check_can_be_written((FLAGS.keep_checkpoints + 3) * checkpoints.size)
        progress = checkpoints.restore() if FLAGS.resume else None
        train = training_batches(config, images, progress)
    if FLAGS.resume:
        print(f"Training goes on from {progress}." if progress else "No checkpoint yet: training begins.")
    if replicas.is_chief(strategy):
        run.path.mkdir(parents=True, exist_ok=True)
        config.write(run.config_path)
    begin = time.monotonic() - (progress.seconds if progress else 0)
    fit(model, train, config, images, run, checkpoints, progress or Progress(), begin)
    if replicas.is_chief(strategy):
        finish(model, config, images, run, begin)


def configured(run, is_chief):
    """Configuration and images of the flags, or of the run where that goes on."""
    given = {f.name: FLAGS[f.name].value for f in dataclasses.fields(Configuration) if f.name in FLAGS}
    given = {name: value for name, value in given.items() if value is not None and name != "seed"}
    given |= {name: absolute(given[name]) for name in ("data_dir", "init_from") if given.get(name)}
    preset = PRESETS[FLAGS.preset] if FLAGS.preset else None
    run.check_can_be_written()
    if FLAGS.resume:
        run.check_has_begun()
        given |= {"seed": FLAGS.seed} if FLAGS["seed"].present else {}
        config = run.configuration().continued(preset, **given)
        return config, config.images()
    if is_chief:
        run.check_is_new()
    init_from = given.pop("init_from", None)
    place = {name: given.pop(name, None) for name in ("data_dir", "image_size")}
    preset = (preset or Preset()).changed(**given)
    images = data.load(preset.dataset, **place)
    return preset.for_images(images, FLAGS.seed, init_from=init_from, **place), images


def training_batches(config, images, progress=None):
    """Batches from where training is; by default from the first one."""
    return data.training_batches(
        images,
        config.batch_size,
        config.conditional,
        config.flip,
        config.seed,
        progress.batches if progress else 0,
    )


def drawn(config, images):
    """What samples are drawn of."""
    conditions = data.conditions_to_draw(images) if config.conditional else None
    return {
        "rows": 8,
        "columns": 8 if conditions is None else len(conditions),
        "temperature": config.temperature,
        "seed": config.seed,
        "conditional_input": conditions,
    }


def fit(model, train, config, images, run, checkpoints, progress, begin):
    """Trains to the end, or ends the program where training has been stopped."""
    batches = config.batch_size, config.conditional, config.num_validation
    is_chief = replicas.is_chief(model.distribute_strategy)
    with Interrupts() as interrupts:
        try:
            model.fit(
                train,
                initial_epoch=progress.epoch,
                epochs=config.epochs,
                steps_per_epoch=config.steps_per_epoch,
                validation_data=data.evaluation_batches(images, *batches),
                shuffle=False,  # `train` is shuffled.
                verbose="auto" if is_chief else 0,
                callbacks=[
                    *([callbacks.StopAfter(FLAGS.max_minutes)] if FLAGS.max_minutes is not None else []),
                    *(reports(config, images, run, progress) if is_chief else []),
                    callbacks.Checkpointing(checkpoints, progress, FLAGS.checkpoint_minutes, interrupts),
                    callbacks.StopAtNonFinite(FLAGS.max_skipped),
                    *averages(model, config, images),
                ],
            )
        except (KeyboardInterrupt, FloatingPointError, tf.errors.OpError) as error:
            stopped(error, model, run, checkpoints, begin)


def reports(config, images, run, progress):
    """What is written of each epoch, before its checkpoint is."""
    epochs = callbacks.EpochCSV(run.history_path, progress.epoch)
    best = callbacks.BestWeights(run.best_path, epochs.lowest("val_bits_per_dim"))
    board = keras.callbacks.TensorBoard(run.tensorboard_path)
    return [
        *map(callbacks.optional, (epochs, best, board)),
        callbacks.SampleGrid(
            run.samples_path,
            FLAGS.sample_every,
            config.num_levels,
            log_dir=run.tensorboard_path / "samples",
            **drawn(config, images),
        ),
    ]


def averages(model, config, images):
    """What evaluates averages of the weights, if there are any."""
    if not config.ema_momentum:
        return []
    one_device = model.distribute_strategy.num_replicas_in_sync == 1
    if config.use_batch_norm and config.recalibration_steps and one_device:
        return [callbacks.AveragedWeights(training_batches(config, images), config.recalibration_steps)]
    return [keras.callbacks.SwapEMAWeights()]


def stopped(error, model, run, checkpoints, begin):
    """Ends the program; says why, and how to go on."""
    strategy = model.distribute_strategy
    if isinstance(error, tf.errors.OpError) and not replicas.are_machines(strategy):
        raise error
    why = {
        KeyboardInterrupt: "Interrupted.",
        FloatingPointError: str(error),
    }.get(type(error), f"Another machine has stopped, or cannot be reached: {type(error).__name__}.")
    go_on = f"python {sys.argv[0]} --out={run.path} --resume"
    if checkpoints.latest:
        why += f" The last checkpoint is {checkpoints.latest}; go on with: {go_on}"
    if replicas.is_chief(strategy):
        run.add_results(finished=False, **figures_of_training(model, begin))
    if not replicas.are_machines(strategy):
        sys.exit(why)
    print(why, file=sys.stderr, flush=True)
    os._exit(1)  # What waits for other machines would not let the program end.


def figures_of_training(model, begin):
    return {
        "steps": int(model.optimizer.iterations.numpy()),
        "skipped": int(model.optimizer.skipped.numpy()),
        "minutes": (time.monotonic() - begin) / 60,
    }


def finish(model, config, images, run, begin):
    """Saves the model, measures it on the test split and draws samples."""
    model.save(run.model_path)
    if model.distribute_strategy.num_replicas_in_sync > 1:
        model = run.model()  # On one device.
    if config.recalibration_steps and config.use_batch_norm:
        model.recalibrate(training_batches(config, images), steps=config.recalibration_steps)
        model.save(run.model_path)
    test = data.evaluation_batches(images, config.batch_size, config.conditional)
    bits = Estimate.of(rnvp.bits_per_dim(model.predict(test), config.event_shape))
    run.add_results(
        bits_per_dim=bits.mean,
        bits_per_dim_standard_error=bits.standard_error,
        num_test_images=images.num_test,
        finished=True,
        **figures_of_training(model, begin),
    )
    with one_line_warnings("No picture of samples"):
        samples = figures.samples(model, **drawn(config, images))
        save_image_grid(run.path / "samples.png", samples.images, config.num_levels)
    print(f"Test bits/dim {bits} ({images.num_test} images); results are in {run.path}.")


def absolute(path):
    """A local path as it is called from anywhere."""
    return path if "://" in path else os.path.abspath(path)


if __name__ == "__main__":
    # Warnings only: at each checkpoint TensorFlow would write into the progress bar how long it took.
    app.run(main, [sys.argv[0], "--verbosity=-1", *sys.argv[1:]])
