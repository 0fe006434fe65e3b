"""Chains, and what else is made of bijectors, give what `tfb.Chain` gives."""

import copy
import itertools

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp.bijectors.bijector import Bijector

tfb, tfd = tfp.bijectors, tfp.distributions

CONSTANT = {
    "scalar scale": lambda: tfb.Scale(2.0),
    "scale of one side": lambda: tfb.Scale([2.0]),
    "scale of more axes": lambda: tfb.Scale([[[2.0]]]),
    "scale of a channel": lambda: tfb.Scale([2.0, 0.5]),
    "permutation": lambda: tfb.Permute([1, 0]),
    "matrix": lambda: tfb.ScaleMatvecTriL([[2.0, 0.0], [1.0, 3.0]]),
    "not constant": lambda: tfb.Invert(tfb.Softplus()),
}


def nested(chain, member, depth):
    for _ in range(depth):
        member = chain([member])
    return member


@pytest.mark.parametrize("member", CONSTANT.values(), ids=CONSTANT)
def test_log_determinants_of_nested_chains_are_those_of_tfp(member):
    for shape, event_ndims in (((2,), 1), ((5, 3, 4, 2), 1), ((5, 3, 4, 2), 3)):
        x = tf.random.stateless_uniform(shape, (0, 1), minval=0.1)
        ours, tfps = (
            chain([nested(chain, member(), depth=2), tfb.Exp()]) for chain in (rnvp.Chain, tfb.Chain)
        )
        for direction in ("forward", "inverse"):
            value, expected = (
                getattr(b, f"{direction}_log_det_jacobian")(tf.identity(x), event_ndims) for b in (ours, tfps)
            )
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6)
            assert value.shape == expected.shape


@pytest.mark.parametrize("member", CONSTANT.values(), ids=CONSTANT)
def test_log_determinants_beside_members_of_more_axes(member):
    norm = rnvp.BatchNormalization((4, 4, 2))
    x = tf.random.stateless_uniform([3, 4, 4, 2], (0, 1), minval=0.1)
    expected = tfb.Chain([member(), norm]).inverse_log_det_jacobian(tf.identity(x), 3)
    for recompute in (False, True):
        ours = rnvp.Chain([nested(rnvp.Chain, member(), depth=2), norm], recompute=recompute)
        np.testing.assert_allclose(ours.inverse_log_det_jacobian(x), expected, rtol=1e-5)
    dynamic = tf.function(ours.inverse_log_det_jacobian, input_signature=[tf.TensorSpec(None)])
    np.testing.assert_allclose(dynamic(x), expected, rtol=1e-5)


@pytest.mark.parametrize("member", CONSTANT.values(), ids=CONSTANT)
def test_log_determinants_of_what_is_factored_out(member):
    x = tf.random.stateless_uniform([3, 4, 4, 4], (0, 1), minval=0.1)
    for depth, event_ndims in itertools.product((0, 1, 2), (1, 3)):
        ours = rnvp.FactorOut(nested(rnvp.Chain, member(), depth), event_ndims)
        half = member().forward_log_det_jacobian(x[..., :2], event_ndims)
        np.testing.assert_allclose(ours.forward_log_det_jacobian(x), half, rtol=1e-5, atol=1e-6)
        # Events of more axes than it needs.
        sums = half if event_ndims == 3 else tf.reduce_sum(tf.broadcast_to(half, [3, 4, 4]), [1, 2])
        np.testing.assert_allclose(ours.forward_log_det_jacobian(x, 3), sums, rtol=1e-5, atol=1e-5)


def test_a_density_over_a_nested_constant_scale_integrates_to_one():
    flow = rnvp.Chain([rnvp.Chain([tfb.Scale([2.0])]), rnvp.BatchNormalization((2,))])
    grid = tf.linspace(-15.0, 15.0, 301)
    points = tf.stack(tf.meshgrid(grid, grid), -1)
    distribution = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 2), flow)
    assert abs(float(tf.reduce_sum(distribution.prob(points))) * 0.01 - 1) < 1e-3


def test_an_image_distribution_over_a_constant_flow():
    flow = rnvp.Chain([rnvp.Chain([tfb.Scale(2.0)]), rnvp.BatchNormalization((2, 2, 1))])
    stock = tfb.Chain([tfb.Scale(2.0), rnvp.BatchNormalization((2, 2, 1))])
    x = tf.random.stateless_uniform([3, 2, 2, 1], (0, 1), maxval=256)
    log_probs = [rnvp.image_distribution(f, event_shape=(2, 2, 1)).log_prob(x) for f in (flow, stock)]
    np.testing.assert_allclose(*log_probs, rtol=1e-6)


# Batch shapes.

LOC = [[0.0, 0.0], [5.0, 5.0], [9.0, 9.0]]


@pytest.mark.parametrize(
    "make",
    [
        lambda member: rnvp.Chain([member]),
        lambda member: rnvp.Chain([rnvp.Chain([member]), tfb.Scale(2.0)]),
        lambda member: tfb.Invert(rnvp.Chain([member])),
        lambda member: tfb.Chain([tfb.Invert(rnvp.Chain([tfb.Invert(member)]))]),
        lambda member: rnvp.Chain([rnvp.RealNVP((2,), num_couplings=2, hidden_units=(2,)), member]),
        lambda member: rnvp.Chain([tfb.Reshape([2], [2, 1]), tfb.Reshape([2, 1], [2]), member]),
    ],
)
def test_batch_shape_is_that_of_the_members(make):
    base = tfd.Sample(tfd.Normal(0.0, 1.0), 2)
    distribution = tfd.TransformedDistribution(base, make(tfb.Shift(LOC)))
    assert distribution.batch_shape == (3,)
    assert distribution.batch_shape_tensor() == [3]
    x = distribution.sample(3, seed=1)
    assert x.shape == (3, 3, 2)
    noise = distribution.bijector.inverse(x)
    assert np.ptp(noise, axis=1).all()  # Each member of the batch has noise of its own.
    alone = [distribution[i].log_prob(x[:, i]) for i in range(3)]
    np.testing.assert_allclose(distribution.log_prob(x), np.stack(alone, -1), rtol=1e-5)


def test_batch_shape_of_what_is_factored_out():
    base = tfd.Sample(tfd.Normal(0.0, 1.0), 4)
    distribution = tfd.TransformedDistribution(base, rnvp.FactorOut(rnvp.Chain([tfb.Shift(LOC)])))
    assert distribution.batch_shape == (3,)
    assert distribution.sample(2).shape == (2, 3, 4)
    np.testing.assert_allclose(distribution.log_prob([9.0, 9.0, 0.0, 0.0])[2], base.log_prob(tf.zeros([4])))


def test_members_without_parameter_properties_have_no_batch_shape():
    member = tfb.Inline(tf.exp, tf.math.log, lambda y: -tf.math.log(y), forward_min_event_ndims=0)
    base = tfd.Sample(tfd.Normal(0.0, 1.0), 2)
    assert tfd.TransformedDistribution(base, rnvp.Chain([member])).batch_shape == ()


# Distribution functions of scalars.


@pytest.mark.parametrize(
    "members",
    [
        [tfb.Exp(), tfb.Scale(-2.0)],
        [tfb.Sigmoid(), tfb.Invert(rnvp.Chain([tfb.Scale(-3.0), tfb.Shift(1.0)]))],
        [tfb.Scale([1.0, -1.0]), rnvp.Chain([tfb.Softplus()])],
    ],
)
def test_distribution_functions_are_those_of_tfp(members):
    ours, tfps = (
        tfd.TransformedDistribution(tfd.Normal(0.0, 1.0), chain(members)) for chain in (rnvp.Chain, tfb.Chain)
    )
    for method in ("cdf", "log_cdf", "quantile", "survival_function", "log_survival_function"):
        np.testing.assert_array_equal(getattr(ours, method)(0.3), getattr(tfps, method)(0.3))
    np.testing.assert_allclose(ours.cdf(ours.quantile(0.3)), 0.3, rtol=1e-5)


# Equality.


def test_flows_are_equal_that_share_all_variables_and_configuration():
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(2,))
    other = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(2,))
    equal = [
        (flow, flow.copy()),
        (tfb.Chain([flow]), tfb.Chain([flow.copy()])),
        (tfb.Invert(flow), tfb.Invert(flow.copy())),
        (rnvp.Chain(flow.bijectors), rnvp.Chain(flow.copy().bijectors)),
        (rnvp.FactorOut(flow), rnvp.FactorOut(flow.copy())),
        (rnvp.Squeeze(), rnvp.Squeeze()),
        (rnvp.Chain([tfb.Scale(2.0)]), rnvp.Chain([tfb.Scale(2.0)])),
    ]
    unequal = [
        (flow, other),
        (flow, copy.deepcopy(flow)),
        (flow, flow.copy(validate_args=True)),
        (rnvp.Chain([flow, tfb.Exp()]), rnvp.Chain([flow.copy(), tfb.Sigmoid()])),
        (rnvp.FactorOut(flow), rnvp.FactorOut(other)),
        (rnvp.BatchNormalization((2,)), rnvp.BatchNormalization((2,))),
        (rnvp.Chain([tfb.Scale(tf.Variable(2.0))]), rnvp.Chain([tfb.Scale(tf.Variable(2.0))])),
        (rnvp.Squeeze(), rnvp.Squeeze("ordered")),
        (flow, tfb.Identity()),
    ]
    for a, b in equal:
        assert a == b and hash(a) == hash(b)
    for a, b in unequal:
        assert a != b


def test_subclasses_with_variables_of_their_own_are_unequal():
    class Shift(Bijector):
        def __init__(self, name="shift"):
            parameters = dict(locals())
            self.shift = tf.Variable(0.0)
            super().__init__(forward_min_event_ndims=0, parameters=parameters, name=name)

    assert Shift() != Shift()


def test_kl_divergence_of_a_flow_and_its_copy():
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(2,))
    bases = [tfd.MultivariateNormalDiag([loc, 0.0], [1.0, 1.0]) for loc in (0.0, 3.0)]
    a, b = (tfd.TransformedDistribution(base, f) for base, f in zip(bases, (flow, flow.copy()), strict=True))
    np.testing.assert_allclose(tfd.kl_divergence(a, b), 4.5, rtol=1e-6)
