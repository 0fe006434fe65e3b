"""The contract of `tfb.Bijector`, by every constructor of ours.

Each bijector is made once, and what its checks compute is shared by them.
"""

import copy
import functools
import inspect
import pickle
import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import assert_bijective_and_finite, changed, condition, get_fldj_theoretical, made
from constructors import CONSTRUCTORS, HEAVY, REPRESENTATIVES, each, every

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

SINGLE = 2e-4
"""Rounding of a value in float32."""


def close(actual, expected, tolerance=1e-9):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, atol=tolerance, rtol=tolerance)


def all_four(bijector, z, x, ndims, apart=False, **kwargs):
    """Both values and both log-determinants: of one pass each, or computed `apart`."""
    fresh = tf.identity if apart else lambda v: v
    return (
        bijector.forward(z, **kwargs),
        bijector.forward_log_det_jacobian(fresh(z), ndims, **kwargs),
        bijector.inverse(x, **kwargs),
        bijector.inverse_log_det_jacobian(fresh(x), ndims, **kwargs),
    )


@functools.cache
def evaluated(entry):
    """A batch of 2 x 3 latents and their events, in float64, with both log-determinants."""
    bijector, ndims, kwargs = made(entry), len(entry.event_shape), entry.kwargs((2, 3))
    z = entry.data((2, 3))
    x = tf.identity(bijector.forward(z, **kwargs))
    fldj = bijector.forward_log_det_jacobian(tf.identity(z), ndims, **kwargs)
    ildj = bijector.inverse_log_det_jacobian(tf.identity(x), ndims, **kwargs)
    return types.SimpleNamespace(
        bijector=bijector,
        ndims=ndims,
        kwargs=kwargs,
        z=z,
        x=x,
        fldj=fldj,
        ildj=ildj,
        image=tuple(x.shape[2:]),
    )


most = each(slow=HEAVY[:-1])
light = each(slow=(*HEAVY, "real_nvp_image"))


@most
def test_values_and_log_determinants(entry):
    of = evaluated(entry)
    bijector, ndims, kwargs = of.bijector, of.ndims, of.kwargs
    assert of.x.dtype == of.fldj.dtype == of.ildj.dtype == tf.float64
    assert of.fldj.shape == of.ildj.shape == (2, 3)
    close(bijector.inverse(tf.identity(of.x), **kwargs), of.z)
    close(bijector.forward(bijector.inverse(tf.identity(of.x), **kwargs), **kwargs), of.x)
    expected = get_fldj_theoretical(bijector, of.z, ndims, **kwargs)
    close(of.fldj, expected)
    close(of.ildj, -expected)

    one_pass = all_four(bijector, of.z, of.x, ndims, **kwargs)
    for a, b in zip(one_pass, (of.x, of.fldj, of.z, of.ildj), strict=True):
        close(a, b)
    for more in (1, 2):  # Further axes of an event are summed over.
        summed = tf.reduce_sum(of.fldj, list(range(-more, 0)))
        close(bijector.forward_log_det_jacobian(tf.identity(of.z), ndims + more, **kwargs), summed)
        close(bijector.inverse_log_det_jacobian(tf.identity(of.x), ndims + more, **kwargs), -summed)
    close(bijector.forward_log_det_jacobian(tf.identity(of.z), **kwargs), of.fldj)  # As few as can be.
    with pytest.raises(ValueError, match="event_ndims"):
        bijector.forward_log_det_jacobian(of.z, ndims - 1, **kwargs)

    other = entry.data((2, 3), seed=4)
    is_constant = np.array_equal(bijector.forward_log_det_jacobian(other, ndims, **kwargs), of.fldj)
    assert bijector.is_constant_jacobian == isinstance(bijector, rnvp.Squeeze)
    assert is_constant or not bijector.is_constant_jacobian


@most
def test_batches_of_any_shape(entry):
    of = evaluated(entry)
    for part in ((0, 0), (slice(0, 1), 0), (0,), (slice(0, 0),), (slice(None), slice(0, 0), None)):
        z, x, fldj, ildj = (v[part] for v in (of.z, of.x, of.fldj, of.ildj))
        kwargs = {name: v[part] for name, v in of.kwargs.items()}
        results = all_four(of.bijector, z, x, of.ndims, apart=True, **kwargs)
        for a, b in zip(results, (x, fldj, z, ildj), strict=True):
            assert a.dtype == tf.float64
            close(a, b)


@light
def test_single_precision_and_other_dtypes(entry):
    of = evaluated(entry)
    bijector, kwargs = made(entry, "float32"), entry.kwargs((2, 3), "float32")
    z, x = tf.cast(of.z, tf.float32), tf.cast(of.x, tf.float32)
    assert_bijective_and_finite(bijector, z, x, of.ndims, atol=1e-3, rtol=1e-3, **kwargs)
    expected = all_four(bijector, z, x, of.ndims, **kwargs)
    for a, b in zip(expected, (of.x, of.fldj, of.z, of.ildj), strict=True):
        assert a.dtype == tf.float32
        np.testing.assert_allclose(a, b, atol=20 * SINGLE, rtol=20 * SINGLE)
    assert np.abs(expected[0].numpy().astype("float64") - of.x).max() < 1e-2
    close(bijector.inverse(tf.identity(expected[0]), **kwargs), z, SINGLE)
    for dtype in (of.bijector.forward_dtype, of.bijector.inverse_dtype):
        assert dtype() is of.bijector.dtype
        assert dtype(tf.float64) is tf.float64
    enforced = bijector.variables or "dtype" in bijector.parameters
    assert (bijector.dtype, of.bijector.dtype) == ((tf.float32, tf.float64) if enforced else (None, None))
    if bijector.dtype is None:
        return
    with pytest.raises(TypeError):
        of.bijector.forward_dtype(tf.float32)
    for a, b in ((of.z.numpy(), of.x.numpy()), (of.z.numpy().tolist(), of.x.numpy().tolist())):
        results = (
            bijector.forward(a, **kwargs),
            bijector.forward_log_det_jacobian(a, of.ndims, **kwargs),
            bijector.inverse(b, **kwargs),
            bijector.inverse_log_det_jacobian(b, of.ndims, **kwargs),
        )
        for actual, desired in zip(results, expected, strict=True):
            assert actual.dtype == tf.float32
            np.testing.assert_allclose(actual, desired, atol=SINGLE, rtol=SINGLE)
    for given in ("float64", "float16", "bfloat16", "int32", "bool"):
        wrong_z, wrong_x = tf.cast(z, given), tf.cast(x, given)
        for call in (
            lambda a=wrong_z: bijector.forward(a, **kwargs),
            lambda b=wrong_x: bijector.inverse(b, **kwargs),
            lambda a=wrong_z: bijector.forward_log_det_jacobian(a, of.ndims, **kwargs),
            lambda b=wrong_x: bijector.inverse_log_det_jacobian(b, of.ndims, **kwargs),
        ):
            with pytest.raises((TypeError, ValueError), match=f"float32.*{given}"):
                call()


@light
def test_without_a_dtype_nothing_is_truncated(entry):
    """Any tensor is transformed in its own dtype and rightly, or refused."""
    bijector, exact, ndims = made(entry, None), made(entry), len(entry.event_shape)
    for given in ("float64", "float16", "bfloat16", "int32", "int64", "uint8"):
        x = tf.cast(3 * entry.data((3,)), given)
        try:
            y = bijector.forward(x, **entry.kwargs((3,), "float32"))
            log_det = bijector.forward_log_det_jacobian(x, ndims, **entry.kwargs((3,), "float32"))
        except (TypeError, ValueError, tf.errors.InvalidArgumentError):
            continue
        assert y.dtype == log_det.dtype == x.dtype
        wide = tf.cast(x, tf.float64)
        expected = exact.forward(wide, **entry.kwargs((3,)))
        expected_log_det = exact.forward_log_det_jacobian(wide, ndims, **entry.kwargs((3,)))
        tolerance = {"float64": 1e-12, "float16": 0.01, "bfloat16": 0.1}.get(given, 0)
        np.testing.assert_allclose(tf.cast(y, tf.float64), expected, atol=tolerance, rtol=tolerance)
        log_det = tf.cast(log_det, tf.float64)
        np.testing.assert_allclose(log_det, expected_log_det, atol=4 * tolerance, rtol=4 * tolerance)


def test_a_coupling_refuses_complex_events():
    entry = CONSTRUCTORS["coupling_vector"]  # Its network would drop the imaginary parts.
    with pytest.raises((TypeError, ValueError), match="complex64"):
        made(entry, None).forward(tf.cast(entry.data((3,)), tf.complex64))


@each(slow=HEAVY)
def test_one_graph_for_all_batch_sizes(entry):
    of = evaluated(entry)
    traces = []

    def call(z, x, kwargs):
        traces.append(z.shape)
        return all_four(of.bijector, z, x, of.ndims, **kwargs)

    z, x = (tf.TensorSpec([None, 3, *shape], tf.float64) for shape in (entry.event_shape, of.image))
    condition = {k: tf.TensorSpec([None, *v.shape[1:]], tf.float64) for k, v in of.kwargs.items()}
    in_graph = tf.function(call, input_signature=[z, x, condition])
    for size in (2, 1, 0):
        kwargs = {k: v[:size] for k, v in of.kwargs.items()}
        expected = (v[:size] for v in (of.x, of.fldj, of.z, of.ildj))
        for a, b in zip(in_graph(of.z[:size], of.x[:size], kwargs), expected, strict=True):
            assert a.dtype == tf.float64
            close(a, b)
    assert traces == [(None, 3, *entry.event_shape)]


@each(slow=HEAVY)
def test_one_graph_for_all_ranks_and_one_for_unknown_sides(entry):
    of = evaluated(entry)
    traces = []

    def call(z, kwargs):
        traces.append(z.shape)
        return of.bijector.forward(z, **kwargs), of.bijector.forward_log_det_jacobian(z, of.ndims, **kwargs)

    unknown = tf.TensorSpec(None, tf.float64)
    in_graph = tf.function(call, input_signature=[unknown, dict.fromkeys(of.kwargs, unknown)])
    if of.kwargs and not isinstance(of.bijector, rnvp.RealNVP):
        with pytest.raises(ValueError, match="needs `conditional_event_ndims`"):
            in_graph(of.z, of.kwargs)
    else:
        for part in ((0, 0), (0,), ()):
            kwargs = {k: v[part] for k, v in of.kwargs.items()}
            for a, b in zip(in_graph(of.z[part], kwargs), (of.x[part], of.fldj[part]), strict=True):
                close(a, b)
        assert len([shape for shape in traces if shape.rank is None]) == 1

    sides = [None] * (1 + of.ndims)

    @tf.function(input_signature=[tf.TensorSpec([*sides, of.image[-1]], tf.float64)])
    def inverse(x):
        z = of.bijector.inverse(x, **of.kwargs)
        return z, of.bijector.inverse_log_det_jacobian(x, of.ndims, **of.kwargs)

    for a, b in zip(inverse(of.x), (of.z, of.ildj), strict=True):
        close(a, b)


@each(slow=[name for name in CONSTRUCTORS if name not in REPRESENTATIVES])
def test_xla_gives_the_same(entry):
    of = evaluated(entry)
    bijector, kwargs = made(entry, "float32"), entry.kwargs((2, 3), "float32")

    @tf.function(jit_compile=True)
    def inverse(x, kwargs):
        return bijector.inverse(x, **kwargs), bijector.inverse_log_det_jacobian(x, of.ndims, **kwargs)

    x = tf.cast(of.x, tf.float32)
    expected = (
        bijector.inverse(x, **kwargs),
        bijector.inverse_log_det_jacobian(tf.identity(x), of.ndims, **kwargs),
    )
    for a, b in zip(inverse(x, kwargs), expected, strict=True):
        close(a, b, SINGLE)


@most
def test_event_shapes_and_ranks(entry):
    of = evaluated(entry)
    bijector, ndims = of.bijector, of.ndims
    assert (bijector.forward_min_event_ndims, bijector.inverse_min_event_ndims) == (ndims, len(of.image))
    for direction, given, expected in (
        ("forward", entry.event_shape, of.image),
        ("inverse", of.image, entry.event_shape),
    ):
        shape, shape_tensor, event_ndims = (
            getattr(bijector, f"{direction}_event_{what}") for what in ("shape", "shape_tensor", "ndims")
        )
        assert shape(given) == expected
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

    assert bijector.parameter_properties().keys() <= {"bijector", "bijectors"}  # Those of its members.
    for b in (bijector, tfb.Invert(bijector), tfb.Chain([bijector]), rnvp.Chain([bijector])):
        for arguments in ({}, *({f"{v}_event_ndims": ndims + more} for v in "xy" for more in (0, 2))):
            assert b.experimental_batch_shape(**arguments) == ()
            assert b.experimental_batch_shape_tensor(**arguments).shape == (0,)
    stretched = tfb.Chain([tfb.Scale(tf.ones([6, *[1] * ndims], tf.float64)), bijector])
    assert stretched.experimental_batch_shape(x_event_ndims=ndims) == (6,)


def ids(variables):
    return [id(v) for v in variables]


@light
def test_arguments_and_copies(entry):
    of = evaluated(entry)
    bijector, kwargs = of.bijector, of.kwargs
    signature = inspect.signature(type(bijector).__init__).parameters
    assert set(bijector.parameters) == set(signature) - {"self"}
    assert (bijector.name, bijector.validate_args) == (signature["name"].default, False)
    again = type(bijector)(**bijector.parameters)
    close(again.forward(of.z, **kwargs), of.x, 0)
    for change in ({"name": "another"}, {"validate_args": True}):
        shared = bijector.copy(**change)
        assert {k: v for k, v in shared.parameters.items() if v is not bijector.parameters[k]} == change
        assert all(getattr(shared, k) == v for k, v in change.items())
        assert type(shared) is type(bijector)
        assert ids(shared.trainable_variables) == ids(bijector.trainable_variables)
        assert ids(shared.variables) == ids(bijector.variables)
        close(shared.forward(tf.identity(of.z), **kwargs), of.x, 0)
        close(shared.inverse_log_det_jacobian(tf.identity(of.x), of.ndims, **kwargs), of.ildj, 0)
    for other in (copy.deepcopy(bijector), pickle.loads(pickle.dumps(bijector))):
        assert type(other) is type(bijector)
        assert len(other.variables) == len(bijector.variables)
        assert len(other.trainable_variables) == len(bijector.trainable_variables)
        assert not {*ids(other.variables)} & {*ids(bijector.variables)}
        close(other.forward(tf.identity(of.z), **kwargs), of.x, 0)
        close(other.inverse_log_det_jacobian(tf.identity(of.x), of.ndims, **kwargs), of.ildj, 0)
    if "dtype" in bijector.parameters:  # A copy of another dtype is of it, or refused for its variables.
        try:
            assert made(entry, "float32").copy(dtype=tf.float64).dtype is tf.float64
        except (TypeError, ValueError):
            assert made(entry, "float32").variables

    a, b = bijector, entry.make("float64")
    shared = not a.variables  # Of all there are.
    assert a == a
    assert hash(a) == hash(a)
    assert (a == b) == shared
    assert a == a.copy()
    assert hash(a) == hash(a.copy())
    assert a != a.copy(name="another")
    assert a != tfb.Identity()
    assert {a: 1}[a.copy()] == 1
    assert len({a, b, a}) == (1 if shared else 2)
    assert tfb.Invert(a) == tfb.Invert(a)
    assert (tfb.Invert(a) == tfb.Invert(b)) == shared
    for text in (repr(bijector), str(bijector)):
        assert type(bijector).__name__ in text
        assert bijector.name in text
        assert "batch_shape=[]" in text
    assert bijector.name in str(tfb.Invert(bijector)) + str(tfb.Chain([bijector]))


@most
def test_variables(entry, tmp_path):
    of = evaluated(entry)
    bijector = of.bijector
    names, trainable = {*ids(bijector.variables)}, {*ids(bijector.trainable_variables)}
    inner = tfd.TransformedDistribution(
        tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), 1.0), entry.event_shape), bijector
    )
    for module in (
        tfb.Invert(bijector),
        tfb.Chain([tfb.Identity(), tfb.Chain([bijector])]),
        rnvp.Chain([tfb.Identity(), bijector]),
        inner,
        tfd.TransformedDistribution(inner, tfb.Identity()),
    ):
        assert {*ids(module.variables)} == names
        assert {*ids(module.trainable_variables)} == trainable
    layers = {id(x): x for m in (bijector, *bijector.submodules) for x in getattr(m, "layers", ())}
    assert names == {id(v._value) for x in layers.values() for v in x.variables}
    assert all(isinstance(v, tf.Variable) for v in bijector.variables)

    fresh = entry.make("float64")
    path = tf.train.Checkpoint(bijector=bijector).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(bijector=fresh).restore(path).assert_consumed()
    for a, b in zip(bijector.variables, fresh.variables, strict=True):
        np.testing.assert_array_equal(a, b)

    # Values, log-determinants and gradients are of the variables as they are now, and of no other bijector.
    def differentiated(bijector, x):
        with tf.GradientTape() as tape:
            z = bijector.inverse(x, **of.kwargs)
            log_det = bijector.inverse_log_det_jacobian(x, of.ndims, **of.kwargs)
            loss = tf.reduce_sum(tf.sin(z)) + tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
        return [z, log_det, *tape.gradient(loss, bijector.trainable_variables)]

    before = differentiated(bijector, of.x)
    for v, g in zip(bijector.trainable_variables, before[2:], strict=True):
        assert g is not None, v.name
        assert np.isfinite(g).all(), v.name
    if trainable:
        with changed(fresh.trainable_variables, lambda v: v + 0.1):
            after = differentiated(fresh, of.x)
            for a, b in zip(after, differentiated(fresh, tf.identity(of.x)), strict=True):
                close(a, b)
        assert max(np.abs(a - b).max() for a, b in zip(after[:2], before[:2], strict=True)) > 1e-4
        for a, b in zip(differentiated(fresh, of.x), before, strict=True):
            close(a, b)


@every
def test_call_arguments(entry):
    of = evaluated(entry)
    bijector = of.bijector
    for training in (1, "yes", tf.constant(True)):
        with pytest.raises(TypeError, match="`training` must be a Python bool or None"):
            bijector.inverse(of.x, training=training, **of.kwargs)
    assert bijector.takes_condition == (entry.conditional_event_shape is not None)
    if bijector.takes_condition:
        other = {k: v[::-1] for k, v in of.kwargs.items()}
        assert np.abs(bijector.forward(of.z, **other) - of.x).max() > 1e-6
        for call in (bijector.forward, bijector.inverse):
            with pytest.raises(ValueError, match="conditional"):
                call(tf.identity(of.z))
        return
    unused = tf.zeros([2, 3, 2], tf.float64)
    for method in (bijector.forward, bijector.inverse):
        with pytest.raises(ValueError, match="`conditional_input` was given"):
            method(of.z, conditional_input=unused)
    for method in (bijector.forward_log_det_jacobian, bijector.inverse_log_det_jacobian):
        with pytest.raises(ValueError, match="`conditional_input` was given"):
            method(of.z, of.ndims, conditional_input=unused)
    with pytest.raises(ValueError, match="nothing in `bijector` takes a condition"):
        rnvp.bijector_kwargs(tfb.Chain([bijector]), conditional_input=unused)
    assert condition(entry, (3,)) is None
