"""Networks of every kind as conditioners: Keras 3, tf-keras, modules, bare functions."""

import copy
import functools
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

MASK = rnvp.channel_mask((4,))
x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)


class Dense(tf.Module):
    def __init__(self):
        self.kernel = tf.Variable(0.1 * np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32))

    def __call__(self, x):
        return x @ self.kernel


def dense(kernel):
    return lambda x: x @ tf.convert_to_tensor(kernel)


def bare_function(**kwargs):
    kernel = tf.Variable(Dense().kernel)
    return rnvp.AffineCoupling(MASK, dense(kernel), variables=[kernel], **kwargs)


def keras2(*layers):
    network = tf_keras.Sequential(
        [*layers, tf_keras.layers.Dense(8, kernel_initializer=tf_keras.initializers.RandomNormal(seed=0))]
    )
    network.build((None, 4))
    return network


def keras3(*layers):
    network = keras.Sequential([*layers, keras.layers.Dense(8)])
    network.build((None, 4))
    return network


KINDS = {
    "keras_3": lambda: rnvp.AffineCoupling(MASK, keras3()),
    "tf_keras": lambda: rnvp.AffineCoupling(MASK, keras2()),
    "module": lambda: rnvp.AffineCoupling(MASK, Dense()),
    "bare_function": bare_function,
    "bound_method": lambda: (lambda m: rnvp.AffineCoupling(MASK, m.__call__, variables=m.variables))(Dense()),
    "partial_of_a_layer": lambda: (
        lambda net: rnvp.AffineCoupling(MASK, functools.partial(net), variables=net.variables)
    )(keras3()),
    "keras_variable": lambda: (lambda v: rnvp.AffineCoupling(MASK, dense(v), variables=[v]))(
        keras.Variable(0.1 * np.ones((4, 8), np.float32))
    ),
}
every_kind = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())


def model_of(*couplings):
    chain = tfb.Chain([b for c in couplings for b in (c, tfb.Permute([2, 3, 0, 1]))])
    return rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [4]), chain))


@every_kind
def test_every_kind_is_tracked_trained_and_restored(make, tmp_path):
    coupling = make()
    assert len(coupling.trainable_variables) == len(tfb.Chain([coupling]).trainable_variables) > 0
    model = model_of(coupling)
    before = [v.numpy() for v in coupling.trainable_variables]
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    history = model.fit(3 * x, epochs=3, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for v, b in zip(coupling.trainable_variables, before, strict=True):
        assert np.abs(v - b).max() > 1e-3
    model.save_weights(tmp_path / "model.weights.h5")
    checkpoint = tf.train.Checkpoint(bijector=coupling).save(tmp_path / "checkpoint")
    expected = coupling.forward(x)
    fresh = make()
    assert np.abs(fresh.forward(x) - expected).max() > 1e-3
    tf.train.Checkpoint(bijector=fresh).restore(checkpoint).assert_consumed()
    np.testing.assert_array_equal(fresh.forward(x), expected)
    again = model_of(make())
    again.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(again(x), model(x))


def test_keras_2_and_3_side_by_side():
    norm2, norm3 = (
        tf_keras.layers.BatchNormalization(momentum=0.5),
        keras.layers.BatchNormalization(momentum=0.5),
    )
    model = model_of(rnvp.AffineCoupling(MASK, keras2(norm2)), rnvp.AffineCoupling(MASK, keras3(norm3)))
    assert len(model.trainable_variables) == len(model.distribution.trainable_variables) == 8
    assert len(model.non_trainable_variables) >= len(model.distribution.non_trainable_variables) == 4
    model.compile(keras.optimizers.Adam(1e-2))
    shifted = x + 3.0
    evaluation = model.predict(shifted, verbose=0)
    np.testing.assert_array_equal(norm2.moving_mean, np.zeros(4))
    history = model.fit(shifted, epochs=20, batch_size=64, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for norm, kept in ((norm2, slice(0, 2)), (norm3, slice(0, 2))):
        assert np.abs(np.array(norm.moving_mean)[kept]).min() > 0.1  # Training reached both.
    assert np.abs(model.predict(shifted, verbose=0) - evaluation).max() > 0.1
    mean = np.array(norm2.moving_mean)
    model.evaluate(shifted, verbose=0)
    np.testing.assert_array_equal(norm2.moving_mean, mean)


def test_a_tf_keras_network_of_mixed_precision():
    network = tf_keras.Sequential([tf_keras.layers.Dense(8, dtype="mixed_bfloat16")])
    network.build((None, 4))
    model = model_of(rnvp.AffineCoupling(MASK, network))
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    history = model.fit(3 * x, epochs=3, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]


def test_a_tf_keras_network_need_not_be_built():
    network = tf_keras.Sequential([tf_keras.layers.Dense(8)])
    model = model_of(rnvp.AffineCoupling(MASK, network))
    model.compile(keras.optimizers.Adam(1e-2))
    before = network.variables[0].numpy()
    model.fit(x, verbose=0)
    assert np.abs(network.variables[0] - before).max() > 0


def test_a_function_that_uses_other_variables_raises_at_the_first_call():
    known, unknown = tf.Variable(1.0), tf.Variable(1.0, name="unknown")
    coupling = rnvp.AffineCoupling(MASK, lambda x: (known * x, unknown * x), variables=[known])
    for call in (
        coupling.forward,
        tf.function(coupling.inverse),
        tf.function(coupling.forward, jit_compile=True),
    ):
        with pytest.raises(ValueError, match=r"nothing tracks: \['unknown:0'\].*`variables="):
            call(x)


def test_a_module_that_uses_foreign_variables_raises():
    foreign = tf.Variable(1.0, name="foreign")

    class Careless(Dense):
        def __call__(self, x):
            return foreign * super().__call__(x)

    with pytest.raises(ValueError, match="foreign"):
        rnvp.AffineCoupling(MASK, Careless()).forward(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_and_arrays_take_the_dtype_of_events(dtype):
    coupling = rnvp.AffineCoupling(MASK, lambda x: (np.full((1, 4), 2.0), 0.5))
    events = tf.constant(x, dtype)
    expected = np.where(MASK, events, events * np.exp(0.5) + 2.0)
    actual = coupling.forward(events)
    assert actual.dtype == dtype
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_copies_of_a_bare_function_share_its_variables():
    coupling = bare_function()
    for other in (copy.deepcopy(coupling), coupling.copy(name="other")):
        assert [id(v) for v in other.variables] == [id(v) for v in coupling.variables]
        np.testing.assert_array_equal(other.forward(x), coupling.forward(x))
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError), match=r"tf\.Module|lambda"):
        pickle.dumps(coupling)


@pytest.mark.parametrize("make", [keras3, keras2], ids=["keras_3", "tf_keras"])
def test_dropout_is_the_same_in_a_value_and_its_log_det(make):
    dropout = (keras if make is keras3 else tf_keras).layers.Dropout(0.5)
    coupling = rnvp.AffineCoupling(MASK, make(dropout))
    y = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(y)
        z = coupling.inverse(y, training=True)
    expected = tf.linalg.slogdet(tape.batch_jacobian(z, y))[1]
    log_det = coupling.inverse_log_det_jacobian(y, 1, training=True)
    np.testing.assert_allclose(log_det, expected, atol=1e-5)
    assert np.abs(log_det - coupling.inverse_log_det_jacobian(y, 1)).max() > 0.1  # It did drop something.


class Nice(Dense):
    """A shift alone."""

    def __call__(self, x):
        return super().__call__(x)[:, :4], None


def test_none_shifts_or_scales_nothing():
    net = Nice()
    shift = net(np.where(MASK, x, 0))[0]
    additive, none = rnvp.AffineCoupling(MASK, net), rnvp.AffineCoupling(MASK, lambda x: (None, None))
    np.testing.assert_allclose(additive.forward(x), np.where(MASK, x, x + shift), rtol=1e-6)
    np.testing.assert_array_equal(none.forward(x), x)
    for coupling in (additive, none):
        for log_det in (coupling.forward_log_det_jacobian, coupling.inverse_log_det_jacobian):
            np.testing.assert_array_equal(log_det(x, 1), np.zeros(64))
            np.testing.assert_array_equal(tf.function(log_det)(x, 1), np.zeros(64))
        np.testing.assert_allclose(coupling.inverse(tf.identity(coupling.forward(x))), x, atol=1e-6)
    scaling = rnvp.AffineCoupling(MASK, lambda x: (None, 0.5 * tf.ones_like(x)))
    np.testing.assert_allclose(scaling.forward(x), np.where(MASK, x, x * np.exp(0.5)), rtol=1e-6)
    np.testing.assert_allclose(scaling.forward_log_det_jacobian(x, 1), np.full(64, 1.0), rtol=1e-6)
    stock = tfb.RealNVP(2, shift_and_log_scale_fn=lambda x, size: (x[..., :size] ** 2, None))
    ours = rnvp.AffineCoupling(MASK, lambda x: (tf.concat([x[:, :2], x[:, :2] ** 2], -1), None))
    np.testing.assert_allclose(ours.forward(x), stock.forward(x), rtol=1e-6)
