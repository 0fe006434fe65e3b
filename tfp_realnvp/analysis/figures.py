"""Computes the paper's figures, as images in rows and columns."""

import dataclasses
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from tfp_realnvp.analysis import latents
from tfp_realnvp.analysis.extrapolation import for_event_shape
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.utils.hints import ArrayLike, TensorLike


@dataclasses.dataclass(frozen=True)
class Figure:
    """Images in rows and columns, and the latents that they were decoded from.

    Attributes:
      images: Float array of pixel values, of shape `[rows, columns, height, width, channels]`;
        an animation has an axis of frames before these.
      latents: `Tensor` of shape `[n, *event_shape]`, latents that were computed from others, or
        None.
      conditional_input: Array of their conditions, or None.
    """

    images: np.ndarray
    latents: tf.Tensor | None = None
    conditional_input: np.ndarray | None = None


def samples(
    model: FlowModel,
    rows: int,
    columns: int,
    temperature: ArrayLike = 1.0,
    seed: int = 0,
    conditional_input: TensorLike | None = None,
    batch_size: int = 64,
) -> Figure:
    """Draws samples; each row has the same conditions.

    Args:
      model: `FlowModel` of images.
      rows, columns: Python `int`s.
      temperature: Python `float`, or one for each row; all rows then show the same latents.
      seed: Python `int`.
      conditional_input: Array of shape `[columns, size]`, for a conditional model.
      batch_size: Python `int`, images to decode at a time.

    Returns:
      `Figure`.
    """
    same = np.ndim(temperature) == 1
    images = [
        model.sample(
            columns,
            seed=seed if same else seed + row,
            temperature=float(factor),
            conditional_input=conditional_input,
            batch_size=batch_size,
        )
        for row, factor in enumerate(np.broadcast_to(temperature, rows))
    ]
    return Figure(np.stack(images))


def beside_data(
    model: FlowModel,
    images: np.ndarray,
    columns: int,
    temperature: float = 1.0,
    seed: int = 0,
    conditional_input: TensorLike | None = None,
    batch_size: int = 64,
) -> Figure:
    """Shows images of a data set on the left and as many samples on the right.

    Args:
      model: `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`, `n` a multiple of `columns`.
      columns: Python `int`, images in a row of either half.
      temperature: Python `float`.
      seed: Python `int`.
      conditional_input: Array of shape `[n, size]`, for a conditional model; a sample has the
        condition of the image in the same place.
      batch_size: Python `int`, images to decode at a time.

    Returns:
      `Figure`, with a white column between the halves.

    #### References
    Dinh et al. (2017), figure 5.
    """
    samples = model.sample(len(images), seed, temperature, conditional_input, batch_size)
    left, right = (np.reshape(half, [-1, columns, *images.shape[1:]]) for half in (images, samples))
    white = np.full_like(right[:, :1], np.inf)  # Clipped to the highest level.
    return Figure(np.concatenate([left, white, right], axis=1))


def reconstructions(
    model: FlowModel, images: np.ndarray, conditional_input: TensorLike | None = None, batch_size: int = 64
) -> Figure:
    """Shows images, and below each the image decoded from its latent.

    Args:
      model: `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`.
      conditional_input: Array of shape `[n, size]`, for a conditional model.
      batch_size: Python `int`, images to encode or decode at a time.

    Returns:
      `Figure` of two rows.
    """
    z = model.encode(images, conditional_input, batch_size)
    return Figure(np.stack([images, model.decode(z, conditional_input, batch_size)]))


def manifold(
    model: FlowModel,
    images: np.ndarray,
    conditional_input: np.ndarray | None = None,
    num_angles: int = 8,
    batch_size: int = 64,
) -> Figure:
    """Shows the manifold of four images (equation 19), or of eight as an animation.

    Args:
      model: `FlowModel` of images.
      images: Integer array of four or eight images, `[n, height, width, channels]`.
      conditional_input: Array of shape `[n, size]`, for a conditional model; all latents are
        decoded under the first condition.
      num_angles: Python `int`, number of rows and columns; an animation has 5 times as many
        frames.
      batch_size: Python `int`, images to decode at a time.

    Returns:
      `Figure` of `num_angles` rows and columns; for eight images with an axis of frames.

    Raises:
      ValueError: if there are neither four nor eight images.

    #### References
    Dinh et al. (2017), figure 6; for eight images the authors' code, whose third angle is
    time here, in 40 frames by default.
    """
    if len(images) not in (4, 8):
        raise ValueError(f"`images` must be four or eight; got {len(images)}.")
    turn = np.linspace(0, 2 * np.pi, num_angles, endpoint=False)
    angles = [turn, turn]
    if len(images) == 8:
        angles.append(np.linspace(0, 2 * np.pi, 5 * num_angles, endpoint=False))
    z = latents.manifold(model.encode(images, conditional_input), *angles)
    if len(images) == 8:
        z = tf.transpose(z, [2, 0, 1, 3, 4, 5])
    return _decoded(model, z, _first(conditional_input), batch_size)


def coarsest_scales(
    model: FlowModel,
    images: np.ndarray,
    num_scales: int,
    conditional_input: TensorLike | None = None,
    noise_seed: int | None = None,
    batch_size: int = 64,
) -> Figure:
    """Shows images decoded from fewer and fewer scales of their latents, the coarsest ones.

    Args:
      model: `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`.
      num_scales: Python `int`, number of scales of the `RealNVP`.
      conditional_input: Array of shape `[n, size]`, for a conditional model.
      noise_seed: Python `int`, to fill the finer scales with noise; by default they are zero.
      batch_size: Python `int`, images to encode or decode at a time.

    Returns:
      `Figure` with a row per image: first the image itself, then with all scales, without the
      finest, and so on; the last column has no scales left.

    #### References
    Dinh et al. (2017), appendix D; "compression" and "noise" in the authors' code.
    """
    z = model.encode(images, conditional_input, batch_size)
    noise = (
        None if noise_seed is None else tf.random.stateless_normal(z.shape, (0, noise_seed), dtype=z.dtype)
    )
    columns = [images]
    for kept in range(num_scales, -1, -1):
        part = latents.keep_coarsest(z, kept, num_scales, noise)
        columns.append(model.decode(part, conditional_input, batch_size))
    return Figure(np.stack(columns, axis=1))


def larger_samples(
    model: FlowModel,
    factor: int,
    rows: int,
    columns: int,
    temperature: ArrayLike = 1.0,
    seed: int = 0,
    conditional_input: TensorLike | None = None,
) -> Figure:
    """Draws samples larger than the images that the model was trained on.

    Args:
      model: `FlowModel` of an `image_distribution` of a `RealNVP`.
      factor: Python `int`, factor on height and width.
      rows, columns: Python `int`s.
      temperature: Python `float`, or one for each row, as in `samples`.
      seed: Python `int`.
      conditional_input: Array of shape `[columns, size]`, for a conditional model.

    Returns:
      `Figure`.

    #### References
    Dinh et al. (2017), appendix C; the authors' code has factors 2 and 10.
    """
    height, width, channels = model.distribution.event_shape
    larger = for_event_shape(model, (factor * height, factor * width, channels))
    return samples(larger, rows, columns, temperature, seed, conditional_input, batch_size=8)


def mosaic(
    model: FlowModel,
    images: np.ndarray,
    columns: int,
    conditional_input: np.ndarray | None = None,
    batch_size: int = 64,
) -> Figure:
    """Decodes the latents of images, side by side, as one large image.

    Args:
      model: `FlowModel` of an `image_distribution` of a `RealNVP`.
      images: Integer array of shape `[n, height, width, channels]`, `n` a multiple of `columns`.
      columns: Python `int`, images in a row.
      conditional_input: Array of shape `[n, size]`, for a conditional model; the mosaic is
        decoded under the first condition.
      batch_size: Python `int`, images to encode at a time.

    Returns:
      `Figure` of a single image.

    #### References
    "Concatenation" in the authors' code.
    """
    z = latents.mosaic(model.encode(images, conditional_input, batch_size), columns)[None]
    larger = for_event_shape(model, z.shape[1:])
    return Figure(larger.decode(z, _first(conditional_input)).numpy()[None])


def changed_conditions(
    model: FlowModel,
    images: np.ndarray,
    conditional_input: TensorLike,
    new_conditions: np.ndarray,
    batch_size: int = 64,
) -> Figure:
    """Shows images under other conditions: encoded under the true one, decoded under another.

    Args:
      model: Conditional `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`.
      conditional_input: Array of shape `[n, size]`.
      new_conditions: Array of shape `[n, m, size]`, `m` other conditions for each image.
      batch_size: Python `int`, images to encode or decode at a time.

    Returns:
      `Figure` with a row per image: first the image itself, then under each new condition.

    #### References
    Dinh et al. (2017), section 4.2 and appendix F: `g(f(x; y); y')`.
    """
    m = new_conditions.shape[1]
    z = np.repeat(model.encode(images, conditional_input, batch_size), m, axis=0)
    conditions = new_conditions.reshape(len(z), -1)
    changed = model.decode(z, conditions, batch_size).numpy().reshape(len(images), m, *images.shape[1:])
    return Figure(np.concatenate([np.asarray(images)[:, None], changed], axis=1), tf.constant(z), conditions)


def interpolations(
    model: FlowModel,
    images: np.ndarray,
    num_steps: int,
    conditional_input: np.ndarray | None = None,
    batch_size: int = 64,
) -> Figure:
    """Interpolates from one image to another through their latents.

    Args:
      model: `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`, `n` even. Each row leads
        from an image of the first half to one of the second half.
      num_steps: Python `int`, images in a row.
      conditional_input: Array of shape `[n, size]`, for a conditional model; all latents are
        decoded under the first condition.
      batch_size: Python `int`, images to encode or decode at a time.

    Returns:
      `Figure`.
    """
    first, second = tf.split(model.encode(images, conditional_input, batch_size), 2)
    z = latents.interpolation(first, second, num_steps)
    return _decoded(model, tf.transpose(z, [1, 0, 2, 3, 4]), _first(conditional_input), batch_size)


def arithmetic(
    model: FlowModel,
    images: np.ndarray,
    with_it: np.ndarray,
    without_it: np.ndarray,
    factors: Iterable[float] = (-2, -1, 0, 1, 2),
    conditional_input: TensorLike | None = None,
    batch_size: int = 64,
) -> Figure:
    """Moves images along the direction from latents without a property to latents with it.

    ```none
    z(factor) = encode(image) + factor (mean(encode(with_it)) - mean(encode(without_it)))
    ```

    Args:
      model: `FlowModel` of images.
      images: Integer array of shape `[n, height, width, channels]`, one per row.
      with_it, without_it: Such arrays of images with the property and of images without it.
      factors: Numbers, how far to move, one per column.
      conditional_input: Array of shape `[size]`, for a conditional model: the same condition
        for all images.
      batch_size: Python `int`, images to encode or decode at a time.

    Returns:
      `Figure`.
    """
    there, back, z = (model.encode(x, conditional_input, batch_size) for x in (with_it, without_it, images))
    direction = tf.reduce_mean(there, axis=0) - tf.reduce_mean(back, axis=0)
    z = tf.stack([z + factor * direction for factor in factors], axis=1)
    return _decoded(model, z, conditional_input, batch_size)


def _first(conditional_input):
    return None if conditional_input is None else conditional_input[0]


def _decoded(model, z, conditional_input, batch_size):
    """Decodes latents in rows and columns to a `Figure`."""
    flat = tf.reshape(z, [-1, *z.shape[-3:]])
    images = model.decode(flat, conditional_input, batch_size)
    return Figure(np.reshape(images, z.shape), flat, conditional_input)
