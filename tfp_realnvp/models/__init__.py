"""The Keras model around a distribution."""
