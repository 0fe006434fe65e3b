"""Shows the variables of a bijector to `tf.Module`, checkpoints and Keras."""
