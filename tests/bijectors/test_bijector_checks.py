"""The checks themselves: they give known answers, and fail where something is wrong."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import assert_bijective_and_finite, get_fldj_theoretical

tfb = tfp.bijectors

x = tf.constant([[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], tf.float64)
lower = tf.constant([[2.0, 0.0], [5.0, -3.0]], tf.float64)


class Broken(tfb.Bijector):
    """Doubles; one of its methods is wrong."""

    def __init__(self, wrong):
        self.wrong = wrong
        super().__init__(forward_min_event_ndims=0, parameters=None)

    def _forward(self, x):
        return 2 * x

    def _inverse(self, y):
        return y / (3 if self.wrong == "inverse" else 2)

    def _forward_log_det_jacobian(self, x):
        return tf.fill(x.shape, tf.constant(np.nan if self.wrong == "finite" else np.log(2.0), x.dtype))

    def _inverse_log_det_jacobian(self, y):
        return tf.fill(y.shape, tf.constant(np.log(2.0) * (1 if self.wrong == "sign" else -1), y.dtype))


class Embedding(tfb.Bijector):
    """A plane in three dimensions."""

    matrix = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.0]])

    def __init__(self):
        super().__init__(forward_min_event_ndims=1, parameters=None)

    def _forward(self, x):
        return tf.linalg.matvec(self.matrix, x)

    def _forward_event_shape(self, shape):
        return shape[:-1].concatenate(3)


@pytest.mark.parametrize("wrong", ["inverse", "finite", "sign"])
def test_what_is_wrong_is_found(wrong):
    assert_bijective_and_finite(Broken("nothing"), x, x, event_ndims=1)
    with pytest.raises(AssertionError):
        assert_bijective_and_finite(Broken(wrong), x, x, event_ndims=1)


def test_known_log_determinants():
    matrix = tfb.ScaleMatvecTriL(lower)
    np.testing.assert_allclose(get_fldj_theoretical(matrix, x, 1), np.full(3, np.log(6.0)))
    np.testing.assert_allclose(get_fldj_theoretical(matrix, x, 2), 3 * np.log(6.0))
    np.testing.assert_allclose(get_fldj_theoretical(tfb.Exp(), x, 0), x)
    np.testing.assert_allclose(get_fldj_theoretical(tfb.Reshape([1, 2], [2]), x, 1), np.zeros(3), atol=1e-15)
    area = np.linalg.norm(np.cross(*Embedding.matrix.T))
    np.testing.assert_allclose(get_fldj_theoretical(Embedding(), x, 1), np.full(3, np.log(area)))
