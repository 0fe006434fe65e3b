"""Measures the cost of mixed precision: trains one model under each of Keras's policies.

python examples/mixed_precision.py
python examples/mixed_precision.py --preset=cifar10_small --steps=150

Prints a row per policy: bits per dimension of the test split and their gap to the first policy; the
largest difference between test images and decode(encode(images)), in pixel units; the time of a
training step. Policies apply to training only: everything else always computes in float32.
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses
import time

import keras
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis.evaluation import inversion_error
from tfp_realnvp.training.presets import PRESETS

flags.DEFINE_enum("preset", "tiny", sorted(PRESETS), "Configuration of the model.")
flags.DEFINE_string("data_dir", None, "TFDS folder, for CIFAR-10.")
flags.DEFINE_multi_string(
    "policy", ["float32", "mixed_bfloat16"], "Keras policies; others are compared with the first."
)
flags.DEFINE_integer("steps", 300, "Training steps.", lower_bound=2)
flags.DEFINE_integer("num_test", 512, "Test images.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of weights, order and noise.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    config = PRESETS[FLAGS.preset]
    images = data.load(config.dataset, FLAGS.data_dir)
    print(f"{'policy':<16}{'bits/dim':>10}{'gap':>10}{'round trip':>12}{'s/step':>9}")
    bits = []
    for policy in FLAGS.policy:
        row, round_trip, seconds = train(dataclasses.replace(config, dtype_policy=policy), images)
        bits.append(row)
        print(f"{policy:<16}{row:>10.4f}{row - bits[0]:>+10.4f}{round_trip:>12.2e}{seconds:>9.3f}")


def train(config, images):
    """Trains a model; returns bits per dimension, round-trip error and seconds per step."""
    keras.utils.set_random_seed(FLAGS.seed)
    config = dataclasses.replace(config, epochs=1, steps_per_epoch=FLAGS.steps)
    model = config.for_images(images, FLAGS.seed).build()
    batches = data.training_batches(images, config.batch_size, config.conditional, config.flip, FLAGS.seed)
    model.fit(batches, steps_per_epoch=1, shuffle=False, verbose=0)  # Traces.
    start = time.perf_counter()
    model.fit(batches, steps_per_epoch=FLAGS.steps - 1, shuffle=False, verbose=0)
    seconds = (time.perf_counter() - start) / (FLAGS.steps - 1)
    test = data.evaluation_batches(images, config.batch_size, config.conditional, FLAGS.num_test)
    noisy = data.evaluation_batches(
        images, config.batch_size, config.conditional, FLAGS.num_test, noise_seed=FLAGS.seed
    )
    error = inversion_error(model, noisy)
    bits = rnvp.bits_per_dim(model.predict(test, verbose=0).mean(), images.event_shape)
    return bits, error, seconds


if __name__ == "__main__":
    app.run(main)
