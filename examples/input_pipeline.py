"""Times the input pipeline of training in images per second, without a model.

python examples/input_pipeline.py --preset=cifar10
"""

import fast_start  # noqa: F401  # isort: skip

import itertools
import time

from absl import app, flags

from tfp_realnvp import data
from tfp_realnvp.training.presets import PRESETS

flags.DEFINE_enum("preset", "tiny", sorted(PRESETS), "Configuration whose images and batches to time.")
flags.DEFINE_string("data_dir", None, "TFDS folder.")
flags.DEFINE_integer(
    "epochs", 3, "Passes through the training split to time, after a first one.", lower_bound=1
)
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    preset = PRESETS[FLAGS.preset]
    images = data.load(preset.dataset, FLAGS.data_dir)
    batches = data.training_batches(images, preset.batch_size, preset.conditional, preset.flip, seed=0)
    steps = images.num_train // preset.batch_size
    iterator = iter(batches)
    for epoch in range(1 + FLAGS.epochs):
        start = time.perf_counter()
        for _ in itertools.islice(iterator, steps):
            pass
        rate = steps * preset.batch_size / (time.perf_counter() - start)
        print(f"{'first pass' if epoch == 0 else f'pass {epoch + 1}'}: {rate:,.0f} images/s")


if __name__ == "__main__":
    app.run(main)
