"""Draws and classifies handwritten digits with one flow, conditional on the class.

python examples/conditional_digits.py --out=digits.png
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses

import keras
import numpy as np
from absl import app, flags
from sklearn.svm import SVC

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis.evaluation import log_prob_of_conditions
from tfp_realnvp.analysis.image_grid import save_image_grid
from tfp_realnvp.training.presets import PRESETS

flags.DEFINE_integer("epochs", 10, "Epochs to train.", lower_bound=1)
flags.DEFINE_integer("steps_per_epoch", 100, "Batches in an epoch.", lower_bound=1)
flags.DEFINE_integer("batch_size", 64, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("base_filters", 24, "Channels of the first scale's networks.", lower_bound=1)
flags.DEFINE_float("learning_rate", 2e-3, "Initial learning rate of Adam; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("num_samples", 100, "Images to draw per class.", lower_bound=1)
flags.DEFINE_integer("rows", 8, "Images per class in the picture.", lower_bound=1)
flags.DEFINE_float("temperature", 0.8, "Temperature of the samples.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Seed of weights, order, noise and samples.")
flags.DEFINE_string("out", "digits.png", "PNG file for the picture, one column per class.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    images = data.load("digits")
    config = dataclasses.replace(
        PRESETS["tiny"],
        epochs=FLAGS.epochs,
        steps_per_epoch=FLAGS.steps_per_epoch,
        batch_size=FLAGS.batch_size,
        base_filters=FLAGS.base_filters,
        learning_rate=FLAGS.learning_rate,
    )
    model = config.for_images(images, FLAGS.seed).build()
    model.fit(
        data.training_batches(images, FLAGS.batch_size, conditional=True, seed=FLAGS.seed),
        epochs=FLAGS.epochs,
        steps_per_epoch=FLAGS.steps_per_epoch,
        shuffle=False,  # The batches are already shuffled.
        callbacks=[keras.callbacks.SwapEMAWeights()],
        verbose=2,
    )

    train_x, train_y = with_classes(images, images.num_train, "train")
    test_x, test_y = with_classes(images, images.num_test, "test")
    one_hot = np.eye(images.num_classes, dtype=np.float32)
    log_prob = log_prob_of_conditions(model, test_x, one_hot)
    bits = rnvp.bits_per_dim(log_prob[np.arange(len(test_y)), test_y], images.event_shape)
    print(f"Test bits/dim: {bits.mean():.3f} +- {bits.std(ddof=1) / len(bits) ** 0.5:.3f}")

    classes = np.tile(np.arange(images.num_classes), FLAGS.num_samples)
    samples = model.sample(len(classes), FLAGS.seed, FLAGS.temperature, conditional_input=one_hot[classes])
    rows = np.reshape(samples, [FLAGS.num_samples, images.num_classes, *images.event_shape])
    save_image_grid(FLAGS.out, rows[: FLAGS.rows], images.num_levels)
    reader = SVC(gamma=1e-3).fit(train_x.reshape(len(train_x), -1), train_y)
    pixels = np.clip(np.floor(samples), 0, images.num_levels - 1)
    real, drawn = (
        reader.score(np.reshape(x, (len(x), -1)), y) for x, y in ((test_x, test_y), (pixels, classes))
    )
    print(
        f"Read as their class by a support vector machine: {drawn:.1%} of samples, {real:.1%} of test digits"
    )
    accuracy = np.mean(log_prob.argmax(axis=-1) == test_y)  # Bayes' rule; all classes are equally likely.
    print(f"Read as their class by the flow itself: {accuracy:.1%} of test digits")
    print(f"The picture is {FLAGS.out}.")


def with_classes(images, num_images, split):
    """Images and classes of a split, as two arrays."""
    x, conditions = data.first_images(images, num_images, split)
    return x, conditions.argmax(axis=-1)


if __name__ == "__main__":
    app.run(main)
