"""The model that is kept under examples/gallery."""

import pathlib

import numpy as np
import pytest
from test_data import TFDS

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.run_folder import RunFolder

RUN = RunFolder(pathlib.Path(__file__).parents[1] / "examples" / "gallery" / "cifar10_small")


@pytest.fixture(scope="module")
def model():
    return RUN.model()


def test_it_draws_and_inverts(model):
    samples = model.sample(4, seed=0)
    z = model.distribution.distribution.sample(4, seed=(0, 0))
    np.testing.assert_allclose(model.encode(samples), z, atol=1e-2)
    assert 30 < np.std(samples) < 90


def test_its_bits_per_dim(model):
    if not TFDS.exists():
        pytest.skip(f"CIFAR-10 is not at {TFDS}")
    images = data.evaluation_batches(RUN.configuration().images(str(TFDS)), 64, num_images=256)
    bits = rnvp.bits_per_dim(model.predict(images, verbose=0), (32, 32, 3))
    # The mean of the whole split, within three standard errors of the mean of 256 images.
    expected = RUN.results()["evaluation"]["test"]["bits_per_dim"]["mean"]
    assert bits.mean() == pytest.approx(expected, abs=float(3 * bits.std() / 16))
