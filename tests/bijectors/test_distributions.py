"""Distributions of a flow: samples and densities, sliced, and inside of other distributions."""

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl.testing import parameterized
from bijector_checks import made
from constructors import CONSTRUCTORS, REPRESENTATIVES, each, representative
from tensorflow_probability.python.internal import test_util

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

unconditional = each([n for n in REPRESENTATIVES if CONSTRUCTORS[n].conditional_event_shape is None])


def base(entry, batch_shape=()):
    """Independent normal variables of the entry's event shape, no two of a batch alike."""
    loc = tf.reshape(tf.linspace(tf.constant(-1.0, tf.float64), 1.0, int(np.prod(batch_shape))), batch_shape)
    return tfd.Sample(tfd.Normal(loc, tf.constant(1.5, tf.float64)), entry.event_shape)


def close(actual, expected, tolerance=1e-9):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=tolerance)


def log_prob_by_hand(entry, base, x, **kwargs):
    """The density from the base's and the log-determinant."""
    bijector = made(entry)
    z = bijector.inverse(tf.identity(x), **kwargs)
    log_det = bijector.inverse_log_det_jacobian(tf.identity(x), bijector.inverse_min_event_ndims, **kwargs)
    return base.log_prob(z) + log_det


@representative
def test_samples_are_images_of_the_base(entry):
    bijector, prior = made(entry), base(entry)
    td = tfd.TransformedDistribution(prior, bijector)
    kwargs = entry.kwargs((4,))
    x, log_prob = td.experimental_sample_and_log_prob(4, seed=(1, 2), bijector_kwargs=kwargs)
    assert td.dtype == x.dtype == log_prob.dtype == tf.float64
    close(td.sample(4, seed=(1, 2), bijector_kwargs=kwargs), x, 0)
    by_hand = log_prob_by_hand(entry, prior, x, **kwargs)
    close(log_prob, by_hand)
    close(td.log_prob(tf.identity(x), bijector_kwargs=kwargs), by_hand)
    z = bijector.inverse(tf.identity(x), **kwargs)
    fldj = bijector.forward_log_det_jacobian(z, len(entry.event_shape), **kwargs)
    close(log_prob, prior.log_prob(z) - fldj)
    assert 0.5 < np.std(z) / 1.5 < 2

    called = bijector(prior)
    assert type(called) is type(td)
    assert (called.bijector, called.distribution) == (bijector, prior)
    half = tfb.Shift(tf.constant(0.5, tf.float64))
    twice = half(td)
    assert (twice.bijector, twice.distribution) == (half, td)
    nested = {"distribution_kwargs": {"bijector_kwargs": kwargs}}
    close(twice.log_prob(x + 0.5, **nested), by_hand)


@representative
def test_slices_of_a_distribution(entry):
    bijector = made(entry)
    scalar = tfd.TransformedDistribution(base(entry), bijector)
    batch = tfd.TransformedDistribution(base(entry, (3,)), bijector)
    x, kwargs = (
        bijector.forward(entry.data((3,)), **entry.kwargs((3,))),
        {"bijector_kwargs": entry.kwargs((3,))},
    )
    log_probs = batch.log_prob(x, **kwargs)
    assert log_probs.shape == (3,)
    sliced = scalar[..., tf.newaxis]
    assert sliced.batch_shape == (1,)
    close(sliced.log_prob(tf.identity(x), **kwargs), scalar.log_prob(tf.identity(x), **kwargs))
    assert batch[:0].batch_shape == (0,)
    for part in (slice(1, None), slice(None, None, -2)):
        taken = {k: v[part] for k, v in entry.kwargs((3,)).items()}
        assert batch[part].bijector.trainable_variables == bijector.trainable_variables
        close(batch[part].log_prob(x[part], bijector_kwargs=taken), log_probs[part])
    taken = {k: v[1] for k, v in entry.kwargs((3,)).items()}
    close(batch[1].log_prob(x[1], bijector_kwargs=taken), log_probs[1])


@representative
def test_in_independent_and_sample(entry):
    bijector = made(entry)
    prior = base(entry, (3,))
    td = tfd.TransformedDistribution(prior, bijector, name="of_flow")
    x = bijector.forward(entry.data((2, 3)), **entry.kwargs((2, 3)))
    routed = {"bijector_kwargs": entry.kwargs((2, 3))}
    by_hand = log_prob_by_hand(entry, prior, x, **entry.kwargs((2, 3)))
    assert by_hand.shape == (2, 3)
    independent = tfd.Independent(td, reinterpreted_batch_ndims=1)
    close(independent.log_prob(tf.identity(x), **routed), tf.reduce_sum(by_hand, -1))
    drawn = independent.sample(2, seed=(1, 2), **routed)
    again = td.sample(2, seed=(1, 2), **routed)
    close(drawn, again)
    single = tfd.TransformedDistribution(base(entry), bijector, name="of_flow")
    sample = tfd.Sample(single, 3)
    by_hand = log_prob_by_hand(entry, base(entry), x, **entry.kwargs((2, 3)))
    close(sample.log_prob(tf.identity(x), **routed), tf.reduce_sum(by_hand, -1))
    drawn = sample.sample(2, seed=(1, 2), **routed)
    assert drawn.shape == x.shape
    z = bijector.inverse(tf.identity(drawn), **entry.kwargs((2, 3)))
    close(bijector.forward(tf.identity(z), **entry.kwargs((2, 3))), drawn)
    assert np.std(z) > 0.5
    for d in (single, tfd.Independent(single), sample):
        shape = str(tuple(d.event_shape)).strip("()").rstrip(",")
        assert "of_flow" in str(d)
        assert f"event_shape=[{shape}]" in str(d)
        assert f"event_shape=[{shape}]" in repr(d)


@unconditional
def test_in_a_batch_reshape(entry):
    bijector = made(entry)
    td = tfd.TransformedDistribution(base(entry, (6,)), bijector)
    reshaped = tfd.BatchReshape(td, (2, 3))
    x = bijector.forward(entry.data((4, 6)))
    by_hand = tf.reshape(log_prob_by_hand(entry, base(entry, (6,)), x), [4, 2, 3])
    close(reshaped.log_prob(tf.reshape(x, [4, 2, 3, *x.shape[2:]])), by_hand)
    drawn = reshaped.sample(4, seed=(1, 2))
    close(tf.reshape(drawn, x.shape), td.sample(4, seed=(1, 2)))


@unconditional
def test_in_a_mixture(entry):
    bijector = made(entry)
    components = tfd.TransformedDistribution(base(entry, (2,)), bijector)
    probs = tf.constant([0.25, 0.75], tf.float64)
    mixture = tfd.MixtureSameFamily(tfd.Categorical(probs=probs), components)
    x = bijector.forward(entry.data((3,)))
    each = log_prob_by_hand(entry, base(entry, (2,)), tf.stack([x, x], 1))
    close(mixture.log_prob(tf.identity(x)), tf.reduce_logsumexp(each + tf.math.log(probs), -1))
    assert mixture.sample(5, seed=(1, 2)).shape == (5, *x.shape[1:])


@unconditional
def test_in_a_joint_distribution(entry):
    bijector = made(entry)

    def flow(scale):
        prior = tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), scale), entry.event_shape)
        return tfd.TransformedDistribution(prior, bijector)

    scale_prior = tfd.Exponential(tf.constant(2.0, tf.float64))
    joint = tfd.JointDistributionNamed({"scale": scale_prior, "x": flow}, batch_ndims=0)
    drawn = joint.sample(4, seed=(1, 2))
    x, scale = tf.identity(drawn["x"]), tf.identity(drawn["scale"])
    z = bijector.inverse(x)
    log_det = bijector.inverse_log_det_jacobian(tf.identity(x), len(entry.event_shape))
    axes = list(range(1, z.shape.rank))
    column = tf.reshape(scale, [4, *[1] * len(axes)])
    normal = tf.reduce_sum(-0.5 * (z / column) ** 2 - tf.math.log(column) - 0.5 * np.log(2 * np.pi), axes)
    by_hand = tf.math.log(2.0 * tf.ones_like(scale)) - 2 * scale + normal + log_det
    close(joint.log_prob(x=x, scale=scale), by_hand, 1e-8)
    np.testing.assert_allclose(z.numpy().std(), np.sqrt(np.mean(scale**2)), rtol=0.6)


PLANE = {
    "flow": lambda flow: flow,
    "inverted": tfb.Invert,
    "stock_chain": lambda flow: tfb.Chain([tfb.Scale([2.0, -0.5]), flow, tfb.Shift([0.3, 0.0])]),
    "our_chain": lambda flow: rnvp.Chain([tfb.Permute([1, 0]), flow, tfb.SinhArcsinh(0.2, 1.2), flow]),
}


@test_util.test_all_tf_execution_regimes
class TransformedDistributionTest(test_util.VectorDistributionTestHelpers, test_util.TestCase):
    """TFP's own check that samples and density belong together, as TFP runs it."""

    @parameterized.named_parameters(*PLANE.items())
    def test_samples_are_consistent_with_log_prob(self, compose):
        if not tf.executing_eagerly():
            self.skipTest("Keras 3 needs eager execution.")
        flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(8,))
        for v in flow.variables:
            spread = np.random.default_rng(3).normal(size=v.shape)
            v.assign(np.exp(0.2 * spread) if "variance" in v.name else 0.4 * spread)
        td = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), compose(flow))
        self.run_test_sample_consistent_log_prob(
            self.evaluate,
            td,
            num_samples=int(1e5),
            radius=0.7,
            center=np.median(self.evaluate(td.sample(1000, seed=(1, 2))), axis=0),
            rtol=0.05,
            seed=test_util.test_seed(),
        )
