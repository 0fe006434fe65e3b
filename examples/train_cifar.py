"""Trains Real NVP on images and samples from it.

python examples/train_cifar.py --preset=tiny --out=runs/digits
python examples/train_cifar.py --preset=cifar10 --out=runs/cifar10
"""

import dataclasses
import json
import pathlib
import time

import keras
import numpy as np
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import callbacks, data, figures
from tfp_realnvp.presets import PRESETS, Preset

flags.DEFINE_enum("preset", None, sorted(PRESETS), "Configuration to start from; other flags override it.")
flags.DEFINE_enum("dataset", None, data.DATASETS, "Images to train on; digits by default.")
flags.DEFINE_string("data_dir", None, "Folder of TFDS, of the images, or the .npy or .npz file.")
flags.DEFINE_integer("image_size", None, "Side to which the images of a folder are resized.", lower_bound=2)
flags.DEFINE_integer("num_scales", None, "Scales; until 4 x 4 pixels by default.", lower_bound=1)
flags.DEFINE_integer("num_residual_blocks", None, "Residual blocks of each network.", lower_bound=0)
flags.DEFINE_integer("base_filters", None, "Channels of the first scale's networks.", lower_bound=1)
flags.DEFINE_bool("use_batch_norm", None, "Batch norm in the networks and after couplings.")
flags.DEFINE_bool("conditional", None, "Condition on the classes of the images.")
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
flags.DEFINE_float("temperature", None, "Of the samples drawn.", lower_bound=0)
flags.DEFINE_float("max_minutes", None, "End training after so many minutes.", lower_bound=0)
flags.DEFINE_integer("num_validation", 1024, "Test images in each epoch's evaluation.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Of weights, order and noise.")
flags.DEFINE_string("out", "runs/train_cifar", "Folder for the results.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    start = time.monotonic()
    given = {f.name: FLAGS[f.name].value for f in dataclasses.fields(Preset)}
    given = {name: value for name, value in given.items() if value is not None}
    config = dataclasses.replace(PRESETS[FLAGS.preset] if FLAGS.preset else Preset(), **given)
    keras.utils.set_random_seed(FLAGS.seed)
    images = data.load(config.dataset, FLAGS.data_dir, FLAGS.image_size)
    model = config.build(images, FLAGS.seed)
    train = data.training_batches(images, config.batch_size, config.conditional, config.flip, FLAGS.seed)
    test = data.evaluation_batches(images, config.batch_size, config.conditional)
    validation = data.evaluation_batches(images, config.batch_size, config.conditional, FLAGS.num_validation)

    out = pathlib.Path(FLAGS.out)
    out.mkdir(parents=True, exist_ok=True)
    record = {**dataclasses.asdict(config), "seed": FLAGS.seed, "event_shape": images.event_shape}
    (out / "config.json").write_text(json.dumps(record, indent=2) + "\n")
    model.fit(
        train,
        epochs=config.epochs,
        steps_per_epoch=config.steps(images),
        validation_data=validation,
        shuffle=False,  # `train` is shuffled.
        callbacks=[
            *([keras.callbacks.SwapEMAWeights()] if config.weight_averaging else []),
            callbacks.EpochCSV(out / "history.csv"),
            keras.callbacks.TensorBoard(out / "tensorboard"),
            keras.callbacks.TerminateOnNaN(),
            *([callbacks.StopAfter(FLAGS.max_minutes)] if FLAGS.max_minutes is not None else []),
        ],
    )
    model.save(out / "model.keras")
    if config.recalibration_steps and config.use_batch_norm:
        model.recalibrate(train, steps=config.recalibration_steps)
        model.save(out / "model.keras")

    bits = rnvp.bits_per_dim(model.predict(test), images.event_shape)
    results = {
        "bits_per_dim": float(bits.mean()),
        "bits_per_dim_standard_error": float(bits.std(ddof=1) / len(bits) ** 0.5),
        "num_test_images": len(bits),
        "steps": int(model.optimizer.iterations.numpy()),
        "minutes": (time.monotonic() - start) / 60,
    }
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    columns, rows = images.num_classes if config.conditional else 10, 8
    classes = np.tile(np.eye(columns, dtype=np.float32), (rows, 1)) if config.conditional else None
    samples = model.sample(rows * columns, FLAGS.seed, config.temperature, conditional_input=classes)
    figures.save_image_grid(out / "samples.png", samples, columns, images.num_levels)
    print(
        f"Test bits/dim {results['bits_per_dim']:.3f} +- {results['bits_per_dim_standard_error']:.3f} "
        f"({len(bits)} images); results are in {out}."
    )


if __name__ == "__main__":
    app.run(main)
