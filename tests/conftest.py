import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import pytest
from absl import flags

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["pytest"], known_only=True)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)
