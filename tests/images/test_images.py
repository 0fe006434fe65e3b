"""Pixel values, noise, bits per dimension, masks and grids."""

import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

import tfp_realnvp as rnvp
from tfp_realnvp.analysis import image_grid
from tfp_realnvp.images.levels import quantize


def test_checkerboard_mask():
    mask = rnvp.checkerboard_mask((3, 4, 2))
    assert mask.shape == (3, 4, 2)
    assert mask.dtype == bool
    for i in range(3):
        for j in range(4):
            assert (mask[i, j] == ((i + j) % 2 == 0)).all()
    np.testing.assert_array_equal(rnvp.checkerboard_mask((3, 4, 2), invert=True), ~mask)
    np.testing.assert_array_equal(rnvp.checkerboard_mask((5,)), [True, False, True, False, True])


def test_channel_mask():
    mask = rnvp.channel_mask((2, 2, 6))
    assert mask[..., :3].all()
    assert not mask[..., 3:].any()
    np.testing.assert_array_equal(rnvp.channel_mask((2, 2, 6), invert=True), ~mask)
    np.testing.assert_array_equal(rnvp.channel_mask((3,)), [True, False, False])


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_dequantize(dtype):
    images = np.arange(256, dtype=dtype).repeat(4096).reshape(16, -1)
    noisy = rnvp.dequantize(images, seed=3)
    np.testing.assert_array_equal(np.floor(noisy), images)  # Never rounded up to the next level.
    noise = noisy.numpy().astype(np.float64) - images
    np.testing.assert_allclose([noise.mean(), noise.std()], [0.5, 12**-0.5], atol=1e-3)
    np.testing.assert_array_equal(noisy, rnvp.dequantize(images, seed=3))
    assert np.abs(noisy - rnvp.dequantize(images, seed=4)).max() > 0.5
    assert np.abs(rnvp.dequantize(images) - rnvp.dequantize(images)).max() > 0.5
    with pytest.raises(TypeError, match="integers"):
        rnvp.dequantize(images.astype(np.float32))


def test_bits_per_dim_of_a_uniform_density():
    log_prob = np.array([-12 * np.log(256.0), -12 * np.log(2.0)])
    np.testing.assert_allclose(rnvp.bits_per_dim(log_prob, (2, 2, 3)), [8.0, 1.0])


@pytest.mark.parametrize("num_levels", [2, 17, 256])
def test_pixels_are_where_they_should_be(num_levels):
    dist = rnvp.image_distribution(rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=2), num_levels)
    pixels = tf.constant(np.linspace(0, num_levels, 16, dtype=np.float32).reshape(1, 4, 4, 1))
    logits = dist.bijector.bijectors[0].inverse(pixels)
    share = 0.05 + 0.9 * pixels / num_levels
    np.testing.assert_allclose(logits, np.log(share / (1 - share)), rtol=1e-4, atol=1e-5)
    assert np.isfinite(dist.log_prob(pixels)).all()
    assert dist.event_shape == (4, 4, 1)
    assert dist.batch_shape == ()
    samples = dist.sample(100, seed=(0, 1))
    assert np.isfinite(samples).all()
    margin = num_levels * 0.05 / 0.9
    assert samples.numpy().min() >= -margin
    assert samples.numpy().max() <= num_levels + margin


def test_a_density_over_pixels_integrates_to_one():
    flow = rnvp.BatchNormalization((1,), dtype="float64")
    flow.layer.moving_mean.assign([0.4])
    flow.layer.moving_variance.assign([2.0])
    dist = rnvp.image_distribution(flow, num_levels=4, event_shape=(1,))
    margin = 4 * 0.05 / 0.9
    x = np.linspace(-margin, 4 + margin, 200_003)[1:-1]
    np.testing.assert_allclose(np.exp(dist.log_prob(x[:, None])).sum() * (x[1] - x[0]), 1.0, atol=1e-5)


@pytest.mark.parametrize("num_levels, dtype", [(17, np.uint8), (256, np.uint8), (1000, np.int32)])
def test_quantize_undoes_dequantize(num_levels, dtype):
    images = np.random.default_rng(0).integers(0, num_levels, (2, 4, 4, 3))
    again = quantize(rnvp.dequantize(images, seed=0), num_levels)
    assert again.dtype == dtype
    np.testing.assert_array_equal(again, images)
    outside = quantize([-0.5, num_levels - 0.5, num_levels + 2.0, np.inf], num_levels)
    np.testing.assert_array_equal(outside, [0] + [num_levels - 1] * 3)


def test_image_grid():
    images = 10 * np.arange(4).reshape(2, 2, 1, 1, 1) * np.ones((2, 2, 2, 2, 1))
    grid = image_grid.image_grid(images, num_levels=21)
    assert grid.shape == (6, 6, 3)
    np.testing.assert_allclose(grid[:2, :2], 0.0)
    np.testing.assert_allclose(grid[:2, 3:5], 0.5)
    np.testing.assert_allclose(grid[3:5, :2], 1.0)
    np.testing.assert_allclose(grid[2::3], 0.5)
    np.testing.assert_allclose(grid[:, 2::3], 0.5)
    np.testing.assert_allclose(image_grid.image_grid(images + 300.0).max(), 1.0)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_channels_are_drawn_in_grey_side_by_side(channels, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 6, channels))
    grid = image_grid.image_grid(images)
    assert grid.shape == (2 * (4 + 1), 3 * (6 * channels + 1), 3)
    for i in range(channels):
        drawn = grid[5:9, 6 * i : 6 * (i + 1)]
        np.testing.assert_allclose(drawn, np.repeat(images[1, 0, ..., [i]].transpose(1, 2, 0), 3, -1) / 255)
    image_grid.save_image_grid(tmp_path / "grid.png", images)
    image_grid.save_animation(tmp_path / "frames.gif", images[None])


@pytest.mark.parametrize("shape", [(3, 4, 6, 1), (2, 3, 8), (1, 0, 4, 6, 3)])
def test_what_is_no_grid_of_images(shape):
    with pytest.raises(ValueError, match=r"`images` must be of shape \[rows, columns, height.*got"):
        image_grid.image_grid(np.zeros(shape))


def test_saved_grids(tmp_path):
    images = np.random.default_rng(0).integers(0, 17, (3, 2, 3, 4, 4, 1))
    image_grid.save_image_grid(tmp_path / "grid.png", images[0], num_levels=17)
    image_grid.save_animation(tmp_path / "frames.gif", images, num_levels=17, milliseconds=50)
    with PIL.Image.open(tmp_path / "frames.gif") as picture:
        assert (picture.n_frames, picture.info["duration"], picture.info["loop"]) == (3, 50, 0)
        for frame in range(3):
            picture.seek(frame)
            check_shows(picture, images[frame])
    with PIL.Image.open(tmp_path / "grid.png") as picture:
        check_shows(picture, images[0])


def check_shows(picture, images):
    grid = image_grid.image_grid(images, num_levels=17)
    factor = picture.size[0] // grid.shape[1]
    assert picture.size[0] >= 600
    shown = np.asarray(picture.convert("RGB"))[::factor, ::factor] / 255
    np.testing.assert_allclose(shown, grid, atol=0.003)


def test_xla_gives_nan_for_integers_that_floats_do_not_hold():
    """Its compiler drops the check that raises elsewhere."""
    compiled = tf.function(lambda x: rnvp.dequantize(x, seed=0), jit_compile=True, autograph=False)
    noisy = compiled(tf.constant([3, 2**25 + 1]))
    np.testing.assert_array_equal(np.isnan(noisy), [False, True])
