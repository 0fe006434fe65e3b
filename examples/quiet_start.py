"""Imports TensorFlow without its notes on missing CUDA, oneDNN and processor features.

A program imports this first. With `--verbosity` on its command line it says all that it has to say.
TensorFlow writes these notes before it reads any setting that would keep them back.
"""

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


if not any(argument.lstrip("-").startswith("verbosity") for argument in sys.argv[1:]):
    import_tensorflow()
