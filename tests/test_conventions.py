"""The conventions of `tfb.Bijector`: arguments, copies, shapes, and every place a bijector goes."""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from absl.testing import parameterized
from bijector_checks import assert_bijective_and_finite, condition, every, get_fldj_theoretical, made
from constructors import CONSTRUCTORS
from tensorflow_probability.python.internal import test_util

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

unconditional = pytest.mark.parametrize(
    "entry",
    [e for e in CONSTRUCTORS.values() if e.conditional_event_shape is None],
    ids=[n for n, e in CONSTRUCTORS.items() if e.conditional_event_shape is None],
)


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


# Arguments, copies and identity.


@every
def test_parameters_are_the_arguments(entry):
    bijector = made(entry)
    assert set(bijector.parameters) == set(inspect.signature(type(bijector).__init__).parameters) - {"self"}
    again = type(bijector)(**bijector.parameters)
    kwargs = entry.kwargs((3,))
    close(again.forward(entry.data((3,)), **kwargs), bijector.forward(entry.data((3,)), **kwargs), 0)


@every
def test_arguments_are_respected(entry):
    bijector, kwargs, z = made(entry), entry.kwargs((3,)), entry.data((3,))
    default = inspect.signature(type(bijector).__init__).parameters["name"].default
    assert (bijector.name, bijector.validate_args) == (default, False)
    enforced = bijector.variables or "dtype" in bijector.parameters
    for dtype in (tf.float32, tf.float64):
        assert made(entry, dtype.name).dtype is (dtype if enforced else None)
    x = bijector.forward(z, **kwargs)
    for change in ({"name": "another"}, {"validate_args": True}):
        copy = bijector.copy(**change)
        assert {k: v for k, v in copy.parameters.items() if v is not bijector.parameters[k]} == change
        assert all(getattr(copy, k) == v for k, v in change.items())
        assert type(copy) is type(bijector)
        assert [id(v) for v in copy.trainable_variables] == [id(v) for v in bijector.trainable_variables]
        assert [id(v) for v in copy.variables] == [id(v) for v in bijector.variables]
        close(copy.forward(tf.identity(z), **kwargs), x, 0)
        log_dets = [
            b.inverse_log_det_jacobian(tf.identity(x), len(entry.event_shape), **kwargs)
            for b in (copy, bijector)
        ]
        close(*log_dets, 0)


@every
def test_a_copy_of_another_dtype_is_of_it_or_refused(entry):
    bijector = made(entry, "float32")
    if "dtype" not in bijector.parameters:
        return
    try:
        copied = bijector.copy(dtype=tf.float64)
    except (TypeError, ValueError):
        return  # Its variables are of float32.
    assert copied.dtype is tf.float64


def test_validate_args_reaches_all_members():
    flow = rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=1, num_scales=2, validate_args=True)
    ours = [b for b in (flow, *flow.submodules) if type(b).__module__.startswith("tfp_realnvp")]
    without = {b.name for b in ours if isinstance(b, tfb.Bijector) and not b.validate_args}
    assert not without


@every
def test_repr_and_str(entry):
    bijector = made(entry)
    td = tfd.TransformedDistribution(base(entry), bijector, name="of_flow")
    for text in (repr(bijector), str(bijector)):
        assert type(bijector).__name__ in text
        assert bijector.name in text
        assert "batch_shape=[]" in text
    for d in (td, tfd.Independent(td), tfd.Sample(td, 2)):
        shape = str(tuple(d.event_shape)).strip("()").rstrip(",")
        assert "of_flow" in str(d)
        assert f"event_shape=[{shape}]" in str(d)
        assert f"event_shape=[{shape}]" in repr(d)
    assert bijector.name in str(tfb.Invert(bijector)) + str(tfb.Chain([bijector]))


@every
def test_equality_and_hash(entry):
    a, b = entry.make("float64"), entry.make("float64")
    assert a == a
    assert hash(a) == hash(a)
    shared = not a.variables  # Of all there are.
    assert (a == b) == shared
    assert a == a.copy()
    assert hash(a) == hash(a.copy())
    assert a != a.copy(name="another")
    assert a != tfb.Identity()
    assert {a: 1}[a.copy()] == 1
    assert len({a, b, a}) == (1 if shared else 2)
    assert tfb.Invert(a) == tfb.Invert(a)
    assert (tfb.Invert(a) == tfb.Invert(b)) == shared


# Shapes, ranks and dtypes.


@every
def test_batch_shapes(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    assert bijector.parameter_properties().keys() <= {"bijector", "bijectors"}  # Those of its members.
    for b in (bijector, tfb.Invert(bijector), tfb.Chain([bijector]), rnvp.Chain([bijector])):
        for more in (0, 2):
            for arguments in ({"x_event_ndims": ndims + more}, {"y_event_ndims": ndims + more}):
                assert b.experimental_batch_shape(**arguments) == ()
                assert b.experimental_batch_shape_tensor(**arguments).shape == (0,)
    stretched = tfb.Chain([tfb.Scale(tf.ones([6, *[1] * ndims], tf.float64)), bijector])
    assert stretched.experimental_batch_shape(x_event_ndims=ndims) == (6,)


@every
def test_event_shapes_and_ranks(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    image_shape = tuple(bijector.forward(entry.data(()), **entry.kwargs(())).shape)
    assert (bijector.forward_min_event_ndims, bijector.inverse_min_event_ndims) == (ndims, len(image_shape))
    directions = (
        (
            bijector.forward_event_shape,
            bijector.forward_event_shape_tensor,
            bijector.forward_event_ndims,
            entry.event_shape,
            image_shape,
        ),
        (
            bijector.inverse_event_shape,
            bijector.inverse_event_shape_tensor,
            bijector.inverse_event_ndims,
            image_shape,
            entry.event_shape,
        ),
    )
    for shape, shape_tensor, event_ndims, given, expected in directions:
        assert shape((7, *given)) == (7, *expected)
        assert shape((None, *given)).as_list() == [None, *expected]
        assert shape([None] * ndims).rank == ndims
        assert shape([None] * ndims).is_compatible_with(expected)
        assert shape(None).rank is None
        in_graph = tf.function(shape_tensor, input_signature=[tf.TensorSpec([None], tf.int32)])
        for call in (shape_tensor, in_graph):
            assert call(tf.constant(given)).numpy().tolist() == list(expected)
            assert call(tf.constant((7, *given))).numpy().tolist() == [7, *expected]
        assert (event_ndims(ndims), event_ndims(ndims + 2), event_ndims(None)) == (ndims, ndims + 2, None)


@every
def test_dtypes(entry):
    bijector = made(entry)
    for dtype in (bijector.forward_dtype, bijector.inverse_dtype):
        assert dtype() is bijector.dtype
        assert dtype(tf.float64) is tf.float64
        if bijector.dtype is not None:
            with pytest.raises(TypeError):
                dtype(tf.float32)


@every
def test_a_constant_jacobian_is_constant(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    log_dets = [
        bijector.forward_log_det_jacobian(entry.data((3,), seed=seed), ndims, **entry.kwargs((3,)))
        for seed in (3, 4)
    ]
    if bijector.is_constant_jacobian:
        np.testing.assert_array_equal(*log_dets)
    assert bijector.is_constant_jacobian == isinstance(bijector, rnvp.Squeeze)


@every
def test_further_event_axes_are_summed(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    z, kwargs = entry.data((2, 3)), entry.kwargs((2, 3))
    x = bijector.forward(z, **kwargs)
    fldj = bijector.forward_log_det_jacobian(tf.identity(z), ndims, **kwargs)
    for more in (1, 2):
        expected = tf.reduce_sum(fldj, list(range(-more, 0)))
        close(bijector.forward_log_det_jacobian(tf.identity(z), ndims + more, **kwargs), expected)
        close(bijector.inverse_log_det_jacobian(tf.identity(x), ndims + more, **kwargs), -expected)
    close(bijector.forward_log_det_jacobian(tf.identity(z), **kwargs), fldj)  # Without, as few as can be.
    if np.prod(entry.event_shape) < 50:
        summed = bijector.forward_log_det_jacobian(tf.identity(z), ndims + 1, **kwargs)
        close(summed, get_fldj_theoretical(bijector, z, ndims + 1, **kwargs))
    with pytest.raises(ValueError, match="event_ndims"):
        bijector.forward_log_det_jacobian(z, ndims - 1, **kwargs)


# Called on things, and inside of things.


@every
def test_called_on_a_tensor_a_bijector_and_a_distribution(entry):
    bijector, kwargs, z = made(entry), entry.kwargs((3,)), entry.data((3,))
    x = bijector.forward(z, **kwargs)
    close(bijector(tf.identity(z), **kwargs), x, 0)
    other = tfb.Shift(tf.constant(0.5, tf.float64))
    for composed, point, after in (
        (bijector(other), z - 0.5, x),
        (bijector(tfb.Chain([other])), z - 0.5, x),
        (other(bijector), z, x + 0.5),
    ):
        assert type(composed) is type(tfb.Chain([bijector]))
        routed = rnvp.bijector_kwargs(composed, conditional_input=condition(entry, (3,)))
        close(composed.forward(point, **routed), after, 1e-12)
    prior = base(entry)
    td = bijector(prior)
    assert type(td) is type(tfd.TransformedDistribution(prior, bijector))
    assert (td.bijector, td.distribution) == (bijector, prior)
    close(td.log_prob(x, bijector_kwargs=kwargs), log_prob_by_hand(entry, prior, x, **kwargs))
    twice = other(td)
    assert (twice.bijector, twice.distribution) == (other, td)
    nested = {"distribution_kwargs": {"bijector_kwargs": kwargs}}
    close(twice.log_prob(x + 0.5, **nested), log_prob_by_hand(entry, prior, x, **kwargs))


COMPOSITIONS = {
    "invert_of_invert": lambda b: tfb.Invert(tfb.Invert(b)),
    "nested_chain": lambda b: tfb.Chain([tfb.Identity(), tfb.Chain([tfb.Identity(), tfb.Chain([b])])]),
    "our_chain_in_stock_in_ours": lambda b: rnvp.Chain([tfb.Chain([rnvp.Chain([b])])]),
    "invert_of_chain_of_invert": lambda b: tfb.Invert(tfb.Chain([tfb.Invert(b)])),
}


@every
@pytest.mark.parametrize("compose", COMPOSITIONS.values(), ids=COMPOSITIONS.keys())
def test_compositions_that_change_nothing(entry, compose):
    bijector, ndims = made(entry), len(entry.event_shape)
    composed = compose(bijector)
    kwargs, z = entry.kwargs((2, 3)), entry.data((2, 3))
    routed = rnvp.bijector_kwargs(composed, conditional_input=condition(entry, (2, 3)))
    x, fldj = bijector.forward(z, **kwargs), bijector.forward_log_det_jacobian(z, ndims, **kwargs)
    z, x = tf.identity(z), tf.identity(x)
    close(composed.forward(z, **routed), x)
    close(composed.forward_log_det_jacobian(z, ndims, **routed), fldj)
    close(composed.inverse(x, **routed), z)
    close(composed.inverse_log_det_jacobian(x, ndims, **routed), -fldj)
    assert composed.forward_event_shape(entry.event_shape) == x.shape[2:]
    assert [id(v) for v in composed.trainable_variables] == [id(v) for v in bijector.trainable_variables]


@every
def test_inverted(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    inverted, kwargs, z = tfb.Invert(bijector), entry.kwargs((3,)), entry.data((3,))
    x = bijector.forward(z, **kwargs)
    assert_bijective_and_finite(inverted, x, z, ndims, atol=1e-9, rtol=1e-9, **kwargs)
    close(inverted.inverse(tf.identity(z), **kwargs), x)
    fldj = bijector.forward_log_det_jacobian(tf.identity(z), ndims, **kwargs)
    close(inverted.inverse_log_det_jacobian(tf.identity(z), ndims, **kwargs), fldj)
    assert inverted.forward_event_shape(x.shape[1:]) == entry.event_shape


@every
@pytest.mark.parametrize("chain", [tfb.Chain, rnvp.Chain], ids=["stock", "ours"])
def test_between_stock_bijectors(entry, chain):
    bijector, ndims = made(entry), len(entry.event_shape)
    double = tfb.Scale(tf.constant(2.0, tf.float64), name="double")
    composed = chain([double, bijector, tfb.Shift(tf.constant(0.5, tf.float64), name="half")])
    z, kwargs = entry.data((3,)), entry.kwargs((3,))
    routed = rnvp.bijector_kwargs(composed, conditional_input=condition(entry, (3,)))
    inner = z + 0.5
    x = 2 * bijector.forward(inner, **kwargs)
    log_det = bijector.forward_log_det_jacobian(inner, ndims, **kwargs)
    log_det += np.prod(entry.event_shape) * np.log(2)
    close(composed.forward(z, **routed), x)
    close(composed.forward_log_det_jacobian(z, ndims, **routed), log_det)
    close(composed.inverse(x, **routed), z)
    close(composed.inverse_log_det_jacobian(x, ndims, **routed), -log_det)


@every
def test_in_a_joint_map(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    both = tfb.JointMap({"flow": bijector, "positive": tfb.Exp()})
    z = {"flow": entry.data((3,)), "positive": tf.constant([0.1, -0.2, 0.3], tf.float64)}
    kwargs = entry.kwargs((3,))
    routed = rnvp.bijector_kwargs(both, conditional_input=condition(entry, (3,)))
    x = both.forward(z, **routed)
    close(x["flow"], bijector.forward(tf.identity(z["flow"]), **kwargs))
    close(x["positive"], tf.exp(z["positive"]))
    x = {k: tf.identity(v) for k, v in x.items()}
    close(both.inverse(x, **routed)["flow"], z["flow"])
    fldj = bijector.forward_log_det_jacobian(tf.identity(z["flow"]), ndims, **kwargs) + z["positive"]
    event_ndims = {"flow": ndims, "positive": 0}
    z = {k: tf.identity(v) for k, v in z.items()}
    close(both.forward_log_det_jacobian(z, event_ndims, **routed), fldj)
    close(both.inverse_log_det_jacobian(x, event_ndims, **routed), -fldj)


# Distributions of a flow, inside of others.


@every
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


@every
def test_in_independent_and_sample(entry):
    bijector = made(entry)
    prior = base(entry, (3,))
    td = tfd.TransformedDistribution(prior, bijector)
    x = bijector.forward(entry.data((2, 3)), **entry.kwargs((2, 3)))
    routed = {"bijector_kwargs": entry.kwargs((2, 3))}
    by_hand = log_prob_by_hand(entry, prior, x, **entry.kwargs((2, 3)))
    assert by_hand.shape == (2, 3)
    independent = tfd.Independent(td, reinterpreted_batch_ndims=1)
    close(independent.log_prob(tf.identity(x), **routed), tf.reduce_sum(by_hand, -1))
    drawn = independent.sample(2, seed=(1, 2), **routed)
    again = td.sample(2, seed=(1, 2), **routed)
    close(drawn, again)
    sample = tfd.Sample(tfd.TransformedDistribution(base(entry), bijector), 3)
    by_hand = log_prob_by_hand(entry, base(entry), x, **entry.kwargs((2, 3)))
    close(sample.log_prob(tf.identity(x), **routed), tf.reduce_sum(by_hand, -1))
    drawn = sample.sample(2, seed=(1, 2), **routed)
    assert drawn.shape == x.shape
    z = bijector.inverse(tf.identity(drawn), **entry.kwargs((2, 3)))
    close(bijector.forward(tf.identity(z), **entry.kwargs((2, 3))), drawn)
    assert np.std(z) > 0.5


@every
def test_samples_are_images_of_the_base(entry):
    bijector, prior = made(entry), base(entry)
    td = tfd.TransformedDistribution(prior, bijector)
    routed = {"bijector_kwargs": entry.kwargs((4,))}
    x, log_prob = td.experimental_sample_and_log_prob(4, seed=(1, 2), **routed)
    close(td.sample(4, seed=(1, 2), **routed), x, 0)
    close(log_prob, log_prob_by_hand(entry, prior, x, **entry.kwargs((4,))))
    z = bijector.inverse(tf.identity(x), **entry.kwargs((4,)))
    fldj = bijector.forward_log_det_jacobian(z, len(entry.event_shape), **entry.kwargs((4,)))
    close(log_prob, prior.log_prob(z) - fldj)
    assert 0.5 < np.std(z) / 1.5 < 2


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
