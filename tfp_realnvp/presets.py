"""Training configurations by name, among them the paper's."""

import dataclasses

import keras

from tfp_realnvp.flow_model import FlowModel
from tfp_realnvp.images import image_distribution
from tfp_realnvp.real_nvp import RealNVP


@dataclasses.dataclass(frozen=True)
class Preset:
    """A data set, a model and how to train it.

    The defaults are those of the authors' released code (`real_nvp_multiscale_dataset.py`
    and its README) where nothing else is said.
    """

    dataset: str = "digits"
    num_scales: int | None = None  # Until the last scale is 4 x 4; paper, section 4.1.
    num_residual_blocks: int = 4  # Paper, section 4.1, for 32 x 32 images.
    base_filters: int = 32  # Paper, section 4.1, for 32 x 32 images.
    use_batch_norm: bool = True
    conditional: bool = False  # The class of an image as a condition, one-hot.
    flip: bool = False  # Mirror training images at random.
    batch_size: int = 64  # Paper, section 4.1.
    epochs: int = 10
    steps_per_epoch: int | None = None  # Once through the training split.
    learning_rate: float = 1e-3  # Adam's default, paper, section 4.1.
    cosine_decay: bool = False
    weight_averaging: bool = False
    l2: float = 5e-5  # On weight scales; paper, section 4.1.
    clip_norm: float = 100.0
    dtype_policy: str = "float32"  # Of the networks, in training.
    recalibration_steps: int = 0  # Batches of `FlowModel.recalibrate` after training.
    temperature: float = 1.0  # Of the samples that are drawn.

    def steps(self, images):
        """Python `int`, batches in an epoch of `images`, an `ImageData`."""
        return self.steps_per_epoch or images.num_train // self.batch_size

    def build(self, images, seed=None):
        """The model of this configuration for `images`, an `ImageData`, compiled."""
        flow = RealNVP(
            images.event_shape,
            num_scales=self.num_scales,
            num_residual_blocks=self.num_residual_blocks,
            base_filters=self.base_filters,
            use_batch_norm=self.use_batch_norm,
            conditional_event_shape=(images.num_classes,) if self.conditional else None,
            dtype_policy=self.dtype_policy,
        )
        model = FlowModel(image_distribution(flow, images.num_levels), l2=self.l2, seed=seed)
        learning_rate = self.learning_rate
        if self.cosine_decay:
            steps = self.epochs * self.steps(images)
            learning_rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
        averaging = {"use_ema": True, "ema_momentum": 0.99} if self.weight_averaging else {}
        model.compile(keras.optimizers.Adam(learning_rate, global_clipnorm=self.clip_norm, **averaging))
        return model


PRESETS = {
    # Paper, section 4.1: CIFAR-10 has 8 blocks, 64 filters, one downscaling, flips. Its length
    # of training is not stated; about 100 epochs reach what is reported of other
    # implementations.
    "cifar10": Preset(
        "cifar10",
        num_scales=2,
        num_residual_blocks=8,
        base_filters=64,
        flip=True,
        epochs=100,
        recalibration_steps=64,
    ),
    # A small one for a CPU.
    "cifar10_small": Preset(
        "cifar10",
        num_scales=2,
        num_residual_blocks=4,
        base_filters=32,
        flip=True,
        epochs=20,
        recalibration_steps=64,
    ),
    # Digits in about two minutes on a CPU. Batch norm over-fits so small a set, and without
    # the class only a part of the samples can be read.
    "tiny": Preset(
        "digits",
        num_scales=2,
        num_residual_blocks=1,
        base_filters=24,
        use_batch_norm=False,
        conditional=True,
        epochs=10,
        steps_per_epoch=100,
        learning_rate=2e-3,
        cosine_decay=True,
        weight_averaging=True,
        temperature=0.8,
    ),
}
