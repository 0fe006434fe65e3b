"""Explores the latents of a model, image by image, for several visitors at a time."""

import dataclasses
import threading

import numpy as np
import tensorflow as tf

from tfp_realnvp.analysis import latents
from tfp_realnvp.data import ImageData
from tfp_realnvp.images.bits_per_dim import bits_per_dim
from tfp_realnvp.images.image_distribution import flow_of
from tfp_realnvp.images.levels import quantize
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.utils.hints import ArrayLike, Seed


@dataclasses.dataclass(frozen=True)
class Shown:
    """Images as they are shown, and their bits per dimension.

    Attributes:
      pixels: uint8 array of shape `[n, height, width, channels]`.
      bits_per_dim: Float array of shape `[n]`, of exactly these integers, dequantised with the
        model's fixed noise.
    """

    pixels: np.ndarray
    bits_per_dim: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Anchors:
    """The four images that span a manifold.

    Attributes:
      shown: `Shown` of the four images.
      conditions: Array of shape `[4, size]`, or None.
      latents: `Tensor` of shape `[4, height, width, channels]`.
    """

    shown: Shown
    conditions: np.ndarray | None
    latents: tf.Tensor


class Explorer:
    """A trained model and test images to start from.

    It keeps no state of a visitor, and answers simultaneous requests one after the other.

    Args:
      model: `FlowModel` of an `image_distribution` of a `RealNVP`.
      data: `ImageData` that the images come from.
      images: uint8 array of shape `[n, height, width, channels]`.
      conditions: Array of shape `[n, size]`, for a conditional model.

    Attributes:
      data: `ImageData`.
      num_scales: Python `int`, number of scales of the `RealNVP`.
      num_conditions: Python `int`, size of a condition, or None.

    Raises:
      ValueError: if there are fewer than four images or, where conditions are classes, of one class.
    """

    def __init__(
        self,
        model: FlowModel,
        data: ImageData,
        images: np.ndarray,
        conditions: np.ndarray | None = None,
    ) -> None:
        self.data, self.num_scales = data, flow_of(model.distribution).num_scales
        self.num_conditions = None if conditions is None else data.num_conditions
        self._model, self._images, self._conditions = model, images, conditions
        self._turn = threading.Lock()
        self._starts = [i for i in range(len(images)) if self._alike(i).sum() >= 4]
        if not self._starts:
            of_class = "" if conditions is None or data.attributes else " of one class"
            raise ValueError(f"There must be four images{of_class}; there are {len(images)} in all.")

    def warm_up(self, *batch_sizes: int) -> None:
        """Compiles the model for batches of one image, of four, and of the given sizes.

        Args:
          *batch_sizes: Python `int`s.
        """
        anchors = self.anchors(np.random.default_rng(0))
        condition = None if anchors.conditions is None else anchors.conditions[0]
        for n in (1, *batch_sizes):
            self.decoded(tf.repeat(anchors.latents[:1], n, axis=0), condition)

    def condition(self, which: int | list[int]) -> np.ndarray | None:
        """Makes a condition from numbers of classes or attributes.

        Args:
          which: Python `int` or list of them, numbers of the class or the attributes.

        Returns:
          float32 array of shape `[num_conditions]`, or None for a model without conditions.
        """
        if self.num_conditions is None:
            return None
        condition = np.zeros(self.num_conditions, np.float32)
        condition[which] = 1
        return condition

    def anchors(self, random: np.random.Generator) -> Anchors:
        """Chooses four images, all of the same class if conditions are classes.

        Args:
          random: `np.random.Generator` that chooses them.

        Returns:
          `Anchors`.
        """
        chosen = random.choice(np.flatnonzero(self._alike(random.choice(self._starts))), 4, replace=False)
        conditions = None if self._conditions is None else self._conditions[chosen]
        return self._encoded(self._images[chosen], conditions)

    def replaced(self, anchors: Anchors, place: int, image: np.ndarray) -> Anchors:
        """Replaces one of the four images by another, which gets the condition of the replaced one.

        Args:
          anchors: `Anchors`.
          place: Python `int` from 0 to 3.
          image: uint8 array of shape `[height, width, channels]`.

        Returns:
          `Anchors`.
        """
        pixels = anchors.shown.pixels.copy()
        pixels[place] = image
        return self._encoded(pixels, anchors.conditions)

    def point(self, anchors: Anchors, phi: float, phi_prime: float) -> tf.Tensor:
        """Computes the latent at two angles of the manifold of equation 19.

        Args:
          anchors: `Anchors`.
          phi, phi_prime: Python `float`s, in radians; 0 and 0 give the latent of the first image.

        Returns:
          `Tensor` of shape `[height, width, channels]`.
        """
        return latents.manifold(anchors.latents, [phi], [phi_prime])[0, 0]

    def decoded(self, z: tf.Tensor, condition: ArrayLike | None = None) -> Shown:
        """Decodes latents to images.

        Args:
          z: `Tensor` of shape `[n, height, width, channels]`.
          condition: Array of shape `[size]`, for a conditional model.

        Returns:
          `Shown`.
        """
        conditions = None if condition is None else np.tile(condition, (len(z), 1))
        with self._turn:
            return self._shown(self._model.decode(z, conditions), conditions)

    def resampled(
        self,
        z: tf.Tensor,
        num_kept: int,
        num_draws: int,
        seed: Seed | None = None,
        temperature: float = 1.0,
        condition: ArrayLike | None = None,
    ) -> Shown:
        """Decodes images of a latent whose finer scales are redrawn by `latents.resample`.

        Args:
          z: `Tensor` of shape `[height, width, channels]`.
          num_kept, num_draws, seed, temperature: As in `latents.resample`.
          condition: Array of shape `[size]`, for a conditional model.

        Returns:
          `Shown` of `num_draws` images.
        """
        draws = latents.resample(z, num_kept, self.num_scales, num_draws, seed, temperature)
        return self.decoded(draws, condition)

    def _alike(self, number):
        if self._conditions is None:
            return np.ones(len(self._images), bool)
        return self.data.has_same_class(self._conditions, number)

    def _encoded(self, images, conditions):
        with self._turn:
            z = self._model.encode(images, conditions)
            return Anchors(self._shown(images, conditions), conditions, z)

    def _shown(self, images, conditions):
        pixels = quantize(images, self.data.num_levels)
        log_prob = self._model.predict_on_batch(pixels if conditions is None else (pixels, conditions))
        return Shown(pixels, bits_per_dim(log_prob, pixels.shape[1:]))
