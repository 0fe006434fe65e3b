"""Turns the image in a file as viewers do."""

import struct

import numpy as np
import tensorflow as tf

JPEG, PNG, EXIF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"Exif\0\0"
TAG = 0x0112
INTEGERS = {3: "H", 4: "I", 8: "h", 9: "i"}
"""Formats of `struct` for the types of number that an orientation may have in EXIF."""


def turned(image: tf.Tensor, content: tf.Tensor) -> tf.Tensor:
    """Turns and mirrors an image as the EXIF data in its file says.

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
    """Reads EXIF's orientation, 1 to 8, from the bytes of a JPEG, PNG or WebP file; 1 means as stored."""
    if isinstance(content, np.ndarray):  # TensorFlow passes bytes like this in eager mode.
        content = content.item()
    try:
        number = _of_tiff(_exif(content))
    except (struct.error, IndexError):  # The data are truncated or invalid.
        number = 1
    return np.int64(number if 1 <= number <= 8 else 1)


def _exif(content):
    """The EXIF block, a TIFF file, or empty bytes."""
    for kind, block in _blocks(content):
        if kind in (b"eXIf", b"EXIF") or (kind == b"\xe1" and block.startswith(EXIF)):
            return block.removeprefix(EXIF)
    return b""


def _blocks(content):
    """Yields kind and bytes of each block in a PNG or WebP file, or in a JPEG file before its pixels."""
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
            if content[place + 1] != 0xFF:  # 0xFF may be repeated as padding.
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
