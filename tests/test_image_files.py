"""The pixels of image files of every kind."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfp_realnvp.data import image_file

random = np.random.default_rng(0)
PIXELS = random.integers(0, 256, (6, 8, 4)).astype(np.uint8)
ROWS, COLUMNS = np.mgrid[:64, :64]
SMOOTH = np.stack([ROWS, 2 * COLUMNS, 255 - ROWS - COLUMNS], axis=-1).astype(np.uint8)
RGB = Image.fromarray(PIXELS[..., :3])
PALETTE = RGB.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)


def read(tmp_path, picture, format, **options):
    picture.save(tmp_path / "picture", format, **options)
    return image_file.read(str(tmp_path / "picture")).numpy()


@pytest.mark.parametrize(
    "format, mode",
    [(format, mode) for format in ("png", "bmp", "gif") for mode in ("RGB", "L", "P")]
    + [("png", "1"), ("gif", "1")],
)
def test_exact_formats(tmp_path, format, mode):
    picture = PALETTE if mode == "P" else RGB.convert(mode)
    image = read(tmp_path, picture, format)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, picture.convert("RGB"))
    assert image.std() > 10


@pytest.mark.parametrize("format", ["png", "bmp"])
def test_alpha_is_dropped(tmp_path, format):
    image = read(tmp_path, Image.fromarray(PIXELS), format)
    np.testing.assert_array_equal(image, PIXELS[..., :3])


def test_alpha_of_grey_is_dropped(tmp_path):
    image = read(tmp_path, Image.fromarray(PIXELS[..., 2:]), "png")
    np.testing.assert_array_equal(image, PIXELS[..., [2, 2, 2]])


def test_what_is_transparent_in_a_gif_is_black(tmp_path):
    transparent = np.asarray(PALETTE) == 3
    image = read(tmp_path, PALETTE, "gif", transparency=3)
    assert transparent.any() and not image[transparent].any()
    np.testing.assert_array_equal(image[~transparent], np.asarray(PALETTE.convert("RGB"))[~transparent])


@pytest.mark.parametrize("channels", [1, 3])
def test_of_16_bits_the_upper_8_stay(tmp_path, channels):
    values = np.array([[0, 255, 256, 511], [512, 32768, 65279, 65535]], np.uint16)
    if channels == 1:
        image = read(tmp_path, Image.fromarray(values), "png")
    else:  # Pillow writes none in colour.
        (tmp_path / "picture").write_bytes(tf.io.encode_png(np.stack([values] * 3, -1)).numpy())
        image = image_file.read(str(tmp_path / "picture")).numpy()
    expected = np.array([[0, 0, 1, 1], [2, 128, 254, 255]])
    np.testing.assert_array_equal(image, np.stack([expected] * 3, axis=-1))


@pytest.mark.parametrize(
    "mode, options", [("RGB", {}), ("RGB", {"progressive": True}), ("L", {}), ("CMYK", {})]
)
def test_jpeg(tmp_path, mode, options):
    picture = Image.fromarray(SMOOTH).convert(mode)
    image = read(tmp_path, picture, "jpeg", quality=95, subsampling=0, **options)
    np.testing.assert_allclose(image, np.asarray(picture.convert("RGB")).astype(int), atol=6)


@pytest.mark.parametrize("format", ["gif", "png"])
def test_the_first_picture_of_an_animation(tmp_path, format):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    image = read(tmp_path, frames[0], format, save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(image, np.broadcast_to([255, 0, 0], (4, 4, 3)))
