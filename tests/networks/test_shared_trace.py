"""Networks built alike are traced once in a graph, and each computes with its own weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_realnvp as rnvp
from tfp_realnvp.networks import coupling_network, residual_network, shared_trace

SHAPE = 4, 4, 2


def flow(**kwargs):
    keras.utils.set_random_seed(1)
    flow = rnvp.RealNVP(SHAPE, num_scales=1, base_filters=2, num_residual_blocks=0, **kwargs)
    random = np.random.default_rng(2)
    for v in flow.trainable_variables:
        v.assign_add(0.3 * random.normal(size=v.shape))
    return flow


def evaluated(flow, training=True):
    """Latents, log-determinants, gradients and the state after two passes, of a compiled function."""
    x = tf.constant(np.random.default_rng(3).normal(size=(3, *SHAPE)), flow.dtype)

    @tf.function(autograph=False)
    def evaluate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            z = flow.inverse(x, training=training)
            log_det = flow.inverse_log_det_jacobian(x, 3, training=training)
            loss = tf.reduce_sum(z**2) - tf.reduce_sum(log_det)
        return [z, log_det, *tape.gradient(loss, [x, *flow.trainable_variables])]

    evaluate(x)
    return [value.numpy() for value in (*evaluate(x), *flow.variables)], evaluate


@pytest.fixture
def traces(monkeypatch):
    """Names of the residual networks in the order in which graphs trace them."""
    traced, call = [], residual_network.ResidualNetwork.call

    def counted(self, x):
        traced.append(self.path)
        return call(self, x)

    monkeypatch.setattr(residual_network.ResidualNetwork, "call", counted)
    return traced


@pytest.mark.parametrize("training", [True, False])
def test_numbers_are_those_of_networks_traced_each(training, monkeypatch):
    shared, _ = evaluated(flow(dtype="float64"), training)
    monkeypatch.setattr(
        coupling_network, "call_shared", lambda layer, x, training: layer(x, training=training)
    )
    apart, _ = evaluated(flow(dtype="float64"), training)
    for actual, expected in zip(shared, apart, strict=True):
        np.testing.assert_allclose(actual, expected, 1e-12, 1e-12)


def test_a_graph_that_trains_and_evaluates():
    """It has a function for either: batch norm takes other statistics."""
    x = tf.constant(np.random.default_rng(3).normal(size=(3, *SHAPE)), "float64")
    trained, evaluated = (flow(dtype="float64").inverse(x, training=training) for training in (True, False))
    both = flow(dtype="float64")
    compiled = tf.function(
        lambda x: (both.inverse(x, training=False), both.inverse(x, training=True)), autograph=False
    )
    for actual, expected in zip(compiled(x), (evaluated, trained), strict=True):
        np.testing.assert_allclose(actual, expected, 1e-12, 1e-12)


def test_a_graph_traces_each_kind_once(traces):
    """Whichever half a coupling's mask keeps; a channel-wise one is another kind."""
    _, evaluate = evaluated(flow())
    assert len(traces) == 1
    evaluate(tf.zeros([5, *SHAPE]))  # Of another batch: another graph.
    assert len(traces) == 2
    del traces[:]
    two_scales = rnvp.RealNVP(SHAPE, num_scales=2, base_filters=2, num_residual_blocks=0)
    tf.function(two_scales.forward, autograph=False)(tf.zeros([1, *SHAPE]))
    assert len(traces) == 3


def test_frozen_networks_and_others_are_not_taken_for_each_other(traces):
    made = flow()
    networks = [x for b in made.submodules if isinstance(b, rnvp.AffineCoupling) for x in b.layers]
    first = networks[0].resnet
    first.trainable = False
    before = [v.numpy() for v in first.variables]
    evaluated(made)
    assert len(traces) == 2
    for v, old in zip(first.variables, before, strict=True):
        np.testing.assert_array_equal(v.numpy(), old)
    moved = networks[2].resnet.non_trainable_variables
    assert any(np.any(v.numpy() != 0) for v in moved)


def test_kinds_differ_where_layers_do():
    def kind(**kwargs):
        layer = residual_network.ResidualNetwork(2, 4, 1, **kwargs)
        layer.build((None, 4, 4, 3))
        return layer, shared_trace._kind(layer)

    layer, standard = kind()
    assert kind(name="another")[1] == standard
    assert kind(skip=False)[1] != standard
    assert kind(dtype="mixed_bfloat16")[1] != standard
    layer.blocks[0].convs[0].norm.momentum = 0.5
    assert shared_trace._kind(layer) != standard


def test_eager_calls_trace_nothing():
    made = flow()
    z = made.inverse(tf.zeros([1, *SHAPE]))
    assert isinstance(z, tf.__internal__.EagerTensor)
