"""Starts a program fast, and without TensorFlow's notes on missing CUDA, oneDNN and processor features.

A program imports this first. With `--verbosity` on its command line, TensorFlow prints all its notes:
it writes these before it reads any setting that would suppress them.
"""

import gc
import sys

from quiet_tensorflow import import_tensorflow


def optimize_no_graphs():
    """Turns off graph optimisation without a GPU: it takes longer than tracing and speeds up no step."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


# Imports and graphs make millions of lasting objects: a search for garbage among them took a second.
gc.set_threshold(100_000, 20, 100)
if not any(argument.lstrip("-").startswith("verbosity") for argument in sys.argv[1:]):
    import_tensorflow()
optimize_no_graphs()
