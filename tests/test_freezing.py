"""What is frozen through Keras is frozen for TensorFlow Probability, and thaws again."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny_models import vectors

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


@pytest.fixture
def model():
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(3,))
    chain = tfb.Chain([tfb.Scale(tf.Variable(1.5)), flow])
    return rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 2), chain))


def names(variables):
    return sorted(v.name for v in variables)


def minimize(distribution, **kwargs):
    x = vectors(8)
    optimizer = keras.optimizers.SGD(0.1)
    before = [v.numpy() for v in distribution.variables]
    tfp.math.minimize(lambda: -tf.reduce_mean(distribution.log_prob(x)), 1, optimizer, **kwargs)
    return [
        v.ref() for v, value in zip(distribution.variables, before, strict=True) if np.any(v.numpy() != value)
    ]


def test_trainable_variables_are_those_of_keras(model):
    distribution = model.distribution
    before = names(distribution.trainable_variables)
    assert len(before) == len(model.trainable_variables) == 11
    model.trainable = False
    assert distribution.trainable_variables == ()
    assert len(distribution.variables) == len(model.variables) - 1  # One of noise.
    model.trainable = True
    assert names(distribution.trainable_variables) == before
    layer = model.flow_layers[0]
    layer.hidden[0].trainable = False
    assert len(distribution.trainable_variables) == len(model.trainable_variables) == 9
    layer.hidden[0].trainable = True
    assert names(distribution.trainable_variables) == before


def test_optimisers_of_tfp_leave_what_is_frozen(model):
    distribution = model.distribution
    layer = model.flow_layers[0]
    layer.trainable = False
    frozen = {v._value.ref() for v in layer.variables}
    moved = set(minimize(distribution))  # What it finds is watched by a tape.
    assert moved and not moved & frozen
    moved = set(minimize(distribution, trainable_variables=distribution.trainable_variables))
    assert moved and not moved & frozen
    layer.trainable = True
    assert set(minimize(distribution)) & frozen


def test_fit_trains_what_has_thawed(model):
    model.trainable = False
    assert model.distribution.trainable_variables == ()
    model.trainable = True
    model.compile(keras.optimizers.SGD(0.1))
    before = [np.array(v) for v in model.trainable_variables]
    model.fit(vectors(8), verbose=0)
    moved = [np.any(np.array(v) != b) for v, b in zip(model.trainable_variables, before, strict=True)]
    assert sum(moved) >= 5  # Not those behind a layer of zeros.
