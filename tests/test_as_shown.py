"""Images come as viewers show them: turned as EXIF says, and in the colours that a BMP file names."""

import io
import itertools
import struct

import numpy as np
import pytest
from PIL import Image, ImageOps

from tfp_realnvp import data
from tfp_realnvp.data import image_file

ROWS, COLUMNS = np.mgrid[:16, :24]
PIXELS = np.stack([8 * ROWS, 4 * COLUMNS, 255 - 4 * ROWS - 4 * COLUMNS], axis=-1).astype(np.uint8)


def stored(orientation, format, **options):
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("format, options", [("png", {}), ("jpeg", {"quality": 95, "subsampling": 0})])
def test_every_orientation(format, options):
    for orientation in range(1, 9):
        content = stored(orientation, format, **options)
        shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
        image = image_file.decoded(content).numpy()
        assert image.shape == shown.shape
        np.testing.assert_allclose(image.astype(int), shown, atol=6)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_there_are_not(orientation):
    np.testing.assert_array_equal(image_file.decoded(stored(orientation, "png")), PIXELS)


def test_exif_that_is_cut_off():
    content = stored(6, "jpeg")
    start = content.index(b"Exif") + 10
    content = content[:start] + b"\x7f\xff\xff\x7f" + content[start + 4 :]  # Where its entries begin.
    assert image_file.decoded(content).shape == (16, 24, 3)


def test_a_folder_of_turned_photographs(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.jpg").write_bytes(stored(6, "jpeg"))
    images = data.load("folder", tmp_path)
    assert images.event_shape == (24, 16, 3)
    assert next(iter(images.train))[0].shape == (24, 16, 3)


def bmp(order, compression, header):
    """A BMP file of four bytes a pixel: `order` has the place of red, green and blue among them."""
    pixels = np.zeros((*PIXELS.shape[:2], 4), np.uint8)
    pixels[..., list(order)] = PIXELS
    masks = b"".join(struct.pack("<I", 0xFF << 8 * place) for place in order)
    body = pixels[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", header, 24, 16, 1, 32, compression, len(body), 2835, 2835, 0, 0)
    rest = (masks + bytes(header - 40 - 12)) if header > 40 else masks
    start = 14 + len(info) + len(rest)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + rest + body


def test_colours_of_bmp_files():
    for order, header in itertools.product([(2, 1, 0), (0, 1, 2), (1, 2, 3), (3, 2, 1)], (40, 108, 124)):
        np.testing.assert_array_equal(image_file.decoded(bmp(order, 3, header)), PIXELS)
