"""The functions to measure in a TensorFlow flow of any package."""

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions


def functions(bijector, event_shape, batch, jit, training_kwargs=None, variables=None):
    """A training step without its optimizer, `log_prob`, `sample`, and `forward` of given latents.

    Args:
      bijector: `tfb.Bijector` from latents to events of the same shape.
      event_shape: Sequence of Python `int`s.
      batch: Python `int`, events at a time.
      jit: Python `bool`, whether XLA compiles.
      training_kwargs: Dictionary, `bijector_kwargs` of the step.
      variables: Sequence of `tf.Variable`s to differentiate by, if the bijector knows none.

    Returns:
      Dictionary of functions without arguments.
    """
    dist = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), event_shape), bijector)
    x = normal(batch, event_shape)
    dist.log_prob(x)  # The first call makes variables.
    variables = bijector.trainable_variables if variables is None else variables

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            log_prob = dist.log_prob(x, bijector_kwargs=training_kwargs or {})
            loss = -tf.reduce_mean(log_prob)
        return tape.gradient(loss, variables)

    log_prob = tf.function(dist.log_prob, jit_compile=jit)
    sample = tf.function(lambda: dist.sample(batch), jit_compile=jit)
    forward = tf.function(bijector.forward, jit_compile=jit)
    return {
        "step": lambda: step(x),
        "log_prob": lambda: log_prob(x),
        "sample": sample,
        "forward": lambda: forward(x),
    }


def normal(batch, event_shape):
    return tf.random.stateless_normal([batch, *event_shape], (0, 0))
