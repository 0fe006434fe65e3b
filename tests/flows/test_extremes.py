"""Where flows elsewhere become infinite: far from the data, hot, deep, of large weights."""

import contextlib
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.data.other_images import other_images

tfd = tfp.distributions

SHAPE = (32, 32, 3)
LEVELS = 2e-3
"""The round trip of an image through the trained model in float32, in levels of a pixel."""


@pytest.fixture(scope="module")
def model():
    return rnvp.FlowModel.from_pretrained("cifar10_small")


def extreme_images(n):
    """Integer images, most of them unlike any photograph, by what they show."""
    values = np.random.default_rng(0)
    rows, columns = np.indices(SHAPE[:2])
    pixel = np.zeros(SHAPE)
    pixel[16, 16] = 255
    plain = {
        "all 0": np.zeros(SHAPE),
        "all 255": np.full(SHAPE, 255),
        "checkerboard": 255 * ((rows + columns) % 2)[..., None],
        "stripes": 255 * (rows % 2)[..., None],
        "one bright pixel": pixel,
        "one channel": np.array([255, 0, 0]),
        "black and white noise": 255 * values.integers(0, 2, (n, *SHAPE)),
    }
    images = {k: np.broadcast_to(v, (n, *SHAPE)).astype(np.uint8) for k, v in plain.items()}
    return {**images, **other_images(types.SimpleNamespace(event_shape=SHAPE, num_levels=256), n)}


IMAGES = extreme_images(1)
EDGES = {f"all {v}": v for v in (0.0, np.nextafter(np.float32(256), np.float32(0)), 256.0, -14.0, 270.0)}
"""Up to the ends of the levels, and nearly to those of the logit's margin, -14.2 and 270.2."""


def assert_finite(*arrays):
    for a in arrays:
        assert np.isfinite(a).all()


def error(model, x):
    """The largest error of the round trip of events."""
    bijector = model.distribution.bijector
    return np.abs(bijector.forward(tf.identity(bijector.inverse(x))) - x).max()


def rounded(z):
    """Latents moved by one unit in their last place: what the best float32 flow may lose."""
    return np.nextafter(z, np.random.default_rng(0).choice(np.array([-np.inf, np.inf], np.float32), z.shape))


def test_images_far_from_the_data(model):
    images = {k: rnvp.dequantize(x, seed=0) for k, x in IMAGES.items()}
    images |= {k: np.full((1, *SHAPE), v, np.float32) for k, v in EDGES.items()}
    x = np.concatenate(list(images.values()))
    names = np.repeat(list(images), [len(v) for v in images.values()])
    log_prob = model(x)
    assert not set(names[~np.isfinite(log_prob)])
    bijector = model.distribution.bijector
    z = bijector.inverse(x).numpy()
    again = bijector.forward(z)
    errors, rounding = (np.abs(a - again).max(axis=(1, 2, 3)) for a in (x, bijector.forward(rounded(z))))
    # Its latents reach 168, where a unit in the last place of float32 moves pixels by 0.01 levels.
    limits = np.where(names == "checkerboard", 2 * rounding, LEVELS)
    assert not set(names[~(errors < limits)])
    assert errors.max() < 0.5  # Whatever the rounding: no level is lost.


def test_pixels_beyond_the_margin_have_no_density(model):
    x = np.stack([np.full(SHAPE, value, np.float32) for value in (-15.0, 271.0)])
    assert not np.isfinite(model.distribution.log_prob(x)).any()


@pytest.mark.slow
def test_logits_far_outside_of_every_image(model):
    flow = model.distribution.bijector.bijectors[1]
    for size in (10.0, 1000.0):
        y = tf.constant(size * np.random.default_rng(0).normal(size=(2, *SHAPE)), tf.float32)
        z = flow.inverse(y)
        assert_finite(z, flow.inverse_log_det_jacobian(y))
        np.testing.assert_allclose(flow.forward(tf.identity(z)), y, rtol=0, atol=1e-3 * size)


@pytest.mark.parametrize(
    "temperature", [1.5, *(pytest.param(t, marks=pytest.mark.slow) for t in (0.0, 0.5, 1.0, 1.2))]
)
def test_samples_at_temperatures(model, temperature):
    """They are finite, have a density and come back; their logits have the latents they were made of.

    The latents are compared through the logits: at a logit of 13 one unit in the last place of a
    float32 pixel is 0.05 of the logit, whatever the flow.
    """
    bijector, normal = model.distribution.bijector, model.distribution.distribution
    z = temperature * normal.sample(8, seed=(0, 0))
    samples = bijector.forward(z)
    assert_finite(samples, model(samples))
    assert error(model, samples) < LEVELS
    flow = bijector.bijectors[1]
    again = flow.inverse(tf.identity(flow.forward(z)))
    np.testing.assert_allclose(again, z, rtol=0, atol=1e-3)


@contextlib.contextmanager
def scales_exploded(flow, factor):
    """Within, the learned factors of all log-scales are larger by a factor."""
    gains = [network.gain for network in flow.parameters["layers"] if hasattr(network, "gain")]
    before = [np.array(v) for v in gains]
    for v, value in zip(gains, before, strict=True):
        v.assign(factor * value)
    try:
        yield
    finally:
        for v, value in zip(gains, before, strict=True):
            v.assign(value)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [10, 100])
def test_the_bound_holds_scales_that_explode(model, factor):
    """VincentStimper/normalizing-flows#67: image samples jump to infinity, a scale near 0 is inverted."""
    unbounded = model.distribution.bijector.bijectors[1]
    bounded = unbounded.copy(max_log_scale=1.0)
    x = rnvp.dequantize(np.concatenate([IMAGES["photographs"], IMAGES["noise"]]), seed=0)
    z = model.distribution.distribution.sample(2, seed=(0, 0))

    def results(flow):
        distribution = rnvp.image_distribution(flow)
        pixels = distribution.bijector
        latents = pixels.inverse(x)
        again = pixels.forward(tf.identity(latents))
        rounding = np.abs(pixels.forward(rounded(latents)) - again).max()
        return distribution.log_prob(x), pixels.forward(z), np.abs(again - x).max(), rounding

    with scales_exploded(unbounded, factor):
        log_prob, samples, error, rounding = results(bounded)
        assert_finite(log_prob, samples)
        assert error < min(2 * rounding, 0.5)  # As exact as latents of float32 can be: no level is lost.
        log_prob, samples, error, _ = results(unbounded)
        assert not error < 100  # Nothing is left of the image, finite or not.
        if factor == 100:
            assert not np.isfinite(log_prob).any()
            assert not np.isfinite(samples).all()


def vector_model(size, num_couplings, hidden_units, learning_rate=1e-3, **kwargs):
    flow = rnvp.RealNVP((size,), num_couplings=num_couplings, hidden_units=hidden_units, **kwargs)
    normal = tfd.Sample(tfd.Normal(0.0, 1.0), [size])
    model = rnvp.FlowModel(tfd.TransformedDistribution(normal, flow))
    model.compile(keras.optimizers.Adam(learning_rate))
    return model


def mean_loss(model, x):
    return -np.mean(model.predict(x, verbose=0), dtype=np.float64)


def heavy_tails(n, seed):
    """Of 19 dimensions, correlated, curved, with some events hundreds of deviations out."""
    mixing = np.random.default_rng(0).normal(size=(19, 19))
    x = np.random.default_rng(seed).standard_t(3, size=(n, 19)) @ mixing
    x[:, 0] += x[:, 1] ** 2
    return x.astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("use_batch_norm", [True, False])
def test_32_couplings_in_19_dimensions(use_batch_norm):
    """VincentStimper/normalizing-flows#73: NaN and infinity in training."""
    model = vector_model(19, 32, (64, 64), use_batch_norm=use_batch_norm)
    x, held_out = heavy_tails(2048, seed=1), heavy_tails(1024, seed=2)
    losses = model.fit(x, batch_size=256, epochs=10, verbose=0).history["loss"]
    assert_finite(losses, model.predict(held_out, verbose=0), model.sample(256, seed=0))
    assert losses[-1] < min(losses[0], 100)
    assert error(model, held_out) < 1e-5 * np.abs(held_out).max()


def banana(n, seed):
    """x1 ~ N(x2^2 / 4, 1), x2 ~ N(0, 4), of entropy 1 + log(4 pi)."""
    values = np.random.default_rng(seed)
    x2 = 2 * values.normal(size=n)
    return np.stack([x2**2 / 4 + values.normal(size=n), x2], axis=-1).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("use_batch_norm", [False, True])
def test_the_banana_density(use_batch_norm):
    """google-deepmind/distrax#203: training goes well, validation to infinity."""
    model = vector_model(2, 6, (64,), 2e-3, use_batch_norm=use_batch_norm)
    x, held_out = banana(2000, seed=0), banana(2000, seed=1)
    model.fit(x, batch_size=200, epochs=30, verbose=0)
    assert_finite(model.predict(held_out, verbose=0))
    losses = mean_loss(model, x), mean_loss(model, held_out)
    np.testing.assert_allclose(losses, 1 + np.log(4 * np.pi), atol=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("use_batch_norm", [True, False])
def test_the_banana_density_learned_by_heart(use_batch_norm):
    """Of too few events for too long, as there: worse on others, but finite."""
    model = vector_model(2, 6, (64,), 2e-3, use_batch_norm=use_batch_norm)
    x, held_out = banana(200, seed=0), banana(2000, seed=1)
    model.fit(x, batch_size=200, epochs=300, verbose=0)
    log_prob = model.predict(held_out, verbose=0)
    assert_finite(log_prob)
    assert mean_loss(model, x) < mean_loss(model, held_out) < 50
    assert error(model, held_out) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("momentum", [0.9, 0.999])
def test_moving_statistics(momentum):
    """PolinaKirichenko/flows_ood#5: in evaluation, by moving statistics, the likelihood explodes."""
    digits = data.load("digits")
    x, held_out = (
        np.stack([image for image, _ in split.as_numpy_iterator()]) for split in (digits.train, digits.test)
    )
    flow = rnvp.RealNVP((8, 8, 1), num_residual_blocks=1, base_filters=8, batch_norm_momentum=momentum)
    model = rnvp.FlowModel(rnvp.image_distribution(flow, digits.num_levels))
    model.compile(keras.optimizers.Adam(2e-3, global_clipnorm=100.0))
    training = model.fit(x, batch_size=96, epochs=6, verbose=0).history["bits_per_dim"][-1]

    def evaluation():
        return rnvp.bits_per_dim(model.predict(held_out, verbose=0), (8, 8, 1))

    lagging = evaluation()
    assert_finite(lagging)
    model.recalibrate(x, batch_size=96)
    recalibrated = evaluation()
    assert recalibrated.mean() == pytest.approx(training, abs=0.15)
    assert recalibrated.max() < training + 2
    if momentum == 0.9:
        assert lagging.mean() == pytest.approx(recalibrated.mean(), abs=0.1)
    else:  # 90 steps have moved statistics by 9 % of the way.
        assert lagging.mean() > recalibrated.mean() + 1
