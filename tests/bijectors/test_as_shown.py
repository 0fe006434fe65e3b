"""Images come as viewers show them: turned as EXIF says, and in the colours that a BMP file names."""

import contextlib
import io
import itertools
import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from tfp_realnvp import data
from tfp_realnvp.data.files import image_file
from tfp_realnvp.data.files.orientation import orientation

ROWS, COLUMNS = np.mgrid[:16, :24]
PIXELS = np.stack([8 * ROWS, 4 * COLUMNS, 255 - 4 * ROWS - 4 * COLUMNS], axis=-1).astype(np.uint8)


FORMATS = {
    "png": {},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"lossless": True},
}


def stored(number, format, endian="<"):
    """The bytes of a file that says it is to be turned, in either order of bytes."""
    exif = Image.Exif()
    exif.endian = endian
    exif[0x010F] = "A camera"
    exif[0x0112] = number
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format, exif=exif, **FORMATS[format])
    return file.getvalue()


def as_pillow_shows(content):
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def check_as_pillow_shows(content):
    image, shown = image_file.decoded(content).numpy(), as_pillow_shows(content)
    assert image.shape == shown.shape
    np.testing.assert_allclose(image.astype(int), shown, atol=6)


@pytest.mark.parametrize("endian", ["<", ">"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_orientation(format, endian):
    if format == "webp" and not hasattr(tf.io, "decode_webp"):
        pytest.skip("This TensorFlow reads no WebP.")
    for number in range(1, 9):
        content = stored(number, format, endian)
        assert {"<": b"II*\0", ">": b"MM\0*"}[endian] in content
        check_as_pillow_shows(content)


@pytest.mark.parametrize("number", [0, 9, 65535])
def test_orientations_that_there_are_not(number):
    np.testing.assert_array_equal(image_file.decoded(stored(number, "png")), PIXELS)


def tiff(order, kind, value, count=1):
    """A block of EXIF with an orientation of a kind of numbers, by the letter of `struct`."""
    number = {"B": 1, "s": 2, "H": 3, "I": 4, "h": 8, "i": 9}[kind]
    entry = struct.pack(f"{order}HHI", 0x0112, number, count) + struct.pack(order + kind, value).ljust(
        4, b"\0"
    )
    return {"<": b"II", ">": b"MM"}[order] + struct.pack(f"{order}HIH", 42, 8, 1) + entry + bytes(4)


def with_exif(block, before=b""):
    """A JPEG file with a block of EXIF."""
    content, block = stored(1, "jpeg"), b"Exif\0\0" + block
    start = content.index(b"\xff\xe1")
    size = struct.unpack_from(">H", content, start + 2)[0]
    own = before + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    return content[:start] + own + content[start + 2 + size :]


@pytest.mark.parametrize("order", ["<", ">"])
def test_orientations_of_every_kind_of_number(order):
    for kind in "HIhi":
        check_as_pillow_shows(with_exif(tiff(order, kind, 6)))
        assert as_pillow_shows(with_exif(tiff(order, kind, 6))).shape == (24, 16, 3)
    check_as_pillow_shows(with_exif(tiff(order, "h", -6)))
    for kind, value in (("B", 6), ("s", b"6")):
        check_as_pillow_shows(with_exif(tiff(order, kind, value)))
    check_as_pillow_shows(with_exif(tiff(order, "H", 6, count=0)))


def test_what_may_stand_before_exif():
    check_as_pillow_shows(with_exif(tiff("<", "H", 6), before=b"\xff\xfe\0\4OK\xff\xff\xff"))


def test_exif_that_is_cut_off_or_something_else():
    """It is shown as it is stored, and never an error."""
    block = tiff("<", "H", 6)
    loops = block[:4] + struct.pack("<I", 2**31 - 1) + block[8:]  # Where its entries begin.
    many = block[:8] + struct.pack("<H", 2**16 - 1) + b"\0\1" + block[12:]
    for bad in (*(block[:n] for n in range(0, 20, 3)), loops, many, b"\0" * 40, b"II" * 20):
        np.testing.assert_array_equal(image_file.decoded(with_exif(bad)).shape, PIXELS.shape)
    whole = stored(6, "jpeg")
    for size in (2, 3, 4, 5, 20, 40):  # Without the image, all that is left is to be no crash.
        assert orientation(whole[:size]) == 1
        assert orientation(stored(6, "png")[: 8 + size]) == 1
        assert orientation(stored(6, "webp")[: 12 + size]) == 1


def test_a_folder_of_turned_photographs(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.jpg").write_bytes(stored(6, "jpeg"))
    images = data.load("folder", tmp_path)
    assert images.event_shape == (24, 16, 3)
    assert next(iter(images.train))[0].shape == (24, 16, 3)


def bmp(order, compression, header, has_alpha=False):
    """A BMP file of four bytes a pixel: `order` has the place of red, green and blue among them."""
    (rest,) = {0, 1, 2, 3} - {*order}
    pixels = np.zeros((*PIXELS.shape[:2], 4), np.uint8)
    pixels[..., list(order)] = PIXELS
    pixels[..., rest] = 255 - PIXELS[..., 0]
    masks = b"".join(struct.pack("<I", 0xFF << 8 * place) for place in order)
    masks += struct.pack("<I", has_alpha * (0xFF << 8 * rest))
    body = pixels[::-1].tobytes()
    info = struct.pack("<IiiHHIIiiII", header, 24, 16, 1, 32, compression, len(body), 2835, 2835, 0, 0)
    masks = masks + bytes(header - 40 - 16) if header > 40 else masks[: 12 if compression == 3 else 16]
    start = 14 + len(info) + len(masks)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + info + masks + body


def test_colours_of_bmp_files():
    """Pillow gives the same where it knows the order."""
    known = 0
    orders = [(2, 1, 0), (0, 1, 2), (1, 2, 3), (3, 2, 1)]
    for order, header, has_alpha in itertools.product(orders, (40, 56, 108, 124), (False, True)):
        content = bmp(order, 6 if header == 40 and has_alpha else 3, header, has_alpha)
        np.testing.assert_array_equal(image_file.decoded(content), PIXELS)
        with contextlib.suppress(OSError):
            np.testing.assert_array_equal(as_pillow_shows(content), PIXELS)
            known += 1
    assert known >= 12


@pytest.mark.parametrize("masks", [(0x3FF, 0xFFC00, 0x3FF00000), (0, 0, 0)])
def test_colours_that_are_no_bytes_are_an_error(masks):
    content = bmp((2, 1, 0), 3, 40)
    content = content[:54] + struct.pack("<III", *masks) + content[66:]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Colours of a BMP file are no whole bytes"):
        image_file.decoded(content)
