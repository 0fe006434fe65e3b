"""What a training run is made of: a record that can be kept and rebuilds its model."""

import dataclasses
import json
import pathlib
from collections.abc import Callable
from typing import Any

import keras

from tfp_realnvp.data import DATASETS, ImageData, load
from tfp_realnvp.flows.real_nvp import RealNVP
from tfp_realnvp.images.image_distribution import image_distribution
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam
from tfp_realnvp.training.json_object import read_json_object
from tfp_realnvp.utils.arguments import known_shape
from tfp_realnvp.utils.hints import Path
from tfp_realnvp.utils.whole_file import whole_file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preset:
    """A data set, a model of it and how to train it.

    The defaults are those of the authors' released code (`real_nvp_multiscale_dataset.py`
    and its README) where nothing else is said; "4.1" is that section of the paper. A Python
    `bool` is False unless it says otherwise.

    Args:
      dataset: Name that `data.load` takes.
      num_scales: Python `int`, or None: until the last scale is 4 x 4 (4.1).
      num_residual_blocks, base_filters: Python `int`s; those of 4.1 for 32 x 32 images.
      use_batch_norm: Python `bool`, True by default.
      use_running_average: Python `bool`, appendix E's batch norm; off in the released code.
      synchronized: Python `bool`, batch norm over all devices that share a batch.
      batch_norm_momentum: Python `float`, as of `RealNVP`.
      rescale_latents: Python `bool`, the last scale's to a variance of 1; True by default, False in
        the released code.
      max_log_scale: Python `float`, of each coupling, or None, as in the paper.
      conditional: Python `bool`, whether classes, one-hot, or attributes of an image are its
        condition.
      flip: Python `bool`, whether to mirror training images at random.
      batch_size: Python `int` (4.1).
      epochs: Python `int`.
      steps_per_epoch: Python `int`, or None: once through the training split.
      learning_rate: Python `float`, of Adam (4.1).
      warmup_steps: Python `int`, batches over which the learning rate rises from 0.
      cosine_decay: Python `bool`, whether the learning rate falls to 0 at the end.
      ema_momentum: Python `float`, of moving averages of the weights, or None for the weights
        themselves.
      l2: Python `float`, on weight scales (4.1).
      clip_norm: Python `float`, of the gradient.
      dtype_policy: Name of Keras's policy of the networks, in training.
      recompute: Python `bool`, whether the backward pass rebuilds activations, in place of keeping them.
      num_validation: Python `int`, test images in each epoch's evaluation.
      recalibration_steps: Python `int`, batches of `FlowModel.recalibrate` after training.
      temperature: Python `float`, of the samples that are drawn.
      paper_bits_per_dim: Python `float` of table 1, on CIFAR-10's test split, else validation; or None.
      paper_train_bits_per_dim: Python `float`, in parentheses there, or None.
    """

    dataset: str = "digits"
    num_scales: int | None = None
    num_residual_blocks: int = 4
    base_filters: int = 32
    use_batch_norm: bool = True
    use_running_average: bool = False
    synchronized: bool = False
    batch_norm_momentum: float = 0.9
    rescale_latents: bool = True
    max_log_scale: float | None = None
    conditional: bool = False
    flip: bool = False
    batch_size: int = 64
    epochs: int = 10
    steps_per_epoch: int | None = None
    learning_rate: float = 1e-3
    warmup_steps: int = 0
    cosine_decay: bool = False
    ema_momentum: float | None = None
    l2: float = 5e-5
    clip_norm: float = 100.0
    dtype_policy: str = "float32"
    recompute: bool = False
    num_validation: int = 1024
    recalibration_steps: int = 0
    temperature: float = 1.0
    paper_bits_per_dim: float | None = None
    paper_train_bits_per_dim: float | None = None

    def changed(self, **given: Any) -> "Preset":
        """The preset with other values; of another data set the paper's figures are not those.

        Args:
          **given: Values of single names.

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
        """The configuration of a run on `images`.

        Args:
          images: `ImageData`.
          seed: Python `int`, of weights, order and noise, or None.
          data_dir, image_size: What `images` were loaded with.
          init_from: Name of the file of weights that training begins with, or None for new ones.

        Returns:
          `Configuration`.

        Raises:
          ValueError: if it is conditional, and the images have no labels.
        """
        if self.conditional:
            images.check_has_labels(data_dir)
        steps = self.steps_per_epoch or max(1, images.num_train // self.batch_size)
        return Configuration(
            **{**dataclasses.asdict(self), "steps_per_epoch": steps},
            event_shape=tuple(images.event_shape),
            num_levels=images.num_levels,
            num_conditions=images.num_conditions if self.conditional else None,
            seed=seed,
            data_dir=data_dir,
            image_size=image_size,
            init_from=init_from,
        )


LENGTHS = "epochs", "steps_per_epoch", "recalibration_steps"
"""What may change where a run goes on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Configuration(Preset):
    """A `Preset` for given images, as `Preset.for_images` makes it.

    Args:
      event_shape: `(height, width, channels)`.
      num_levels: Python `int`, number of values a pixel takes.
      num_conditions: Python `int`, size of a condition, or None.
      seed: Python `int`, of weights, order and noise, or None.
      data_dir, image_size: As of `data.load`.
      init_from: Name of the file of weights that training begins with, or None for new ones.
      **preset: As of `Preset`.
    """

    event_shape: tuple
    num_levels: int
    num_conditions: int | None
    seed: int | None = None
    data_dir: str | None = None
    image_size: int | None = None
    init_from: str | None = None

    def build(self, weights: Path | None = None) -> FlowModel:
        """The model, compiled.

        Args:
          weights: Name of a `.weights.h5` or `.keras` file, or None for new weights. What an
            optimizer has left there is not used.

        Returns:
          `FlowModel`.

        Raises:
          ValueError: if `weights` cannot be loaded.
        """
        flow = RealNVP(
            self.event_shape,
            num_scales=self.num_scales,
            num_residual_blocks=self.num_residual_blocks,
            base_filters=self.base_filters,
            use_batch_norm=self.use_batch_norm,
            use_running_average=self.use_running_average,
            synchronized=self.synchronized,
            rescale_latents=self.rescale_latents,
            batch_norm_momentum=self.batch_norm_momentum,
            max_log_scale=self.max_log_scale,
            conditional_event_shape=(self.num_conditions,) if self.conditional else None,  # type: ignore[arg-type]
            dtype_policy=self.dtype_policy,
            recompute=self.recompute,
        )
        model = FlowModel(image_distribution(flow, self.num_levels), l2=self.l2, seed=self.seed)
        if weights:
            loaded(weights, model.load_weights)
        averaging = {"use_ema": True, "ema_momentum": self.ema_momentum} if self.ema_momentum else {}
        adam = FusedAdam(self.learning_rate_schedule(), global_clipnorm=self.clip_norm, **averaging)
        model.compile(adam, skip_non_finite=True)
        return model

    def learning_rate_schedule(self) -> float | keras.optimizers.schedules.LearningRateSchedule:
        """Python `float`, or a `keras.optimizers.schedules.LearningRateSchedule`."""
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
        """The images.

        Args:
          data_dir: Where they are, by default where they were.

        Returns:
          `ImageData`.
        """
        return load(self.dataset, data_dir or self.data_dir, self.image_size)

    def continued(self, preset: Preset | None = None, **given: Any) -> "Configuration":
        """The configuration of a run that goes on, of other lengths where these are given.

        Args:
          preset: `Preset` that this one is to be of, or None.
          **given: Values of single names.

        Returns:
          `Configuration`.

        Raises:
          ValueError: if a value is given that must stay what it is.
        """
        lengths = {name: given.pop(name) for name in LENGTHS if name in given}
        asked = {**(dataclasses.asdict(preset) if preset else {}), **given}
        others = sorted(n for n, value in asked.items() if n not in LENGTHS and value != getattr(self, n))
        if others:
            raise ValueError(
                f"Where a run goes on, only {', '.join(LENGTHS)} may be others than its own; given was "
                + ", ".join(f"{name} {asked[name]!r} for {getattr(self, name)!r}" for name in others)
            )
        return dataclasses.replace(self, **lengths)

    def without_lengths(self) -> dict[str, Any]:
        """Dictionary of what must stay the same where a run goes on."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in LENGTHS}

    def write(self, path: Path) -> None:
        """Writes the record to a JSON file.

        Args:
          path: Name of the file.
        """
        with whole_file(path) as partial:
            pathlib.Path(partial).write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Configuration":
        """The record in a JSON file that `write` wrote.

        Args:
          path: Name of the file.

        Returns:
          `Configuration`.

        Raises:
          FileNotFoundError: if there is none.
          ValueError: if it is no JSON object, a name in it is missing or unknown, or a value
            is of another type.
        """
        record = read_json_object(path)
        kinds = {field.name: field.type for field in dataclasses.fields(cls)}
        for kind, those in (
            ("lacks", kinds.keys() - record.keys()),
            ("has unknown", record.keys() - kinds.keys()),
        ):
            if those:
                raise ValueError(f"`{path}` is no configuration of this version: it {kind} {sorted(those)}.")
        if isinstance(record["event_shape"], list):
            record["event_shape"] = known_shape(record["event_shape"], f"event_shape` of `{path}")
        for name, value in record.items():
            if not _is_of(value, kinds[name]):
                needed = getattr(kinds[name], "__name__", kinds[name])
                raise ValueError(f"`{name}` of `{path}` must be {needed}; got {value!r}.")
        if record["dataset"] not in DATASETS:
            raise ValueError(f"`dataset` of `{path}` must be one of {DATASETS}; got {record['dataset']!r}.")
        return cls(**record)


def loaded(path: Path, load: Callable[[Path], Any]) -> Any:
    """What `load` makes of a file; a ValueError that names the file if it cannot be loaded.

    Args:
      path: Name of the file.
      load: Function of `path`.

    Returns:
      What `load` returns.

    Raises:
      ValueError: if `load` raises anything.
    """
    try:
        return load(path)
    except Exception as error:  # Keras raises many kinds.
        raise ValueError(f"`{path}` cannot be loaded: {' '.join(str(error).split())}") from error


def _is_of(value, kind):
    """Whether a value from JSON is of a type; a whole number is a float as well, a bool no number."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, kind) or (isinstance(value, int) and isinstance(0.0, kind))
