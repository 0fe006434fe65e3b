"""The pixels of image files of every kind."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfp_realnvp import data
from tfp_realnvp.data.files import image_file
from tfp_realnvp.data.files.own_image import own_image

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


# A single image of one's own.


def content(pixels, format="png"):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format)
    return file.getvalue()


def test_an_own_image_of_the_right_size_stays_as_it_is():
    image, changes = own_image(content(PIXELS[..., :3]), (6, 8, 3))
    assert image.dtype == np.uint8 and changes == []
    np.testing.assert_array_equal(image, PIXELS[..., :3])


@pytest.mark.parametrize(
    "side, said",
    [(32, "resized from 64 x 64 to 32 x 32 pixels"), (64, None)],
)
def test_an_own_image_is_that_of_a_folder(side, said, tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(content(SMOOTH))
    (expected, _), *_ = data.load("folder", str(tmp_path), side).test.as_numpy_iterator()
    image, changes = own_image(content(SMOOTH), (side, side, 3))
    np.testing.assert_array_equal(image, expected)
    assert changes == ([said] if said else [])


def test_a_smaller_image_is_made_of_all_pixels():
    stripes = (255 * np.isin(COLUMNS % 8, (3, 4))).astype(np.uint8)  # Interpolation alone sees white only.
    image, _ = own_image(content(stripes), (8, 8, 1))
    np.testing.assert_allclose(image, 255 / 4, atol=8)


def test_an_own_image_in_grey_and_of_few_levels():
    grey = np.arange(256).reshape(16, 16).astype(np.uint8)
    image, changes = own_image(content(grey), (16, 16, 1), num_levels=17)
    assert changes == ["brought to 17 levels"]
    np.testing.assert_array_equal(np.unique(image), np.arange(17))
    np.testing.assert_allclose(image[..., 0], 17 / 255 * grey - 0.5, atol=0.51)
    coloured = np.stack([grey, 0 * grey, grey], axis=-1)
    image, changes = own_image(content(coloured), (16, 8, 1))
    assert changes == ["cropped in the middle and resized from 16 x 16 to 16 x 8 pixels", "made grey"]
    assert image.shape == (16, 8, 1)
    np.testing.assert_allclose(image[..., 0], 2 / 3 * grey[:, 4:12], atol=1)


@pytest.mark.parametrize(
    "bad",
    [b"", b"A text, and no image.", b"\x93NUMPY", b"\xff\xd8\xff", b"BM" + 60 * b"\x08"]
    + [content(SMOOTH, format)[:-100] for format in ("png", "jpeg", "bmp", "gif")],
    ids=["empty", "text", "npy", "jpeg of no size", "bmp of no size", "png", "jpeg", "bmp", "gif"],
)
def test_a_file_without_a_whole_image(bad):
    with pytest.raises(ValueError, match="'mine' cannot be read as an image: it is no whole file of"):
        own_image(bad, (8, 8, 3), name="'mine'")


@pytest.mark.parametrize("shape", [(7, 8, 3), (6, 9, 3)])
def test_an_own_image_is_not_enlarged(shape):
    message = f"must be at least {shape[0]} x {shape[1]} pixels, .*; it is 6 x 8"
    with pytest.raises(ValueError, match=message):
        own_image(content(PIXELS), shape)
