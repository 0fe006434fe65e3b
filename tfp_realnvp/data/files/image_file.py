"""The image in a file, as RGB."""

import keras
import tensorflow as tf

from tfp_realnvp.data.files.orientation import turned
from tfp_realnvp.utils.hints import Shape

FORMATS = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def read(path: tf.Tensor) -> tf.Tensor:
    """The image in a file, whatever its ending says of the format.

    Grey images get three equal channels. Alpha is dropped: what is transparent has the colour
    that the file gives it, in a GIF black. Of 16 bits the upper 8 stay, of an animation the
    first picture. It is turned as EXIF says, as viewers do.

    Args:
      path: Scalar string `Tensor`.

    Returns:
      uint8 `Tensor` of shape `[height, width, 3]`.

    Raises:
      tf.errors.OpError: if there is no such file, or no whole image in it.
    """
    return decoded(tf.io.read_file(path))


def decoded(content: tf.Tensor) -> tf.Tensor:
    """The image in the bytes of a file.

    Args:
      content: Scalar string `Tensor`.

    Returns:
      `Tensor` as `read` gives it.

    Raises:
      tf.errors.OpError: if there is no whole image in it.
    """
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image = tf.cond(_is_bmp_with_palette(content), lambda: _colours(content, image), lambda: image)
    image = tf.cond(_is_bmp_with_fields(content), lambda: _of_fields(content), lambda: image)
    return turned(image, content)


def resized(image: tf.Tensor, size: Shape) -> tf.Tensor:
    """An image cropped in the middle to the proportions of another size, and brought to that.

    A smaller one is made of all pixels, with a filter as wide as the factor (`antialias`).

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
    """Whether it is a BMP file that says itself which byte of four is which colour."""
    four_bytes = tf.strings.substr(content, 28, 2) == b"\x20\x00"
    kind = tf.strings.substr(content, 30, 4)
    return _is_bmp(content) & four_bytes & ((kind == b"\x03\0\0\0") | (kind == b"\x06\0\0\0"))


def _is_bmp(content):
    return tf.strings.substr(content, 0, 2) == b"BM"


def _of_fields(content):
    """Its image: TensorFlow takes the bytes for blue, green, red and alpha."""
    image = tf.io.decode_image(content, channels=4, expand_animations=False)
    masks = tf.io.decode_raw(tf.strings.substr(content, 54, 12), tf.uint8)  # Red, green and blue.
    whole = tf.reshape(masks, (3, 4)) == 255
    tf.debugging.Assert(tf.reduce_all(tf.reduce_any(whole, 1)), ["Colours of a BMP file are no whole bytes."])
    return tf.gather(image, tf.gather([2, 1, 0, 3], tf.argmax(whole, 1)), axis=-1)


def _colours(content, image):
    """The image of a BMP file's palette, of whose numbers TensorFlow makes grey levels."""
    header = tf.io.decode_raw(tf.strings.substr(content, 10, 8), tf.int32)
    start = 14 + header[1]
    palette = tf.io.decode_raw(tf.strings.substr(content, start, header[0] - start), tf.uint8)
    return tf.gather(tf.reshape(palette, (-1, 4))[:, 2::-1], tf.cast(image[..., 0], tf.int32))
