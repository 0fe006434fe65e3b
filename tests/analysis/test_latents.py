"""Manifolds, scales and mosaics of latents."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny_models import flow_of_two_scales, scaled_model, scatter, vector_model

import tfp_realnvp as rnvp
from tfp_realnvp.analysis import latents
from tfp_realnvp.analysis.extrapolation import for_event_shape

tfb, tfd = tfp.bijectors, tfp.distributions

random = np.random.default_rng(0)


def test_the_manifold_is_equation_19():
    z1, z2, z3, z4 = z = random.normal(size=(4, 2, 2, 3))
    phi, phi_prime = np.linspace(0, 2 * np.pi, 7), np.linspace(-1, 2, 5)
    points = latents.manifold(z, phi, phi_prime)
    assert points.shape == (7, 5, 2, 2, 3)
    for i, a in enumerate(phi):
        for j, b in enumerate(phi_prime):
            expected = np.cos(a) * (np.cos(b) * z1 + np.sin(b) * z2) + np.sin(a) * (
                np.cos(b) * z3 + np.sin(b) * z4
            )
            np.testing.assert_allclose(points[i, j], expected, atol=1e-12)


def test_the_manifold_of_eight_is_the_authors_code():
    z = random.normal(size=(8, 3))
    angles = [random.uniform(0, 2 * np.pi, n) for n in (2, 3, 4)]
    points = latents.manifold(z, *angles)
    assert points.shape == (2, 3, 4, 3)
    for index in np.ndindex(2, 3, 4):
        (c1, c2, c3), (s1, s2, s3) = (
            [f(a[i]) for a, i in zip(angles, index, strict=True)] for f in (np.cos, np.sin)
        )
        expected = c1 * (c2 * (c3 * z[0] + s3 * z[1]) + s2 * (c3 * z[2] + s3 * z[3]))
        expected += s1 * (c2 * (c3 * z[4] + s3 * z[5]) + s2 * (c3 * z[6] + s3 * z[7]))
        np.testing.assert_allclose(points[index], expected, atol=1e-12)


def test_a_manifold_keeps_the_norm_of_noise():
    z = tf.random.stateless_normal([4, 4096], (0, 1))
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    np.testing.assert_allclose(tf.norm(latents.manifold(z, angles, angles), axis=-1), 64, rtol=0.1)


@pytest.mark.parametrize("n, angles", [(4, 1), (3, 2), (4, 0)])
def test_a_manifold_of_another_number(n, angles):
    with pytest.raises(
        ValueError, match=f"`latents` must be two to the number of angles; got {n} for {angles}"
    ):
        latents.manifold(random.normal(size=(n, 2)), *angles * [[0.0]])


def test_interpolation():
    first, second = random.normal(size=(2, 5))
    z = latents.interpolation(first, second, 3)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(z, [first, half * (first + second), second], atol=1e-12)


@pytest.mark.parametrize("num_scales", [1, 2, 3])
def test_scales_are_where_the_flow_factors_out(num_scales):
    """A latent of a scale changes what comes before it in the multi-scale flow, and nothing below."""
    shape = (8, 8, 2)
    scales = latents.scales(shape, num_scales)
    counts = [np.prod(shape) // 2 ** min(s + 1, num_scales - 1) for s in range(num_scales)]
    assert [np.sum(scales == s) for s in range(num_scales)] == counts
    model = flow_of_two_scales(num_scales, shape)
    flow = model.distribution.bijector.bijectors[-1]
    for scale in range(num_scales):
        chain, depth = flow, 0
        z = tf.constant(random.normal(size=(1, *shape)).astype(np.float32))
        changed = tf.where(scales == scale, z + 1, z)
        # Down to the bijector of this scale, latents of finer ones are what is factored out.
        parts, finished = [z, changed], []
        while depth < scale:
            ordered = rnvp.Squeeze("ordered")
            halves = [tf.split(ordered.forward(part), 2, axis=-1) for part in parts]
            parts, finished = [h[0] for h in halves], [*finished, [h[1] for h in halves]]
            chain, depth = chain.bijectors[-2].bijector, depth + 1
        for one, other in finished:
            np.testing.assert_array_equal(one, other)
        assert np.any(parts[0] != parts[1])
        if scale < num_scales - 1:
            below = [tf.split(rnvp.Squeeze("ordered").forward(part), 2, axis=-1)[0] for part in parts]
            np.testing.assert_array_equal(*below)
        assert chain.inverse(parts[0]).shape == parts[0].shape


@pytest.mark.parametrize("fill", ["zeros", "noise"])
def test_keep_coarsest_is_the_authors_compression(fill):
    z, noise = (tf.constant(random.normal(size=(2, 8, 8, 3))) for _ in range(2))
    filling = tf.zeros_like(z) if fill == "zeros" else noise
    ordered = rnvp.Squeeze("ordered")

    def lost(z, filling, levels):
        if levels == 0:
            return z
        (stays, _), (deeper, fills) = (tf.split(ordered.forward(x), 2, axis=-1) for x in (z, filling))
        return ordered.inverse(tf.concat([lost(stays, deeper, levels - 1), fills], axis=-1))

    for kept in (3, 2, 1):
        actual = latents.keep_coarsest(z, kept, 3, None if fill == "zeros" else noise)
        np.testing.assert_array_equal(actual, lost(z, filling, 3 - kept))
    np.testing.assert_array_equal(latents.keep_coarsest(z, 0, 3, filling), filling)
    with pytest.raises(ValueError, match="`num_kept` must be from 0 to `num_scales`, 3; got 4"):
        latents.keep_coarsest(z, 4, 3)


def test_resample():
    z = tf.constant(random.normal(size=(8, 8, 3)))
    draws = latents.resample(z, 1, 2, num_draws=400, seed=3, temperature=0.5).numpy()
    assert draws.shape == (400, 8, 8, 3)
    stays = latents.scales((8, 8, 3), 2) == 1
    np.testing.assert_array_equal(draws[:, stays], np.broadcast_to(z.numpy()[stays], (400, stays.sum())))
    np.testing.assert_allclose(draws[:, ~stays].std(), 0.5, rtol=0.02)
    np.testing.assert_array_equal(draws, latents.resample(z, 1, 2, 400, 3, 0.5))
    assert np.any(draws != latents.resample(z, 1, 2, 400, 4, 0.5))
    with pytest.raises(ValueError, match="`num_kept` must be from 0 to `num_scales`, 2; got 3"):
        latents.resample(z, 3, 2, 1)


def test_mosaic():
    z = random.normal(size=(6, 2, 3, 1))
    whole = latents.mosaic(z, 3)
    assert whole.shape == (4, 9, 1)
    for i in range(6):
        row, column = divmod(i, 3)
        np.testing.assert_array_equal(whole[2 * row : 2 * row + 2, 3 * column : 3 * column + 3], z[i])


def test_round_trip_error():
    model = scaled_model()
    z = 0.3 * model.distribution.distribution.sample(5, seed=1)  # Far from the ends of the logit.
    exact = float(tf.reduce_max(tf.abs(model.encode(model.decode(z)) - z)))
    assert latents.round_trip_error(model, z, batch_size=2) == pytest.approx(exact, abs=1e-5)
    assert 0 < exact < 1e-3

    class Broken:
        decode = model.decode

        def encode(self, *args, **kwargs):
            return model.encode(*args, **kwargs) + 0.5

    assert latents.round_trip_error(Broken(), z) == pytest.approx(0.5, abs=1e-3)


def test_another_event_shape_has_conditions_that_are_as_large():
    flow = rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=1, conditional_event_shape=(4, 4, 2))
    model = rnvp.FlowModel(rnvp.image_distribution(flow))
    scatter(model)
    larger = for_event_shape(model, (8, 4, 1))
    x = random.uniform(0, 255, (2, 8, 4, 1)).astype(np.float32)
    condition = random.normal(size=(2, 8, 4, 2)).astype(np.float32)
    assert np.abs(larger((x, condition)) - larger((x, condition + 1))).max() > 0
    assert larger.sample(2, conditional_input=condition).shape == x.shape
    again = for_event_shape(larger, (4, 4, 1))
    small = x[:, :4], condition[:, :4]
    np.testing.assert_array_equal(again(small), model(small))


def test_another_event_shape_is_for_flows_of_images():
    normal = tfd.Sample(tfd.Normal(0.0, 1.0), (4, 4, 1))
    stock = rnvp.FlowModel(tfd.TransformedDistribution(normal, tfb.Chain([tfb.Exp(), tfb.Shift(1.0)])))
    for model in (3, vector_model(), stock):
        with pytest.raises(TypeError, match="`model` must be a `FlowModel` of an `image_distribution`"):
            for_event_shape(model, (8, 8, 1))


def test_another_event_shape_has_the_same_weights():
    model = flow_of_two_scales()
    model.l2 = 0.25
    larger = for_event_shape(model, (16, 24, 3))
    assert larger.l2 == 0.25
    assert larger.distribution.event_shape == (16, 24, 3)
    assert [id(v) for v in larger.distribution.variables] == [id(v) for v in model.distribution.variables]
    x = random.integers(0, 256, (2, 16, 24, 3)).astype(np.float32)
    flow = larger.distribution.bijector
    before = flow.inverse(x)
    np.testing.assert_allclose(flow.forward(tf.identity(before)), x, atol=0.05)
    scatter(model, seed=1)
    assert np.abs(flow.inverse(tf.identity(x)) - before).max() > 0.01
    same = for_event_shape(model, (8, 8, 3))
    latents = (m.distribution.bijector.inverse(x[:, :8, :8]) for m in (same, model))
    np.testing.assert_allclose(*latents, atol=1e-6)
    by_default = rnvp.RealNVP((8, 8, 1), num_residual_blocks=0, base_filters=1)
    assert by_default.copy(event_shape=(16, 16, 1)).num_scales == 2  # As many as it has itself.
    with pytest.raises(ValueError, match="`layers` are those of a flow of another configuration"):
        by_default.copy(base_filters=2)
    for shape, message in [
        ((9, 8, 3), "`num_scales`"),
        ((8, 8, 1), r"`event_shape` must be \(height, width, 3\).*got \(8, 8, 1\)"),
        ((8, 8), r"`event_shape` must be \(height, width, 3\).*got \(8, 8\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            for_event_shape(model, shape)
