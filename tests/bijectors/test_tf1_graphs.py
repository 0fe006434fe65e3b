"""Training in a graph of TensorFlow 1 is refused: moving statistics would not move there."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


class Wrapper(keras.layers.Layer):
    def __init__(self, bijector):
        super().__init__()
        self.apply = bijector.inverse
        self.flow_layers = rnvp.keras_layers(bijector)

    def call(self, x):
        return self.apply(x)


@pytest.fixture(scope="module")
def flow():
    return rnvp.RealNVP((2,), num_couplings=2, hidden_units=(2,))


def log_prob(flow, x):
    distribution = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 2), tfb.Chain([flow]))
    return distribution.log_prob(x, bijector_kwargs=rnvp.bijector_kwargs(tfb.Chain([flow]), training=True))


CALLS = {
    "bijector": lambda flow, x: flow.inverse(x, training=True),
    "distribution": log_prob,
    "keras": lambda flow, x: Wrapper(flow)(x, training=True),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_it_raises(flow, call):
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match="`training` must be False or None in a graph"),
    ):
        call(flow, tf.ones([4, 2]))
    before = np.array(flow.bijectors[1].layer.moving_mean)
    tf.function(call)(flow, tf.random.stateless_normal([16, 2], (0, 1)))  # Which is a graph as well.
    assert np.any(np.array(flow.bijectors[1].layer.moving_mean) != before)


def test_evaluation_is_allowed(flow):
    x = np.ones((4, 2), np.float32)
    with tf.Graph().as_default():
        y = rnvp.BatchNormalization((2,)).inverse(x, training=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            np.testing.assert_allclose(session.run(y), x, rtol=1e-4)
