"""Where `tf.Module`, checkpoints and Keras find the variables of a bijector."""
