"""How a viewer turns the image in a file."""

import struct

import numpy as np
import tensorflow as tf

TAG, JPEG, PNG = 0x0112, b"\xff\xd8", b"\x89PNG\r\n\x1a\n"


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
    """EXIF's orientation in the bytes of a JPEG or PNG file: from 1 to 8, where 1 is as it is stored."""
    if isinstance(content, np.ndarray):  # As TensorFlow hands bytes over in eager mode.
        content = content.item()
    try:
        number = _of_tiff(_exif(content))
    except (struct.error, IndexError):  # It is cut off, or something else.
        number = 1
    return np.int64(number if 1 <= number <= 8 else 1)


def _exif(content):
    """The block of EXIF, as a TIFF file, or nothing."""
    if content.startswith(PNG):
        place = len(PNG)
        while place < len(content):
            size, kind = struct.unpack_from(">I4s", content, place)
            if kind == b"eXIf":
                return content[place + 8 : place + 8 + size]
            place += 12 + size
    place = 2
    while content.startswith(JPEG) and content[place] == 0xFF and content[place + 1] != 0xDA:
        size = struct.unpack_from(">H", content, place + 2)[0]
        if content[place + 1] == 0xE1 and content[place + 4 : place + 10] == b"Exif\0\0":
            return content[place + 10 : place + 2 + size]
        place += 2 + size
    return b""


def _of_tiff(exif):
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    start = struct.unpack_from(f"{order}I", exif, 4)[0]
    entries = struct.unpack_from(f"{order}H", exif, start)[0]
    for i in range(entries):
        tag, _, _, number = struct.unpack_from(f"{order}HHIH", exif, start + 2 + 12 * i)
        if tag == TAG:
            return number
    return 1
