"""What every bijector of ours does, as any `tfb.Bijector` should."""

import copy
import pickle

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import each

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

every = each()
with_variables = each("variables")
TOLERANCE = {"float32": 2e-4, "float64": 1e-10}


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_inverts_both_ways(entry, dtype):
    bijector, kwargs = entry.bijector(dtype), entry.kwargs((3,), dtype)
    z = entry.data((3,), dtype)
    x = bijector.forward(z, **kwargs)
    assert x.dtype == z.dtype
    again = bijector.inverse(tf.identity(x), **kwargs)
    np.testing.assert_allclose(again, z, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])
    np.testing.assert_allclose(
        bijector.forward(tf.identity(again), **kwargs), x, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype]
    )


@every
def test_log_det_is_that_of_the_jacobian(entry):
    bijector, kwargs = entry.bijector(), entry.kwargs((2,))
    ndims = len(entry.event_shape)
    z = entry.data((2,))
    with tf.GradientTape() as tape:
        tape.watch(z)
        x = bijector.forward(z, **kwargs)
    size = int(np.prod(entry.event_shape))
    jacobian = tf.reshape(tape.batch_jacobian(x, z), [2, size, size])
    expected = tf.linalg.slogdet(jacobian)[1]
    fldj = bijector.forward_log_det_jacobian(tf.identity(z), ndims, **kwargs)
    ildj = bijector.inverse_log_det_jacobian(tf.identity(x), ndims, **kwargs)
    np.testing.assert_allclose(fldj, expected, atol=1e-9)
    np.testing.assert_allclose(ildj, -expected, atol=1e-9)
    assert fldj.shape == ildj.shape == (2,)


@every
@pytest.mark.parametrize("batch_shape", [(), (1,), (7,), (2, 3)], ids=str)
def test_takes_any_batch_shape(entry, batch_shape):
    bijector, ndims = entry.bijector(), len(entry.event_shape)
    z = entry.data(batch_shape)
    kwargs = entry.kwargs(batch_shape)
    x = bijector.forward(z, **kwargs)
    flat = {k: tf.reshape(v, [-1, *entry.conditional_event_shape]) for k, v in kwargs.items()}
    expected = bijector.forward(tf.reshape(z, [-1, *entry.event_shape]), **flat)
    np.testing.assert_allclose(tf.reshape(x, expected.shape), expected, atol=1e-12)
    assert x.shape[: len(batch_shape)] == batch_shape
    log_det = bijector.inverse_log_det_jacobian(x, bijector.inverse_min_event_ndims, **kwargs)
    assert log_det.shape == batch_shape
    assert bijector.inverse(x, **kwargs).shape == z.shape
    assert ndims == bijector.forward_min_event_ndims


@every
@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_gives_the_same_in_a_graph(entry, jit_compile):
    bijector, kwargs = entry.bijector("float32"), entry.kwargs((3,), "float32")

    def log_det_and_value(x, **kwargs):
        z = bijector.inverse(x, **kwargs)
        return z, bijector.inverse_log_det_jacobian(x, len(entry.event_shape), **kwargs)

    x = bijector.forward(entry.data((3,), "float32"), **kwargs)
    expected = log_det_and_value(x, **kwargs)
    actual = tf.function(log_det_and_value, jit_compile=jit_compile)(x, **kwargs)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-4, rtol=2e-4)


@every
@pytest.mark.parametrize("unknown", ["batch", "sides", "rank"])
def test_takes_unknown_shapes(entry, unknown):
    bijector, kwargs = entry.bijector(), entry.kwargs((3,))
    x = bijector.forward(entry.data((3,)), **kwargs)
    shape = {
        "batch": [None, *x.shape[1:]],
        "sides": [*[None] * len(entry.event_shape), x.shape[-1]],
        "rank": None,
    }[unknown]
    if unknown == "rank" and kwargs and not isinstance(bijector, rnvp.RealNVP):
        pytest.skip("a coupling of unknown rank needs conditional_event_ndims")

    @tf.function(input_signature=[tf.TensorSpec(shape, x.dtype)])
    def inverse(x):
        return bijector.inverse(x, **kwargs), bijector.inverse_log_det_jacobian(
            x, len(entry.event_shape), **kwargs
        )

    z, log_det = inverse(x)
    np.testing.assert_allclose(z, bijector.inverse(x, **kwargs), atol=1e-9)
    np.testing.assert_allclose(
        log_det,
        bijector.inverse_log_det_jacobian(tf.identity(x), len(entry.event_shape), **kwargs),
        atol=1e-9,
    )


@every
def test_event_shapes(entry):
    bijector = entry.bijector()
    shape = bijector.forward(entry.data((1,)), **entry.kwargs((1,))).shape[1:]
    assert bijector.forward_event_shape(entry.event_shape) == shape
    assert bijector.inverse_event_shape(shape) == entry.event_shape
    assert tuple(bijector.forward_event_shape_tensor(entry.event_shape)) == tuple(shape)
    assert tuple(bijector.inverse_event_shape_tensor(shape)) == entry.event_shape
    assert bijector.experimental_batch_shape() == ()


@with_variables
def test_variables_are_seen_through_everything(entry):
    bijector = entry.bijector("float32")
    names = {id(v) for v in bijector.variables}
    trainable = {id(v) for v in bijector.trainable_variables}
    base = tfd.Sample(tfd.Normal(0.0, 1.0), entry.event_shape)
    inner = tfd.TransformedDistribution(base, bijector)
    wrapped = [
        tfb.Invert(bijector),
        tfb.Chain([tfb.Identity(), tfb.Chain([bijector])]),
        rnvp.Chain([tfb.Identity(), bijector]),
        inner,
        tfd.TransformedDistribution(inner, tfb.Identity()),
    ]
    for module in wrapped:
        assert {id(v) for v in module.variables} == names
        assert {id(v) for v in module.trainable_variables} == trainable
    layers = {id(x): x for m in (bijector, *bijector.submodules) for x in getattr(m, "layers", ())}
    assert names == {id(v._value) for x in layers.values() for v in x.variables}
    assert all(isinstance(v, tf.Variable) for v in bijector.variables)


@with_variables
def test_every_variable_has_a_gradient(entry):
    bijector, kwargs = entry.bijector(), entry.kwargs((3,))
    x = tf.identity(bijector.forward(entry.data((3,)), **kwargs))
    with tf.GradientTape() as tape:
        z = bijector.inverse(x, **kwargs)
        log_det = bijector.inverse_log_det_jacobian(x, len(entry.event_shape), **kwargs)
        loss = tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
    for v, g in zip(
        bijector.trainable_variables, tape.gradient(loss, bijector.trainable_variables), strict=True
    ):
        assert g is not None, v.name
        assert np.isfinite(g).all(), v.name


@every
def test_copies(entry):
    bijector, kwargs = entry.bijector(), entry.kwargs((3,))
    z = entry.data((3,))
    x = bijector.forward(z, **kwargs)
    shared = bijector.copy(name="another")
    assert shared.name == "another"
    assert {id(v) for v in shared.variables} == {id(v) for v in bijector.variables}
    np.testing.assert_array_equal(shared.forward(z, **kwargs), x)
    for other in (copy.deepcopy(bijector), pickle.loads(pickle.dumps(bijector))):
        assert not {id(v) for v in other.variables} & {id(v) for v in bijector.variables}
        np.testing.assert_array_equal(other.forward(z, **kwargs), x)


@with_variables
def test_a_float64_event_of_a_float32_bijector_raises(entry):
    with pytest.raises((TypeError, ValueError), match="float"):
        entry.bijector("float32").forward(entry.data((3,), "float64"), **entry.kwargs((3,), "float32"))


@with_variables
def test_a_checkpoint_restores_into_a_new_one(entry, tmp_path):
    bijector, fresh = entry.bijector(), entry.make("float64")
    path = tf.train.Checkpoint(bijector=bijector).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(bijector=fresh).restore(path).assert_consumed()
    for a, b in zip(bijector.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(a, b)
