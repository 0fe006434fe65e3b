"""An explicit `training` is that of everything in a model; without one it is Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions
x = np.random.default_rng(0).integers(0, 16, (32, 4)).astype(np.uint8)


def model_of(cls=rnvp.FlowModel, stock=False):
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(8)])
    norm = rnvp.BatchNormalization((4,))
    members = [tfb.Scale(9.0), norm, rnvp.AffineCoupling(rnvp.channel_mask((4,)), network)]
    flow = (tfb.Chain if stock else rnvp.Chain)(members)
    return cls(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), 4), flow), seed=0)


class AsItIs(rnvp.FlowModel):
    def call(self, inputs, training=None):
        return super().call(inputs)


class Never(rnvp.FlowModel):
    def call(self, inputs, training=None):
        return super().call(inputs, training=False)


class Always(rnvp.FlowModel):
    def call(self, inputs, training=None):
        return super().call(inputs, training=True)


def state(model):
    return [np.array(v) for v in model.non_trainable_variables]


def moved(model, before):
    return [not np.array_equal(v, b) for v, b in zip(state(model), before, strict=True)]


def stateless(model, training):
    result, values = model.stateless_call(
        model.trainable_variables, model.non_trainable_variables, x, training=training
    )
    for v, value in zip(model.non_trainable_variables, values, strict=True):
        v.assign(value)
    return result


CALLS = {
    "call": lambda model, training: model.call(x, training=training),
    "stateless": stateless,
    "compiled": lambda model, training: tf.function(model.call)(x, training=training),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("stock", [False, True], ids=["ours", "stock"])
def test_calls_give_what_the_model_called_by_keras_gives(stock, call):
    for training in (True, False, None):
        model, expected = model_of(stock=stock), model_of(stock=stock)
        before = state(model)
        np.testing.assert_allclose(call(model, training), expected(x, training=training), rtol=1e-5)
        for v, value in zip(state(model), state(expected), strict=True):
            np.testing.assert_allclose(v, value, rtol=1e-5, atol=1e-6)
        assert all(moved(model, before)) == any(moved(model, before)) == bool(training)


@pytest.mark.parametrize(
    ("cls", "trains"), [(AsItIs, (True, False)), (Never, (False, False)), (Always, (True, True))]
)
@pytest.mark.filterwarnings("ignore:Training has moved no moving statistics")
def test_subclasses_that_say_otherwise(cls, trains):
    model = model_of(cls)
    model.compile(keras.optimizers.SGD(0.0))
    for method, moves in zip((model.fit, model.evaluate), trains, strict=True):
        before = state(model)
        method(x, verbose=0)
        assert all(moved(model, before)) == any(moved(model, before)) == moves
