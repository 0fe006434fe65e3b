"""Lists the presets of train_cifar.py, with their models, sizes and the paper's results.

python examples/list_presets.py

Builds each model, so it takes some minutes for all.
"""

import fast_start  # noqa: F401  # isort: skip

import tensorflow as tf
from absl import app, flags

from tfp_realnvp.data import ImageData
from tfp_realnvp.training.presets import PRESETS

flags.DEFINE_multi_enum("preset", sorted(PRESETS), sorted(PRESETS), "Presets to list; all by default.")
FLAGS = flags.FLAGS

SIDES = {"cifar10": 32, "digits": 8, "imagenet32": 32}  # The others have 64 x 64 pixels.


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    print(
        "| preset | images | scales | blocks | filters | batch norm | flips | parameters "
        "| paper's bits/dim, full size |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for name in FLAGS.preset:
        print(row(name, PRESETS[name]), flush=True)


def row(name, preset):
    side = SIDES.get(preset.dataset, 64)
    shape = (side, side, 1 if preset.dataset == "digits" else 3)
    empty = tf.data.Dataset.range(0)  # The size of a model does not depend on the images.
    model = preset.for_images(ImageData(empty, empty, shape, num_classes=10)).build()
    cells = (
        name,
        f"{side}x{side}",
        model.distribution.bijector.bijectors[-1].num_scales,
        preset.num_residual_blocks,
        preset.base_filters,
        preset.use_batch_norm,
        preset.flip,
        f"{sum(v.value.shape.num_elements() for v in model.trainable_variables):,}",
        preset.paper_bits_per_dim or "-",
    )
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    app.run(main)
