"""What the paper's figures show."""

import numpy as np
import pytest
from tiny_models import flow_of_two_scales, scaled_model

from tfp_realnvp.analysis import figures
from tfp_realnvp.images.levels import quantize

SHAPE = (8, 8, 3)
images = np.random.default_rng(1).integers(0, 256, (16, *SHAPE)).astype(np.uint8)
conditions = np.eye(3, dtype=np.float32)[np.arange(16) % 3]


@pytest.fixture(scope="module")
def model():
    return scaled_model()


@pytest.fixture(scope="module")
def conditional():
    return scaled_model(conditional=True)


def close(actual, images):
    """Whether pixels are those of `images` with the noise which dequantised them."""
    noise = np.asarray(actual, np.float64) - images
    return noise.min() > -0.01 and noise.max() < 1.01


def test_samples(model, conditional):
    figure = figures.samples(model, 3, 4, temperature=0.5, seed=1, batch_size=3)
    assert figure.images.shape == (3, 4, *SHAPE)
    assert figure.latents is None
    assert len({image.tobytes() for row in figure.images for image in row}) == 12
    warm = figures.samples(model, 2, 4, temperature=[0.0, 1.0]).images
    np.testing.assert_allclose(warm[0], np.broadcast_to(warm[0, :1], warm[0].shape), atol=1e-3)
    np.testing.assert_allclose(warm[1], model.sample(4, seed=0), atol=1e-2)
    by_class = figures.samples(conditional, 2, 3, seed=5, conditional_input=np.eye(3)).images
    for row in range(2):
        expected = conditional.sample(3, seed=5 + row, conditional_input=np.eye(3))
        np.testing.assert_allclose(by_class[row], expected, atol=1e-2)


def test_beside_data(conditional):
    figure = figures.beside_data(conditional, images[:6], 3, seed=2, conditional_input=conditions[:6]).images
    assert figure.shape == (2, 7, *SHAPE)
    np.testing.assert_array_equal(figure[:, :3].reshape(6, *SHAPE), images[:6])
    samples = conditional.sample(6, seed=2, conditional_input=conditions[:6])
    np.testing.assert_allclose(figure[:, 4:].reshape(6, *SHAPE), samples, atol=1e-2)
    for num_levels in (17, 256):
        assert (quantize(figure[:, 3], num_levels) == num_levels - 1).all()


def test_reconstructions(conditional):
    original, again = figures.reconstructions(conditional, images, conditions, batch_size=5).images
    np.testing.assert_array_equal(original, images)
    assert close(again, images)


def test_manifold_of_four(model):
    figure = figures.manifold(model, images[:4], num_angles=4)
    assert figure.images.shape == (4, 4, *SHAPE)
    assert figure.latents.shape == (16, *SHAPE)
    corners = figure.images[[0, 0, 1, 1], [0, 1, 0, 1]]  # A quarter of a turn leads to the next.
    assert close(corners, images[:4])


def test_manifold_of_eight(conditional):
    figure = figures.manifold(conditional, images[:8], conditions[[0] * 8], num_angles=4)
    assert figure.images.shape == (20, 4, 4, *SHAPE)
    frames, rows, columns = zip(*[(f, r, c) for r in (0, 1) for c in (0, 1) for f in (0, 5)], strict=True)
    assert close(figure.images[list(frames), list(rows), list(columns)], images[:8])
    with pytest.raises(ValueError, match="`images` must be four or eight; got 5"):
        figures.manifold(conditional, images[:5], conditions[:5])


def test_coarsest_scales(model):
    figure = figures.coarsest_scales(model, images[:3], 2)
    assert figure.images.shape == (3, 4, *SHAPE)
    np.testing.assert_array_equal(figure.images[:, 0], images[:3])
    assert close(figure.images[:, 1], images[:3])
    assert not close(figure.images[:, 2], images[:3])
    mean = model.sample(1, temperature=0.0)
    np.testing.assert_allclose(figure.images[:, 3], np.broadcast_to(mean, (3, *SHAPE)), atol=1e-3)
    noisy, again, other = (
        figures.coarsest_scales(model, images[:3], 2, noise_seed=seed).images for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(noisy, again)
    assert close(noisy[:, 1], images[:3])
    assert np.abs(noisy - other)[:, 2:].mean() > 1
    assert len({image.tobytes() for image in noisy[:, 3]}) == 3


def test_larger_samples(model, conditional):
    assert figures.larger_samples(model, 2, 2, 3).images.shape == (2, 3, 16, 16, 3)
    by_class = figures.larger_samples(conditional, 3, 1, 3, conditional_input=np.eye(3)).images
    assert by_class.shape == (1, 3, 24, 24, 3)


def test_mosaic():
    whole = figures.mosaic(flow_of_two_scales(), images[:6], 3).images
    assert whole.shape == (1, 1, 16, 24, 3)
    tiled = images[:6].reshape(2, 3, 8, 8, 3).swapaxes(1, 2).reshape(16, 24, 3)
    alike = np.corrcoef(whole.ravel(), tiled.ravel())[0, 1]
    assert 0.5 < alike < 1  # Not the images themselves: their neighbours see each other.


def test_changed_conditions(conditional):
    new = np.tile(np.eye(3, dtype=np.float32), (4, 1, 1))
    figure = figures.changed_conditions(conditional, images[:4], conditions[:4], new, batch_size=5)
    assert figure.images.shape == (4, 4, *SHAPE)
    np.testing.assert_array_equal(figure.images[:, 0], images[:4])
    for i in range(4):
        for j in range(3):
            assert close(figure.images[i, 1 + j], images[i]) == (j == i % 3)
    again = conditional.encode(figure.images[:, 1:].reshape(-1, *SHAPE), figure.conditional_input)
    np.testing.assert_allclose(again, figure.latents, atol=1e-3)


def test_interpolations(model):
    figure = figures.interpolations(model, images[:6], 5)
    assert figure.images.shape == (3, 5, *SHAPE)
    assert close(figure.images[:, 0], images[:3]) and close(figure.images[:, -1], images[3:6])
    assert not close(figure.images[:, 2], images[:3])


def test_arithmetic(model):
    figure = figures.arithmetic(model, images[:2], images[2:8], images[8:], factors=(0, 1, -1))
    assert figure.images.shape == (2, 3, *SHAPE)
    assert close(figure.images[:, 0], images[:2])
    z = np.reshape(figure.latents, (2, 3, *SHAPE))
    direction = np.mean(model.encode(images[2:8]), axis=0) - np.mean(model.encode(images[8:]), axis=0)
    np.testing.assert_allclose(z[:, 1] - z[:, 0], np.stack([direction] * 2), atol=1e-5)
    np.testing.assert_allclose(z[:, 1] + z[:, 2], 2 * z[:, 0], atol=1e-5)


def test_each_latent_is_of_its_own_condition_and_decoded_under_the_first(conditional):
    pair = images[:2]
    figure = figures.interpolations(conditional, pair, 3, conditions[:2])
    z = conditional.encode(pair, conditions[:2])
    np.testing.assert_allclose(np.asarray(figure.latents)[[0, 2]], z, atol=1e-5)
    ends = figure.images[0, [0, 2]]
    assert close(ends[0], pair[0]) and not close(ends[1], pair[1])
    np.testing.assert_allclose(ends, conditional.decode(z, conditions[0]), atol=1e-2)
    four = figures.manifold(conditional, images[:4], conditions[:4], num_angles=4)
    np.testing.assert_allclose(
        four.latents[1], conditional.encode(images[1:2], conditions[1:2])[0], atol=1e-5
    )
    whole = figures.mosaic(conditional, images[:4], 2, conditions[:4]).images
    assert whole.shape == (1, 1, 16, 16, 3)
