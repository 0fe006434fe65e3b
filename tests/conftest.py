import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # The workers of a run have a core each.

import keras
import pytest
import tensorflow as tf
from absl import flags

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["pytest"], known_only=True)

# Graphs here run once or twice: optimising them takes longer than they do. Processes that tests start do it.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

LONGEST = "test_resume", "test_readme", "test_train_script", "test_machines", "test_contributing"
"""Modules of single tests that take long: they begin first, so that the workers end together."""


def pytest_collection_modifyitems(items):
    rank = {f"{name}.py": i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
