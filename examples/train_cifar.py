"""Trains Real NVP on images and samples from it.

python examples/train_cifar.py --preset=tiny --out=runs/digits
python examples/train_cifar.py --preset=cifar10 --out=runs/cifar10
python examples/train_cifar.py --out=runs/cifar10 --resume

`--help` lists the options; `tfp_realnvp/training/run.py` does the work.
"""

import fast_start  # noqa: F401  # isort: skip

import sys

from absl import app, flags

from tfp_realnvp.training.configuration import Configuration
from tfp_realnvp.training.options import define_flags, given_flags
from tfp_realnvp.training.presets import PRESETS
from tfp_realnvp.training.run import RunOptions, train
from tfp_realnvp.utils.one_line_errors import one_line_errors

flags.DEFINE_enum("preset", None, sorted(PRESETS), "Configuration to start from; other flags override it.")
define_flags(Configuration, have_defaults=False)
define_flags(RunOptions)
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    preset = PRESETS[FLAGS.preset] if FLAGS.preset else None
    with one_line_errors():
        options = RunOptions(**given_flags(RunOptions, FLAGS))
    train(options, preset, **given_flags(Configuration, FLAGS))


if __name__ == "__main__":
    # Warnings only: at each checkpoint TensorFlow would write its duration into the progress bar.
    app.run(main, [sys.argv[0], "--verbosity=-1", *sys.argv[1:]])
