"""Reads the image in a file, as RGB."""

import keras
import tensorflow as tf

from tfp_realnvp.data.files.orientation import turned
from tfp_realnvp.utils.hints import Shape

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def read(path: tf.Tensor) -> tf.Tensor:
    """Reads the image in a file; the contents give the format, not the file's ending.

    Grey images get three equal channels. Alpha is dropped: transparent pixels have the colour
    stored in the file, black in a GIF. Of 16 bits only the upper 8 are kept, of an animation only
    the first picture. The image is turned as EXIF says, as in viewers.

    Args:
      path: Scalar string `Tensor`.

    Returns:
      uint8 `Tensor` of shape `[height, width, 3]`.

    Raises:
      tf.errors.OpError: if there is no such file, or it holds no complete image.
    """
    return decoded(tf.io.read_file(path))


def decoded(content: tf.Tensor) -> tf.Tensor:
    """Decodes the image in the bytes of a file.

    Args:
      content: Scalar string `Tensor`.

    Returns:
      `Tensor` as `read` returns it.

    Raises:
      tf.errors.OpError: if the bytes hold no complete image.
    """
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image = tf.cond(_is_bmp_with_palette(content), lambda: _colours(content, image), lambda: image)
    image = tf.cond(_is_bmp_with_fields(content), lambda: _of_fields(content), lambda: image)
    return turned(image, content)


def resized(image: tf.Tensor, size: Shape) -> tf.Tensor:
    """Crops the middle of an image with the proportions of `size`, and resizes it to `size`.

    Shrinking uses all pixels, with a filter as wide as the factor (`antialias`).

    Args:
      image: uint8 `Tensor` of shape `[height, width, 3]`.
      size: `(height, width)`.

    Returns:
      uint8 `Tensor` of shape `[*size, 3]`.
    """
    image = keras.ops.image.resize(
        tf.cast(image, tf.float32),
        size,
        antialias=True,
        crop_to_aspect_ratio=True,
        data_format="channels_last",
    )
    return tf.cast(tf.round(tf.clip_by_value(tf.ensure_shape(image, (*size, 3)), 0, 255)), tf.uint8)


def _is_bmp_with_palette(content):
    return _is_bmp(content) & (tf.strings.substr(content, 28, 2) == b"\x08\x00")


def _is_bmp_with_fields(content):
    """Whether it is a BMP file that defines the order of colours in its four bytes per pixel."""
    four_bytes = tf.strings.substr(content, 28, 2) == b"\x20\x00"
    kind = tf.strings.substr(content, 30, 4)
    return _is_bmp(content) & four_bytes & ((kind == b"\x03\0\0\0") | (kind == b"\x06\0\0\0"))


def _is_bmp(content):
    return tf.strings.substr(content, 0, 2) == b"BM"


def _of_fields(content):
    """The image in such a file: TensorFlow takes the bytes as blue, green, red and alpha."""
    image = tf.io.decode_image(content, channels=4, expand_animations=False)
    masks = tf.io.decode_raw(tf.strings.substr(content, 54, 12), tf.uint8)  # Red, green and blue.
    whole = tf.reshape(masks, (3, 4)) == 255
    tf.debugging.Assert(tf.reduce_all(tf.reduce_any(whole, 1)), ["Colours of a BMP file are no whole bytes."])
    return tf.gather(image, tf.gather([2, 1, 0, 3], tf.argmax(whole, 1)), axis=-1)


def _colours(content, image):
    """The image in a BMP file with a palette, whose indices TensorFlow takes as grey levels."""
    header = tf.io.decode_raw(tf.strings.substr(content, 10, 8), tf.int32)
    start = 14 + header[1]
    palette = tf.io.decode_raw(tf.strings.substr(content, start, header[0] - start), tf.uint8)
    return tf.gather(tf.reshape(palette, (-1, 4))[:, 2::-1], tf.cast(image[..., 0], tf.int32))
