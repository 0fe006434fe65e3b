"""Training configurations by name, including the paper's."""

import dataclasses

from tfp_realnvp.training.configuration import Preset


def _of_side_64(dataset, bits_per_dim, train_bits_per_dim, epochs, flip=True):
    """Section 4.1 for 64 x 64 images: 2 blocks, flips, scales until the last is 4 x 4, so 5.

    32 filters are the released code's default; the paper gives filters for 32 x 32 images only.
    """
    return Preset(
        dataset=dataset,
        num_residual_blocks=2,
        flip=flip,
        epochs=epochs,
        paper_bits_per_dim=bits_per_dim,
        paper_train_bits_per_dim=train_bits_per_dim,
    )


# The paper's models, with table 1's bits/dim. The paper does not state how long it trains: these
# epochs are about 80,000 steps of 64 images, as other implementations report.
PAPER = {
    # Section 4.1: 8 blocks, 64 filters, one downscaling, flips. Not in the released code. The
    # text says that appendix E's batch norm was used here, but its momentum is not known.
    "cifar10": Preset(
        dataset="cifar10",
        num_scales=2,
        num_residual_blocks=8,
        base_filters=64,
        flip=True,
        epochs=100,
        recalibration_steps=64,
        paper_bits_per_dim=3.49,
    ),
    # Section 4.1: 4 blocks, 32 filters, no flips; 4 scales.
    "imagenet32": Preset(
        dataset="imagenet32", epochs=4, paper_bits_per_dim=4.28, paper_train_bits_per_dim=4.26
    ),
    "imagenet64": _of_side_64("imagenet64", 3.98, 3.75, epochs=4, flip=False),
    "celeba": _of_side_64("celeba", 3.02, 2.97, epochs=32),
    "lsun_bedroom": _of_side_64("lsun_bedroom", 2.72, 2.70, epochs=2),
    "lsun_tower": _of_side_64("lsun_tower", 2.81, 2.78, epochs=8),
    "lsun_church_outdoor": _of_side_64("lsun_church_outdoor", 3.08, 2.94, epochs=40),
}


def _small(preset):
    """Half the blocks and half the filters, and 16,000 steps, for one CPU."""
    return dataclasses.replace(
        preset,
        num_residual_blocks=preset.num_residual_blocks // 2,
        base_filters=preset.base_filters // 2,
        epochs=20,
        steps_per_epoch=800,
        recalibration_steps=64,
    )


PRESETS = {
    **PAPER,
    **{f"{name}_small": _small(preset) for name, preset in PAPER.items()},
    # Chosen by short training runs, which the card of the pretrained model reports.
    "cifar10_small": dataclasses.replace(
        _small(PAPER["cifar10"]), batch_size=32, learning_rate=4e-3, ema_momentum=0.999
    ),
    # Digits in about two minutes on a CPU. Batch norm overfits such a small data set, and
    # without the class only some of the samples are legible.
    "tiny": Preset(
        dataset="digits",
        num_scales=2,
        num_residual_blocks=1,
        base_filters=24,
        use_batch_norm=False,
        conditional=True,
        epochs=10,
        steps_per_epoch=100,
        learning_rate=2e-3,
        cosine_decay=True,
        ema_momentum=0.99,
        temperature=0.8,
    ),
}
