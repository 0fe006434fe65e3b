"""Operations on the latents of images: manifolds, interpolation, scales, mosaics."""

import functools

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.flows.scales import scales
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.utils.hints import ArrayLike, Seed, TensorLike
from tfp_realnvp.utils.seeds import stateless_seed

tfb = tfp.bijectors


def manifold(latents: TensorLike, *angles: ArrayLike) -> tf.Tensor:
    """Combines latents on a sphere, so that the results also have the norm of Gaussian noise.

    For four latents and two angles, equation 19,

    ```none
    z = cos(a1) (cos(a2) z1 + sin(a2) z2) + sin(a1) (cos(a2) z3 + sin(a2) z4)
    ```

    for two latents and one angle `cos(a) z1 + sin(a) z2`, for eight latents and three
    angles the formula in the authors' code.

    Args:
      latents: `Tensor` of `2 ** len(angles)` latents, of shape `[2 ** k, *event_shape]`.
      *angles: For each of the `k` angles a one-dimensional array of its values, in radians.

    Returns:
      `Tensor` of shape `[len(angles[0]), ..., len(angles[k - 1]), *event_shape]`.

    Raises:
      ValueError: if the number of latents is not two to the power of the number of angles.

    #### References
    Dinh et al. (2017), section 4.2, equation 19.
    """
    latents = tf.convert_to_tensor(latents)
    if not angles or latents.shape[0] != 2 ** len(angles):
        raise ValueError(
            f"`latents` must be two to the number of angles; got {latents.shape[0]} for {len(angles)} angles."
        )
    factors = [np.stack([np.cos(a), np.sin(a)], axis=-1) for a in angles]
    # [n, 2] and [m, 2] to [n, m, 2, 2] and so on, the earlier angle first.
    outer = functools.reduce(lambda a, b: np.multiply.outer(a, b), factors)
    k = len(angles)
    outer = np.transpose(outer, [*range(0, 2 * k, 2), *range(1, 2 * k, 2)])
    weights = tf.cast(outer.reshape(*outer.shape[:k], 2**k), latents.dtype)
    return tf.tensordot(weights, latents, 1)


def interpolation(first: TensorLike, second: TensorLike, num_steps: int) -> tf.Tensor:
    """Interpolates from one latent to another in equal angles.

    ```none
    z = cos(a) first + sin(a) second,   a from 0 to pi / 2
    ```

    Args:
      first, second: `Tensor`s of latents, of the same shape.
      num_steps: Python `int`, number of latents, including both ends.

    Returns:
      `Tensor` of shape `[num_steps, *first.shape]`.
    """
    return manifold(tf.stack([first, second]), np.linspace(0, np.pi / 2, num_steps))


def keep_coarsest(
    latents: TensorLike, num_kept: int, num_scales: int, noise: TensorLike | None = None
) -> tf.Tensor:
    """Keeps only the coarsest scales of latents, as a compressed image would.

    Args:
      latents: `Tensor` of shape `[..., height, width, channels]`.
      num_kept: Python `int` from 0 to `num_scales`, number of scales to keep.
      num_scales: Python `int`, number of scales of the `RealNVP`.
      noise: `Tensor` that broadcasts against `latents` and replaces the finer scales; zeros
        by default.

    Returns:
      `Tensor` of the shape of `latents`.

    Raises:
      ValueError: if `num_kept` is out of range.

    #### References
    Dinh et al. (2017), appendix D; in the authors' code "compression" with zeros and
    "noise" with noise.
    """
    if not 0 <= num_kept <= num_scales:
        raise ValueError(f"`num_kept` must be from 0 to `num_scales`, {num_scales}; got {num_kept}.")
    latents = tf.convert_to_tensor(latents)
    stays = scales(tuple(latents.shape[-3:]), num_scales) >= num_scales - num_kept
    return tf.where(stays, latents, tf.zeros_like(latents) if noise is None else noise)


def resample(
    latents: TensorLike,
    num_kept: int,
    num_scales: int,
    num_draws: int,
    seed: Seed | None = None,
    temperature: float = 1.0,
) -> tf.Tensor:
    """Keeps the coarsest scales of a latent and redraws the finer ones.

    Args:
      latents: `Tensor` of shape `[height, width, channels]`, a single one.
      num_kept: Python `int` from 0 to `num_scales`, number of scales to keep.
      num_scales: Python `int`, number of scales of the `RealNVP`.
      num_draws: Python `int`.
      seed: Python `int` or stateless seed `Tensor` of shape `[2]`, for the same draws each
        time, or None.
      temperature: Python `float`, the standard deviation of the finer scales.

    Returns:
      `Tensor` of shape `[num_draws, height, width, channels]`.

    Raises:
      ValueError: if `num_kept` is out of range.
    """
    latents = tf.convert_to_tensor(latents)
    shape = num_draws, *latents.shape
    noise = tf.random.stateless_normal(shape, stateless_seed(seed), dtype=latents.dtype)
    return keep_coarsest(tf.broadcast_to(latents, shape), num_kept, num_scales, temperature * noise)


def mosaic(latents: tf.Tensor, columns: int) -> tf.Tensor:
    """Puts latents side by side, as the latent of one large image.

    Args:
      latents: `Tensor` of shape `[rows * columns, height, width, channels]`.
      columns: Python `int`.

    Returns:
      `Tensor` of shape `[rows * height, columns * width, channels]`.

    #### References
    "Concatenation" in the authors' code.
    """
    n, height, width, channels = latents.shape
    rows = tf.reshape(latents, [n // columns, columns, height, width, channels])
    return tf.reshape(tf.transpose(rows, [0, 2, 1, 3, 4]), [n // columns * height, columns * width, channels])


def round_trip_error(
    model: FlowModel, latents: TensorLike, conditional_input: TensorLike | None = None, batch_size: int = 64
) -> float:
    """Measures how exactly latents come back from their images, `|encode(decode(z)) - z|`.

    Args:
      model: `FlowModel`.
      latents: `Tensor` of shape `[n, *event_shape]`.
      conditional_input: `Tensor` of conditions, for a conditional flow.
      batch_size: Python `int`.

    Returns:
      Python `float`, the largest difference in any element; latents have standard deviation 1.
    """
    images = model.decode(latents, conditional_input, batch_size=batch_size)
    again = model.encode(images, conditional_input, batch_size=batch_size)
    return float(tf.reduce_max(tf.abs(again - latents)))
