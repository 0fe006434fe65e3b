"""Bijectors of ours in chains, inverted, in joint maps: values, copies, pickles and checkpoints."""

import copy
import pickle

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import assert_bijective_and_finite, condition, made
from constructors import CONSTRUCTORS, representative

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

half = tfb.Shift(tf.constant(0.5, tf.float64), name="half")


def close(actual, expected, tolerance=1e-9):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=tolerance)


def ids(variables):
    return [id(v) for v in variables]


def assert_is(composed, entry, z, x, fldj):
    """Both ways of a composition, with the entry's condition, are these values and log-determinants."""
    batch_shape, ndims = z.shape[: z.shape.rank - len(entry.event_shape)], len(entry.event_shape)
    routed = rnvp.bijector_kwargs(composed, conditional_input=condition(entry, batch_shape))
    z, x = tf.identity(z), tf.identity(x)
    close(composed.forward(z, **routed), x)
    close(composed.forward_log_det_jacobian(z, ndims, **routed), fldj)
    close(composed.inverse(x, **routed), z)
    close(composed.inverse_log_det_jacobian(x, ndims, **routed), -fldj)
    assert composed.forward_event_shape(entry.event_shape) == x.shape[len(batch_shape) :]
    variables = made(entry).trainable_variables
    assert ids(composed.trainable_variables) == ids(variables)


NOTHING_CHANGED = {
    "invert_of_invert": lambda b: tfb.Invert(tfb.Invert(b)),
    "nested_chain": lambda b: tfb.Chain([tfb.Identity(), tfb.Chain([tfb.Identity(), tfb.Chain([b])])]),
    "our_chain_in_stock_in_ours": lambda b: rnvp.Chain([tfb.Chain([rnvp.Chain([b])])]),
    "invert_of_chain_of_invert": lambda b: tfb.Invert(tfb.Chain([tfb.Invert(b)])),
}


@representative
def test_values_and_log_determinants_of_compositions(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    kwargs, z = entry.kwargs((2, 3)), entry.data((2, 3))
    x = bijector.forward(z, **kwargs)
    fldj = bijector.forward_log_det_jacobian(tf.identity(z), ndims, **kwargs)
    for compose in NOTHING_CHANGED.values():
        assert_is(compose(bijector), entry, z, x, fldj)

    double = tfb.Scale(tf.constant(2.0, tf.float64), name="double")
    log_two = np.prod(entry.event_shape) * np.log(2)
    for chain in (tfb.Chain, rnvp.Chain):
        assert_is(chain([double, bijector, half]), entry, z - 0.5, 2 * x, fldj + log_two)
    for composed, start, end in (
        (bijector(half), z - 0.5, x),
        (bijector(tfb.Chain([half])), z - 0.5, x),
        (half(bijector), z, x + 0.5),
    ):
        assert type(composed) is type(tfb.Chain([bijector]))
        assert_is(composed, entry, start, end, fldj)
    close(bijector(tf.identity(z), **kwargs), x, 0)

    inverted = tfb.Invert(bijector)
    assert_bijective_and_finite(inverted, x, z, ndims, atol=1e-9, rtol=1e-9, **kwargs)
    close(inverted.inverse(tf.identity(z), **kwargs), x)
    close(inverted.inverse_log_det_jacobian(tf.identity(z), ndims, **kwargs), fldj)
    assert inverted.forward_event_shape(x.shape[2:]) == entry.event_shape


@representative
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


def test_validate_args_reaches_all_members():
    flow = rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=1, num_scales=2, validate_args=True)
    ours = [b for b in (flow, *flow.submodules) if type(b).__module__.startswith("tfp_realnvp")]
    without = {b.name for b in ours if isinstance(b, tfb.Bijector) and not b.validate_args}
    assert not without


COPIED = {  # Each with the direction that is the entry's `forward`.
    "stock_chain": (lambda b: tfb.Chain([half, b]), "forward"),
    "our_chain": (lambda b: rnvp.Chain([tfb.Invert(tfb.Chain([tfb.Invert(b)]))]), "forward"),
    "inverted": (tfb.Invert, "inverse"),
}


@representative
@pytest.mark.parametrize("compose, direction", COPIED.values(), ids=COPIED.keys())
def test_copies_and_pickles_of_compositions(entry, compose, direction):
    bijector = compose(made(entry))
    kwargs = rnvp.bijector_kwargs(bijector, conditional_input=condition(entry, (3,)))

    def values(b):
        log_det = getattr(b, f"{direction}_log_det_jacobian")
        ndims = len(entry.event_shape)
        return getattr(b, direction)(entry.data((3,)), **kwargs), log_det(entry.data((3,)), ndims, **kwargs)

    expected = values(bijector)
    for other in (copy.deepcopy(bijector), pickle.loads(pickle.dumps(bijector))):
        assert type(other) is type(bijector)
        assert len(other.variables) == len(bijector.variables)
        assert len(other.trainable_variables) == len(bijector.trainable_variables)
        assert not {*ids(other.variables)} & {*ids(bijector.variables)}
        for a, b in zip(values(other), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_copy_trains_apart_from_its_original():
    entry = CONSTRUCTORS["real_nvp_vector"]
    original = entry.bijector()
    for other in (copy.deepcopy(tfb.Chain([original])), pickle.loads(pickle.dumps(original))):
        before = original.forward(entry.data((3,)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(other.forward(entry.data((3,))) ** 2)
        for v, g in zip(
            other.trainable_variables, tape.gradient(loss, other.trainable_variables), strict=True
        ):
            v.assign_sub(0.1 * g)
        np.testing.assert_array_equal(original.forward(entry.data((3,))), before)
        assert np.abs(other.forward(entry.data((3,))) - before).max() > 1e-3


def with_variables_around(entry, bijector):
    loc, shift = tf.Variable(0.5, dtype=tf.float64), tf.Variable(-0.5, dtype=tf.float64)
    chain = tfb.Chain([tfb.Shift(shift), rnvp.Chain([tfb.Invert(tfb.Invert(bijector))])])
    return tfd.TransformedDistribution(tfd.Sample(tfd.Normal(loc, 1.0), entry.event_shape), chain)


@representative
def test_a_checkpoint_of_what_holds_a_bijector(entry, tmp_path):
    for wrap in (lambda _, b: tfb.Chain([tfb.Identity(), b]), with_variables_around):
        held, fresh = wrap(entry, entry.bijector()), wrap(entry, entry.make("float64"))
        for v in held.variables:
            v.assign_add(tf.fill(v.shape, tf.constant(0.01, v.dtype)))
        path = tf.train.Checkpoint(held=held).save(tmp_path / "checkpoint")
        tf.train.Checkpoint(held=fresh).restore(path).assert_consumed()
        assert len(held.variables) == len(fresh.variables)
        for a, b in zip(held.variables, fresh.variables, strict=True):
            assert a is not b
            np.testing.assert_array_equal(a, b)
