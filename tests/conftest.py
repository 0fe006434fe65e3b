import gc
import os
import random

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # The workers of a run have a core each.

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from traced_memory import graphs_are_freed

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["pytest"], known_only=True)

# Looking for garbage among all that has been imported takes longer than tests do.
gc.set_threshold(20_000, 20, 20)

# Graphs here run once or twice: optimising them takes longer than they do. Processes that tests start do it.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

LONGEST = (
    "test_benchmark",
    "test_commands",
    "test_figures.py",
    "test_resume.py",
    "test_machines.py",
    "test_devices.py",
    "test_train_script.py",
    "test_contributing.py",
)
"""Tests, and modules of single tests, that take long: they begin first, so that the workers end together."""


def pytest_collection_modifyitems(items):
    def rank(item):
        names = item.path.name, getattr(item, "originalname", None)
        return min(LONGEST.index(name) if name in LONGEST else len(LONGEST) for name in names)

    items.sort(key=rank)


@pytest.fixture(autouse=True, scope="module")
def seeded_module():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="module")
def freed_module():
    with graphs_are_freed():
        yield


@pytest.fixture(autouse=True)
def seeded():
    """Initial weights and NumPy's numbers; for TensorFlow's own a test gives a seed.

    `tf.random.set_seed` makes TensorFlow forget all its kernels: for each test, that is a fifth of the time.
    """
    random.seed(0)
    np.random.seed(0)
