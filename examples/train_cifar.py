"""Trains Real NVP on images and samples from it.

python examples/train_cifar.py --preset=tiny --out=runs/digits
python examples/train_cifar.py --preset=cifar10 --out=runs/cifar10
"""

import dataclasses
import os
import time

import keras
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import callbacks, data, figures
from tfp_realnvp.configuration import Preset
from tfp_realnvp.evaluation import Estimate
from tfp_realnvp.image_grid import save_image_grid
from tfp_realnvp.presets import PRESETS
from tfp_realnvp.run_folder import RunFolder

flags.DEFINE_enum("preset", None, sorted(PRESETS), "Configuration to start from; other flags override it.")
flags.DEFINE_enum("dataset", None, data.DATASETS, "Images to train on; digits by default.")
flags.DEFINE_string("data_dir", None, "Folder of TFDS, of the images, or the .npy or .npz file.")
flags.DEFINE_integer("image_size", None, "Side to which the images of a folder are resized.", lower_bound=2)
flags.DEFINE_integer("num_scales", None, "Scales; until 4 x 4 pixels by default.", lower_bound=1)
flags.DEFINE_integer("num_residual_blocks", None, "Residual blocks of each network.", lower_bound=0)
flags.DEFINE_integer("base_filters", None, "Channels of the first scale's networks.", lower_bound=1)
flags.DEFINE_bool("use_batch_norm", None, "Batch norm in the networks and after couplings.")
flags.DEFINE_bool("use_running_average", None, "The variant of batch norm of the paper's appendix E.")
flags.DEFINE_float(
    "batch_norm_momentum", None, "Of batch norm after couplings.", lower_bound=0, upper_bound=0.9999
)
flags.DEFINE_bool("conditional", None, "Condition on the classes or attributes of the images.")
flags.DEFINE_bool("flip", None, "Mirror training images at random.")
flags.DEFINE_integer("batch_size", None, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("epochs", None, "Epochs, each ended by an evaluation.", lower_bound=1)
flags.DEFINE_integer(
    "steps_per_epoch", None, "Batches in an epoch; by default the training split.", lower_bound=1
)
flags.DEFINE_float("learning_rate", None, "Of Adam.", lower_bound=0)
flags.DEFINE_bool("cosine_decay", None, "Let the learning rate fall to 0 over the epochs.")
flags.DEFINE_bool("weight_averaging", None, "Evaluate and keep moving averages of the weights.")
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
flags.DEFINE_float("max_minutes", None, "End training after so many minutes.", lower_bound=0)
flags.DEFINE_integer("num_validation", 1024, "Test images in each epoch's evaluation.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of weights, order and noise.")
flags.DEFINE_integer("sample_every", 1, "Epochs between two pictures of samples.", lower_bound=1)
flags.DEFINE_string("out", "runs/train_cifar", "New or empty folder for the results.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    start = time.monotonic()
    run = RunFolder(FLAGS.out)
    run.check_is_new()
    given = {f.name: FLAGS[f.name].value for f in dataclasses.fields(Preset) if f.name in FLAGS}
    given = {name: value for name, value in given.items() if value is not None}
    preset = dataclasses.replace(PRESETS[FLAGS.preset] if FLAGS.preset else Preset(), **given)
    keras.utils.set_random_seed(FLAGS.seed)
    images = data.load(preset.dataset, FLAGS.data_dir, FLAGS.image_size)
    config = preset.for_images(images, FLAGS.seed, absolute(FLAGS.data_dir), FLAGS.image_size)
    model = config.build()
    train = data.training_batches(images, config.batch_size, config.conditional, config.flip, FLAGS.seed)
    test = data.evaluation_batches(images, config.batch_size, config.conditional)
    validation = data.evaluation_batches(images, config.batch_size, config.conditional, FLAGS.num_validation)

    run.path.mkdir(parents=True, exist_ok=True)
    config.write(run.config_path)
    conditions = data.conditions_to_draw(images) if config.conditional else None
    drawn = {
        "rows": 8,
        "columns": 8 if conditions is None else len(conditions),
        "temperature": config.temperature,
        "seed": FLAGS.seed,
        "conditional_input": conditions,
    }
    model.fit(
        train,
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        validation_data=validation,
        shuffle=False,  # `train` is shuffled.
        callbacks=[
            *([keras.callbacks.SwapEMAWeights()] if config.weight_averaging else []),
            callbacks.EpochCSV(run.history_path),
            keras.callbacks.TensorBoard(run.tensorboard_path),
            callbacks.SampleGrid(
                run.samples_path,
                FLAGS.sample_every,
                config.num_levels,
                log_dir=run.tensorboard_path / "samples",
                **drawn,
            ),
            keras.callbacks.TerminateOnNaN(),
            *([callbacks.StopAfter(FLAGS.max_minutes)] if FLAGS.max_minutes is not None else []),
        ],
    )
    model.save(run.model_path)
    if config.recalibration_steps and config.use_batch_norm:
        model.recalibrate(train, steps=config.recalibration_steps)
        model.save(run.model_path)

    bits = Estimate.of(rnvp.bits_per_dim(model.predict(test), config.event_shape))
    run.add_results(
        bits_per_dim=bits.mean,
        bits_per_dim_standard_error=bits.standard_error,
        num_test_images=images.num_test,
        steps=int(model.optimizer.iterations.numpy()),
        minutes=(time.monotonic() - start) / 60,
    )
    save_image_grid(run.path / "samples.png", figures.samples(model, **drawn).images, config.num_levels)
    print(f"Test bits/dim {bits} ({images.num_test} images); results are in {run.path}.")


def absolute(data_dir):
    """A local folder as it is called from anywhere."""
    return os.path.abspath(data_dir) if data_dir and "://" not in data_dir else data_dir


if __name__ == "__main__":
    app.run(main)
