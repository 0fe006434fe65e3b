"""How a viewer turns the image in a file."""

import struct

import numpy as np
import tensorflow as tf

JPEG, PNG, EXIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"Exif\0\0"
TAG = 0x0112
INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}
"""How `struct` reads the kinds of numbers that an orientation may be."""


def turned(image: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """An image as EXIF in its file says that it is to be shown.

    Args:
      image: `Tensor` of shape `[height, width, channels]`, as it is stored.
      content: Scalar string `Tensor`, the bytes of the file.

    Returns:
      `Tensor` of the same dtype, of the same shape or with height and width exchanged.
    """
    number = tf.numpy_function(orientation, [content], tf.int64)
    number.set_shape([])
    image = tf.cond(number >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    upside_down = tf.reduce_any(number == [3, 4, 7, 8])
    mirrored = tf.reduce_any(number == [2, 3, 6, 7])
    image = tf.cond(upside_down, lambda: image[::-1], lambda: image)
    return tf.cond(mirrored, lambda: image[:, ::-1], lambda: image)


def orientation(content: bytes | np.ndarray) -> np.int64:
    """EXIF's orientation in the bytes of a JPEG, PNG or WebP file: from 1 to 8; 1 is as it is stored."""
    if isinstance(content, np.ndarray):  # As TensorFlow hands bytes over in eager mode.
        content = content.item()
    try:
        number = _of_tiff(_exif(content))
    except (struct.error, IndexError):  # It is cut off, or something else.
        number = 1
    return np.int64(number if 1 <= number <= 8 else 1)


def _exif(content):
    """The block of EXIF, as a TIFF file, or nothing."""
    for kind, block in _blocks(content):
        if kind in (b"eXIf", b"EXIF") or (kind == b"\xe1" and block.startswith(EXIF)):
            return block.removeprefix(EXIF)
    return b""


def _blocks(content):
    """Kind and bytes of each block of a PNG or WebP file, and of a JPEG file before its pixels."""
    if content.startswith(PNG):
        place = len(PNG)
        while place < len(content):
            size, kind = struct.unpack_from(">I4s", content, place)
            yield kind, content[place + 8 : place + 8 + size]
            place += 12 + size
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        place = 12
        while place < len(content):
            kind, size = struct.unpack_from("<4sI", content, place)
            yield kind, content[place + 8 : place + 8 + size]
            place += 8 + size + size % 2
    if content.startswith(JPEG):
        place = len(JPEG)
        while content[place] == 0xFF and content[place + 1] != 0xDA:
            if content[place + 1] != 0xFF:  # As often as one likes.
                size = struct.unpack_from(">H", content, place + 2)[0]
                yield content[place + 1 : place + 2], content[place + 4 : place + 2 + size]
                place += 1 + size
            place += 1


def _of_tiff(exif):
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    start = struct.unpack_from(f"{order}I", exif, 4)[0]
    entries = struct.unpack_from(f"{order}H", exif, start)[0]
    for i in range(entries):
        place = start + 2 + 12 * i
        tag, kind, count = struct.unpack_from(f"{order}HHI", exif, place)
        if tag == TAG and kind in INTEGERS and count == 1:
            return struct.unpack_from(f"{order}{INTEGERS[kind]}", exif, place + 8)[0]
    return 1
