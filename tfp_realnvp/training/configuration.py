"""The configuration of a training run: a record that can be saved and rebuilds its model."""

import dataclasses
import json
import pathlib
from dataclasses import MISSING
from typing import Any

import keras

from tfp_realnvp.data import DATASETS, ImageData, load
from tfp_realnvp.flows.real_nvp import RealNVP
from tfp_realnvp.images.image_distribution import image_distribution
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam
from tfp_realnvp.training.json_object import read_json_object
from tfp_realnvp.training.load_file import load_file
from tfp_realnvp.training.options import check_options, documented, flow_arguments, of_record, option
from tfp_realnvp.utils.arguments import known_shape
from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.whole_file import whole_file


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A data set, a model of it and how to train it.

    Unless stated otherwise, defaults are from the authors' released code
    (`real_nvp_multiscale_dataset.py` and its README); "4.1" is that section of the paper.

    Args:
      {options}

    Raises:
      TypeError, ValueError: if an option has another type, or is out of its range.
    """

    dataset: str = option("digits", "Name of the data set to train on, for `data.load`.", choices=DATASETS)
    num_scales: int | None = option(
        None, "Number of scales; by default until the last has 4 x 4 pixels (4.1).", least=1, is_of_flow=True
    )
    num_residual_blocks: int = option(
        4, "Residual blocks of each network; 4.1 has 4 for 32 x 32 images.", least=0, is_of_flow=True
    )
    base_filters: int = option(
        32, "Channels of the first scale's networks; 4.1 has 32 for 32 x 32 images.", least=1, is_of_flow=True
    )
    use_batch_norm: bool = option(True, "Batch norm in the networks and after couplings.", is_of_flow=True)
    use_running_average: bool = option(
        False,
        "Use the batch norm of the paper's appendix E; the released code has another.",
        is_of_flow=True,
    )
    synchronized: bool = option(False, "Batch norm over all devices that share a batch.", is_of_flow=True)
    batch_norm_momentum: float = option(
        0.9, "Momentum of batch norm after couplings.", least=0, most=1, is_of_flow=True
    )
    rescale_latents: bool = option(
        True, "Give the last scale's latents a variance of 1; in the released code it is 2.", is_of_flow=True
    )
    max_log_scale: float | None = option(
        None, "Bound of the log-scale in each coupling; the paper has none.", least=0, is_of_flow=True
    )
    conditional: bool = option(False, "Condition on the classes or attributes of the images.")
    flip: bool = option(False, "Mirror training images at random.")
    batch_size: int = option(64, "Images in a batch (4.1).", least=1)
    epochs: int = option(10, "Epochs, each ended by an evaluation.", least=1)
    steps_per_epoch: int | None = option(
        None, "Batches in an epoch; by default one pass over the training split.", least=1
    )
    learning_rate: float = option(1e-3, "Learning rate of Adam (4.1).", least=0)
    warmup_steps: int = option(0, "Batches over which the learning rate rises from 0.", least=0)
    cosine_decay: bool = option(False, "Let the learning rate fall to 0 over the epochs.")
    ema_momentum: float | None = option(
        None,
        "Momentum of moving averages of the weights, which are evaluated and saved; 0 for none.",
        least=0,
        most=1,
    )
    l2: float = option(5e-5, "Factor of the L2 term on weight scales (4.1).", least=0)
    clip_norm: float = option(100.0, "Largest norm of the gradient.", least=0)
    dtype_policy: str = option(
        "float32",
        "Keras's dtype policy of the networks in training.",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
        is_of_flow=True,
    )
    recompute: bool = option(
        False,
        "Rebuild activations in the backward pass: less memory, more time, the same numbers.",
        is_of_flow=True,
    )
    num_validation: int = option(1024, "Test images in each epoch's evaluation.", least=1)
    recalibration_steps: int = option(
        0,
        "Batches to compute moving statistics from after training; 0 keeps the ones from training.",
        least=0,
    )
    temperature: float = option(1.0, "Temperature of the samples.", least=0)
    paper_bits_per_dim: float | None = option(
        None,
        "Bits/dim in the paper's table 1: on the test split of CIFAR-10, else on validation.",
        is_flag=False,
    )
    paper_train_bits_per_dim: float | None = option(None, "The same in training.", is_flag=False)

    def __post_init__(self) -> None:
        check_options(self)

    def changed(self, **given: Any) -> "Preset":
        """Returns the preset with other values, without the paper's bits/dim if the data set changes.

        Args:
          **given: Values of options by name.

        Returns:
          `Preset`.
        """
        if given.get("dataset", self.dataset) != self.dataset:
            given = {"paper_bits_per_dim": None, "paper_train_bits_per_dim": None, **given}
        return dataclasses.replace(self, **given)

    def for_images(
        self,
        images: ImageData,
        seed: int | None = None,
        data_dir: str | None = None,
        image_size: int | None = None,
        init_from: str | None = None,
    ) -> "Configuration":
        """Makes the configuration of a run on `images`.

        Args:
          images: `ImageData`.
          seed: Python `int`, seed of weights, order and noise, or None.
          data_dir, image_size: The arguments with which `images` were loaded.
          init_from: Name of a file with the initial weights, or None for new ones.

        Returns:
          `Configuration`.

        Raises:
          ValueError: if the preset is conditional, and the images have no labels.
        """
        if self.conditional:
            images.check_has_labels(data_dir)
        config = Configuration(
            **dataclasses.asdict(self),
            event_shape=tuple(images.event_shape),
            num_levels=images.num_levels,
            num_conditions=images.num_conditions if self.conditional else None,
            seed=seed,
            data_dir=data_dir,
            image_size=image_size,
            init_from=init_from,
        )
        return config.with_steps(images)


LENGTHS = "epochs", "steps_per_epoch", "recalibration_steps"
"""Options that may change when a run resumes."""


@documented
@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration(Preset):
    """A `Preset` for given images, as `Preset.for_images` makes it.

    Args:
      {options}
      **preset: As in `Preset`.

    Raises:
      TypeError, ValueError: if an option has another type, or is out of its range.
    """

    event_shape: tuple = option(MISSING, "`(height, width, channels)` of an image.", is_flag=False)
    num_levels: int = option(MISSING, "Number of values that a pixel takes.", is_flag=False)
    num_conditions: int | None = option(MISSING, "Size of a condition.", is_flag=False)
    seed: int | None = option(None, "Seed of weights, order and noise; a new run uses 0 by default.")
    data_dir: str | None = option(None, "TFDS folder, folder of images, or .npy or .npz file.")
    image_size: int | None = option(None, "Side to which the images of a folder are resized.", least=2)
    init_from: str | None = option(None, "A .weights.h5 or .keras file with the initial weights.")

    def build(self, weights: Path | None = None) -> FlowModel:
        """Builds and compiles the model.

        Args:
          weights: Name of a `.weights.h5` or `.keras` file, or None for new weights. The state of
            an optimizer in the file is ignored.

        Returns:
          `FlowModel`.

        Raises:
          ValueError: if `weights` cannot be loaded.
        """
        flow = RealNVP(
            self.event_shape,
            **flow_arguments(self),
            conditional_event_shape=(self.num_conditions,) if self.conditional else None,  # type: ignore[arg-type]
        )
        model = FlowModel(image_distribution(flow, self.num_levels), l2=self.l2, seed=self.seed)
        if weights:
            load_file(weights, model.load_weights)
        averaging = {"use_ema": True, "ema_momentum": self.ema_momentum} if self.ema_momentum else {}
        adam = FusedAdam(self.learning_rate_schedule(), global_clipnorm=self.clip_norm, **averaging)
        model.compile(adam, skip_non_finite=True)
        return model

    def with_steps(self, images: ImageData) -> "Configuration":
        """The same, with the batches of the training split as `steps_per_epoch` where that is None.

        Args:
          images: `ImageData`.

        Returns:
          `Configuration`.
        """
        steps = self.steps_per_epoch or max(1, images.num_train // self.batch_size)
        return dataclasses.replace(self, steps_per_epoch=steps)

    def learning_rate_schedule(self) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """The learning rate: Python `float` or `keras.optimizers.schedules.LearningRateSchedule`."""
        schedules, warmup = keras.optimizers.schedules, self.warmup_steps
        if self.cosine_decay:
            decay_steps = max(1, self.epochs * self.steps_per_epoch - warmup)  # type: ignore[operator]  # `for_images` sets it.
            if not warmup:
                return schedules.CosineDecay(self.learning_rate, decay_steps)
            return schedules.CosineDecay(
                0.0, decay_steps, warmup_target=self.learning_rate, warmup_steps=warmup
            )
        if warmup:
            return schedules.PolynomialDecay(0.0, warmup, self.learning_rate)
        return self.learning_rate

    def images(self, data_dir: str | None = None) -> ImageData:
        """Loads the images.

        Args:
          data_dir: Location of the images; by default as in the configuration.

        Returns:
          `ImageData`.
        """
        return load(self.dataset, data_dir or self.data_dir, self.image_size)

    def continued(self, preset: Preset | None = None, **given: Any) -> "Configuration":
        """Returns the configuration of a resumed run, with other lengths if they are given.

        Args:
          preset: `Preset` that must agree with this configuration, or None.
          **given: Values of options by name.

        Returns:
          `Configuration`.

        Raises:
          ValueError: if an option that must stay the same has another value.
        """
        lengths = {name: given.pop(name) for name in LENGTHS if name in given}
        asked = {**(dataclasses.asdict(preset) if preset else {}), **given}
        others = sorted(n for n in asked.keys() - set(LENGTHS) if not self._has(n, asked[n], n in given))
        if others:
            raise ValueError(
                f"Where a run goes on, only {', '.join(LENGTHS)} may be others than its own; given was "
                + ", ".join(f"{name} {asked[name]!r} for {getattr(self, name)!r}" for name in others)
            )
        return dataclasses.replace(self, **lengths)

    def _has(self, name, value, is_given):
        """True if an option has a value, or is of before it existed where a preset has its default."""
        own, field = getattr(self, name), type(self).__dataclass_fields__[name]
        is_older = value == field.default and own == field.metadata["before"]
        return own == value or (is_older and not is_given)

    def without_lengths(self) -> dict[str, Any]:
        """Dictionary of the options that must stay the same when a run resumes."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in LENGTHS}

    def write(self, path: Path) -> None:
        """Writes the configuration to a JSON file.

        Args:
          path: Name of the file.
        """
        with whole_file(path) as partial:
            pathlib.Path(partial).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """Reads a configuration from a JSON file that `write` wrote.

        Args:
          path: Name of the file.

        Returns:
          `Configuration`.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is not a JSON object, a required name is missing or one is unknown, or a
            value is not allowed.
        """
        record = read_json_object(path)
        if isinstance(record.get("event_shape"), list):
            record["event_shape"] = known_shape(record["event_shape"], f"event_shape` of `{path}")
        return of_record(cls, record, str(path))
