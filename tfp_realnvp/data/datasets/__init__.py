"""Data sets from TensorFlow Datasets and scikit-learn."""
