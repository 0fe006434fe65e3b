"""Events of no, one and many batch elements, known and unknown, of every dtype."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from absl.testing import parameterized
from bijector_checks import assert_bijective_and_finite, every, made
from constructors import CONSTRUCTORS
from tensorflow_probability.python.internal import test_util

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

SINGLE = 2e-4


def all_four(bijector, z, x, ndims, apart=False, **kwargs):
    """Both values and both log-determinants: of one pass each, or computed `apart`."""
    fresh = tf.identity if apart else lambda v: v
    return (
        bijector.forward(z, **kwargs),
        bijector.forward_log_det_jacobian(fresh(z), ndims, **kwargs),
        bijector.inverse(x, **kwargs),
        bijector.inverse_log_det_jacobian(fresh(x), ndims, **kwargs),
    )


def image_of(entry, bijector, batch_shape, dtype):
    return bijector.forward(entry.data(batch_shape, dtype, seed=5), **entry.kwargs(batch_shape, dtype))


# Batches.


@every
@pytest.mark.parametrize(
    "batch_shape, mode", [((0,), "eager"), ((0,), "graph"), ((2, 0, 3), "eager")], ids=str
)
def test_an_empty_batch(entry, batch_shape, mode):
    bijector, ndims = made(entry, "float32"), len(entry.event_shape)
    image_shape = bijector.forward_event_shape(entry.event_shape)
    z, x = tf.zeros([*batch_shape, *entry.event_shape]), tf.zeros([*batch_shape, *image_shape])
    kwargs = entry.kwargs(batch_shape, "float32")

    def call(z, x, kwargs):
        return all_four(bijector, z, x, ndims, **kwargs)

    if mode == "graph":  # The sizes of the batch are not known to it.
        unknown = [None] * len(batch_shape)
        specs = [tf.TensorSpec([*unknown, *v.shape[len(batch_shape) :]]) for v in (z, x)]
        condition = {k: tf.TensorSpec([*unknown, *entry.conditional_event_shape]) for k in kwargs}
        call = tf.function(call, input_signature=[*specs, condition])
    forward, fldj, inverse, ildj = call(z, x, kwargs)
    assert (forward.shape, inverse.shape) == (x.shape, z.shape)
    assert fldj.shape == ildj.shape == batch_shape
    assert {v.dtype for v in (forward, inverse, fldj, ildj)} == {tf.float32}


def test_an_empty_batch_in_training_moves_no_statistics():
    norm = rnvp.BatchNormalization((2,))
    norm.layer.moving_mean.assign([3.0, 4.0])
    assert norm.inverse(tf.zeros([0, 2]), training=True).shape == (0, 2)
    np.testing.assert_array_equal(norm.layer.moving_mean, [3.0, 4.0])
    np.testing.assert_array_equal(norm.layer.moving_variance, [1.0, 1.0])


@every
def test_one_trace_for_all_batch_sizes(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    image_shape = bijector.forward_event_shape(entry.event_shape)
    traces = []

    def call(z, x, kwargs):
        traces.append(z.shape)
        return all_four(bijector, z, x, ndims, **kwargs)

    specs = [tf.TensorSpec([None, *shape], tf.float64) for shape in (entry.event_shape, image_shape)]
    kwargs = entry.kwargs((1,))
    specs.append({k: tf.TensorSpec([None, *entry.conditional_event_shape], tf.float64) for k in kwargs})
    in_graph = tf.function(call, input_signature=specs)
    for size in (1, 2, 7):
        arguments = entry.data((size,)), image_of(entry, bijector, (size,), "float64"), entry.kwargs((size,))
        expected = all_four(bijector, *arguments[:2], ndims, apart=True, **arguments[2])
        for a, b in zip(in_graph(*arguments), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-9, rtol=1e-9)
    assert traces == [(None, *entry.event_shape)]


@every
def test_one_trace_for_all_ranks(entry):
    bijector, ndims = made(entry), len(entry.event_shape)
    traces = []

    def call(z, kwargs):
        traces.append(z.shape)
        return bijector.forward(z, **kwargs), bijector.forward_log_det_jacobian(z, ndims, **kwargs)

    unknown = tf.TensorSpec(None, tf.float64)
    conditional = dict.fromkeys(entry.kwargs(()), unknown)
    in_graph = tf.function(call, input_signature=[unknown, conditional])
    if conditional and not isinstance(bijector, rnvp.RealNVP):
        with pytest.raises(ValueError, match="needs `conditional_event_ndims`"):
            in_graph(entry.data((3,)), entry.kwargs((3,)))
        return
    for batch_shape in ((), (3,), (2, 1)):
        z, kwargs = entry.data(batch_shape), entry.kwargs(batch_shape)
        for a, b in zip(in_graph(z, kwargs), call(tf.identity(z), kwargs), strict=True):
            assert a.shape == b.shape
            np.testing.assert_allclose(a, b, atol=1e-9, rtol=1e-9)
    assert len([shape for shape in traces if shape.rank is None]) == 1


# Dtypes.


@every
def test_single_and_double_precision_agree(entry):
    ndims = len(entry.event_shape)
    x = image_of(entry, made(entry), (3,), "float64")
    double = all_four(made(entry), entry.data((3,)), x, ndims, **entry.kwargs((3,)))
    single = all_four(
        made(entry, "float32"),
        entry.data((3,), "float32"),
        tf.cast(x, tf.float32),
        ndims,
        **entry.kwargs((3,), "float32"),
    )
    assert {v.dtype for v in double} == {tf.float64}
    assert {v.dtype for v in single} == {tf.float32}
    for a, b in zip(single, double, strict=True):
        np.testing.assert_allclose(a, b, atol=20 * SINGLE, rtol=20 * SINGLE)
    assert np.abs(single[0].numpy().astype("float64") - double[0]).max() < 1e-2
    base = tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), 1.0), entry.event_shape)
    td = tfd.TransformedDistribution(base, made(entry))
    log_prob = td.log_prob(x, bijector_kwargs=entry.kwargs((3,)))
    assert td.dtype == log_prob.dtype == tf.float64
    assert td.sample(3, bijector_kwargs=entry.kwargs((3,))).dtype == tf.float64


@every
@pytest.mark.parametrize("given", ["float64", "float16", "bfloat16", "int32", "bool"])
def test_tensors_of_another_dtype_than_the_bijectors_raise(entry, given):
    bijector, ndims, kwargs = made(entry, "float32"), len(entry.event_shape), entry.kwargs((3,), "float32")
    if bijector.dtype is None:
        return
    z = tf.cast(entry.data((3,)), given)
    x = tf.cast(image_of(entry, bijector, (3,), "float32"), given)
    for call in (
        lambda: bijector.forward(z, **kwargs),
        lambda: bijector.inverse(x, **kwargs),
        lambda: bijector.forward_log_det_jacobian(z, ndims, **kwargs),
        lambda: bijector.inverse_log_det_jacobian(x, ndims, **kwargs),
    ):
        with pytest.raises((TypeError, ValueError), match=f"float32.*{given}"):
            call()


@every
@pytest.mark.parametrize("given", ["float64", "float16", "bfloat16", "int32", "int64", "uint8"])
def test_without_a_dtype_nothing_is_truncated(entry, given):
    """Any tensor is transformed in its own dtype and rightly, or refused."""
    bijector, kwargs = made(entry, None), entry.kwargs((3,), "float32")
    x = tf.cast(3 * entry.data((3,)), given)
    try:
        y = bijector.forward(x, **kwargs)
        log_det = bijector.forward_log_det_jacobian(x, len(entry.event_shape), **kwargs)
    except (TypeError, ValueError, tf.errors.InvalidArgumentError):
        return
    assert y.dtype == log_det.dtype == x.dtype
    exact, expected_kwargs = made(entry, "float64"), entry.kwargs((3,))
    wide = tf.cast(x, tf.float64)
    expected = exact.forward(wide, **expected_kwargs)
    expected_log_det = exact.forward_log_det_jacobian(wide, len(entry.event_shape), **expected_kwargs)
    tolerance = {"float64": 1e-12, "float16": 0.01, "bfloat16": 0.1}.get(given, 0)
    np.testing.assert_allclose(tf.cast(y, tf.float64), expected, atol=tolerance, rtol=tolerance)
    log_det = tf.cast(log_det, tf.float64)
    np.testing.assert_allclose(log_det, expected_log_det, atol=4 * tolerance, rtol=4 * tolerance)


def test_a_coupling_refuses_complex_events():
    entry = CONSTRUCTORS["coupling_vector"]  # Its network would drop the imaginary parts.
    with pytest.raises((TypeError, ValueError), match="complex64"):
        made(entry, None).forward(tf.cast(entry.data((3,)), tf.complex64))


@every
def test_arrays_and_lists_take_the_dtype_of_the_bijector(entry):
    bijector, ndims, kwargs = made(entry, "float32"), len(entry.event_shape), entry.kwargs((3,), "float32")
    if bijector.dtype is None:
        return
    z = entry.data((3,)).numpy()
    x = image_of(entry, bijector, (3,), "float32").numpy().astype("float64")
    expected = all_four(bijector, tf.constant(z, tf.float32), tf.constant(x, tf.float32), ndims, **kwargs)
    as_arrays = z, x
    as_lists = z.tolist(), x.tolist()
    for z, x in (as_arrays, as_lists):
        actual = (
            bijector.forward(z, **kwargs),
            bijector.forward_log_det_jacobian(z, ndims, **kwargs),
            bijector.inverse(x, **kwargs),
            bijector.inverse_log_det_jacobian(x, ndims, **kwargs),
        )
        for a, b in zip(actual, expected, strict=True):
            assert a.dtype == tf.float32
            np.testing.assert_allclose(a, b, atol=SINGLE, rtol=SINGLE)


SMALL = [(name, entry) for name, entry in CONSTRUCTORS.items() if not name.startswith("real_nvp_image")]


@test_util.test_all_tf_execution_regimes
class BatchesTest(test_util.TestCase):
    """As TFP runs its own bijectors' tests."""

    @parameterized.named_parameters(*SMALL)
    def test_bijective_and_finite(self, entry):
        if not tf.executing_eagerly():
            self.skipTest("Keras 3 needs eager execution.")
        bijector, ndims = made(entry), len(entry.event_shape)
        for batch_shape in ((), (2, 1)):
            z, kwargs = entry.data(batch_shape), entry.kwargs(batch_shape)
            x = image_of(entry, bijector, batch_shape, "float64")
            assert_bijective_and_finite(
                bijector, z, x, ndims, eval_func=self.evaluate, atol=1e-9, rtol=1e-9, **kwargs
            )
