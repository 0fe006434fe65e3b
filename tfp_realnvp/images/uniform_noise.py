"""Uniform noise, the same on every device, with and without XLA."""

import tensorflow as tf

from tfp_realnvp.utils.hints import TensorLike

DIGITS = {
    "bfloat16": ("uint32", 7),
    "float16": ("uint32", 10),
    "float32": ("uint32", 23),
    "float64": ("uint64", 52),
}
"""By float dtype: the integers that floats are made from, and how many of their bits are used."""


def uniform_noise(shape: TensorLike, seed: TensorLike, dtype: tf.DType) -> tf.Tensor:
    """Draws uniformly from `[0, 1)`.

    XLA converts the same random integers to other floats than TensorFlow does. This function
    converts them itself, as TensorFlow does on a CPU.

    Args:
      shape: Shape of the result.
      seed: Stateless seed of shape `[2]`.
      dtype: Float `tf.DType`.

    Returns:
      `Tensor`.
    """
    kind, digits = DIGITS[dtype.name]
    bits = tf.random.stateless_uniform(shape, seed, None, None, kind, alg="philox")
    if kind == "uint64":  # TensorFlow takes the halves in reverse order.
        half = tf.constant(32, kind)
        bits = tf.bitwise.bitwise_or(tf.bitwise.left_shift(bits, half), tf.bitwise.right_shift(bits, half))
    bits = tf.bitwise.bitwise_and(bits, tf.constant(2**digits - 1, kind))
    return tf.cast(bits, dtype) * tf.constant(2.0**-digits, dtype)
