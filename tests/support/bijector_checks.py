"""What holds for every bijector, as functions: for ours, for stock ones, and for compositions of both."""

import contextlib
import functools
import math

import numpy as np
import tensorflow as tf


@functools.cache
def made(entry, dtype="float64"):
    """The entry's bijector, one for all the tests that leave its variables as they are."""
    return entry.bijector(dtype)


@contextlib.contextmanager
def changed(variables, change):
    """Within, all variables have other values, which `change` makes of their own."""
    before = [np.array(v) for v in variables]
    for v in variables:
        v.assign(change(tf.convert_to_tensor(v)))
    try:
        yield
    finally:
        for v, value in zip(variables, before, strict=True):
            v.assign(value)


def condition(entry, batch_shape, dtype="float64"):
    """A condition for each event of a batch, or None."""
    return entry.kwargs(batch_shape, dtype).get("conditional_input")


def assert_bijective_and_finite(
    bijector, x, y, event_ndims, inverse_event_ndims=None, eval_func=np.asarray, atol=0.0, rtol=1e-5, **kwargs
):
    """Raises unless `forward` and `inverse` undo each other and their log-determinants belong together.

    Every call is given a tensor of its own, so that nothing is answered out of a cache.

    Args:
      bijector: `tfb.Bijector` of one tensor to one tensor.
      x, y: Arrays or `Tensor`s, points of its domain and of its range.
      event_ndims: Python `int`, number of event axes of `x`.
      inverse_event_ndims: That of `y`, by default what the bijector says.
      eval_func: Function from a `Tensor` to an array, such as `TestCase.evaluate`.
      atol, rtol: Tolerances of all comparisons.
      **kwargs: Call arguments of the bijector.
    """
    if inverse_event_ndims is None:
        inverse_event_ndims = bijector.forward_event_ndims(event_ndims)

    def fresh(value):
        return tf.constant(eval_func(tf.convert_to_tensor(value)))

    def close(actual, expected):
        actual, expected = eval_func(actual), eval_func(expected)
        assert actual.shape == expected.shape
        assert np.isfinite(actual).all()
        assert np.isfinite(expected).all()
        np.testing.assert_allclose(actual, expected, atol=atol, rtol=rtol)

    x, y = fresh(x), fresh(y)
    forward_x, inverse_y = (
        fresh(bijector.forward(fresh(x), **kwargs)),
        fresh(bijector.inverse(fresh(y), **kwargs)),
    )
    close(bijector.inverse(forward_x, **kwargs), x)
    close(bijector.forward(inverse_y, **kwargs), y)
    for point, image in ((x, forward_x), (inverse_y, y)):
        fldj = bijector.forward_log_det_jacobian(fresh(point), event_ndims, **kwargs)
        ildj = bijector.inverse_log_det_jacobian(fresh(image), inverse_event_ndims, **kwargs)
        close(fldj, -ildj)


def get_fldj_theoretical(bijector, x, event_ndims, inverse_event_ndims=None, **kwargs):
    """The log-determinant of `forward` by differentiating it, in the dtype of `x`.

    Of a Jacobian `J` that is not square (events that lie on a surface of more
    dimensions) it is the change of volume on it, `log det(J^T J) / 2`.

    Args:
      bijector: `tfb.Bijector` of one tensor to one tensor.
      x: `Tensor` of any static batch shape; no event's image depends on another event.
      event_ndims: Python `int`, number of event axes of `x`.
      inverse_event_ndims: That of `forward(x)`, by default what the bijector says.
      **kwargs: Call arguments of the bijector, `Tensor`s.

    Returns:
      `Tensor` of the batch's shape.
    """
    if inverse_event_ndims is None:
        inverse_event_ndims = bijector.forward_event_ndims(event_ndims)
    batch_shape = x.shape[: x.shape.rank - event_ndims]
    outputs = math.prod(bijector.forward_event_shape(x.shape[x.shape.rank - event_ndims :]))
    # As many copies of the batch as an image has elements: one backward pass gives all rows.
    copies = tf.broadcast_to(x, [outputs, *x.shape])
    kwargs = {name: tf.broadcast_to(value, [outputs, *value.shape]) for name, value in kwargs.items()}
    with tf.GradientTape() as tape:
        tape.watch(copies)
        y = bijector.forward(copies, **kwargs)
        assert y.shape[1 : y.shape.rank - inverse_event_ndims] == batch_shape
        diagonal = tf.linalg.diag_part(tf.transpose(tf.reshape(y, [outputs, -1, outputs]), [1, 0, 2]))
    rows = tf.reshape(tape.gradient(diagonal, copies), [outputs, batch_shape.num_elements(), -1])
    jacobian = tf.transpose(rows, [1, 0, 2])
    if jacobian.shape[1] == jacobian.shape[2]:
        log_det = tf.linalg.slogdet(jacobian)[1]
    else:
        log_det = 0.5 * tf.linalg.slogdet(tf.matmul(jacobian, jacobian, transpose_a=True))[1]
    return tf.reshape(log_det, batch_shape)
