"""Starts a program fast, and without TensorFlow's notes on missing CUDA, oneDNN and processor features.

A program imports this first. With `--verbosity` on its command line TensorFlow says all that it has to
say: it writes these notes before it reads any setting that would keep them back.
"""

import gc
import os
import sys
import tempfile

NOTES = (
    "All log messages before absl::InitializeLog()",
    "oneDNN custom operations are on",
    "Could not find cuda drivers on your machine",
    "Unable to register cu",
    "This TensorFlow binary is optimized to use available CPU instructions",
    "To enable the following instructions",
    "failed call to cuInit",
    "Could not find TensorRT",
)


def import_tensorflow():
    """Imports TensorFlow, and looks for devices; what else is written to the standard error stays."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            import tensorflow as tf
            import tensorflow_probability  # noqa: F401

            tf.config.list_physical_devices()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            written.seek(0)
            for line in written.read().decode(errors="replace").splitlines():
                if not any(note in line for note in NOTES):
                    print(line, file=sys.stderr)


def optimize_no_graphs():
    """Without a GPU: optimising a graph takes longer than tracing it, and steps are no faster for it."""
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


# Imports and graphs make millions of objects that stay: looking for garbage among them took a second.
gc.set_threshold(100_000, 20, 100)
if not any(argument.lstrip("-").startswith("verbosity") for argument in sys.argv[1:]):
    import_tensorflow()
optimize_no_graphs()
