"""The Keras model: training, evaluation, sampling, saving."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


def image_model(conditional=False, **kwargs):
    condition = (3,) if conditional else None
    options = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 4, **kwargs}
    flow = rnvp.RealNVP((4, 4, 1), conditional_event_shape=condition, **options)
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16), seed=0)


def images(n=96, seed=0):
    random = np.random.default_rng(seed)
    columns = np.arange(4)[None, None, :, None] * 3
    return (columns + random.integers(0, 6, size=(n, 4, 4, 1))).astype(np.uint8)


def classes(n=96):
    return np.eye(3, dtype=np.float32)[np.arange(n) % 3]


def test_fit_learns_and_reports():
    model = image_model()
    model.compile(keras.optimizers.Adam(3e-3))
    history = model.fit(images(), epochs=6, batch_size=32, validation_data=images(seed=1), verbose=0).history
    assert set(history) == {"loss", "bits_per_dim", "val_loss", "val_bits_per_dim"}
    assert history["bits_per_dim"][-1] < history["bits_per_dim"][0] - 0.3
    l2 = float(sum(model.losses))
    np.testing.assert_allclose(
        history["val_loss"][-1], history["val_bits_per_dim"][-1] * 16 * np.log(2) + l2, rtol=1e-5
    )
    # Keras has the same traced step for events of another shape, of unknown sides: they are seen before.
    with pytest.raises(ValueError, match=r"`events` must be of shape .* got \(8, 6, 6, 1\)"):
        model.fit(np.zeros((8, 6, 6, 1), np.uint8), verbose=0)


def test_predict_is_log_prob_of_each():
    model = image_model()
    x = images() + np.float32(0.5)
    np.testing.assert_allclose(model.predict(x, verbose=0), model.distribution.log_prob(x), rtol=1e-5)
    model.compile()
    bits = rnvp.bits_per_dim(model.predict(x, verbose=0).mean(), (4, 4, 1))
    np.testing.assert_allclose(
        model.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"], bits, rtol=1e-5
    )


def test_training_mode_follows_keras():
    model = image_model()
    model.compile(keras.optimizers.SGD(0.0))
    x = images() + np.float32(0.5)
    moving = [v for v in model.non_trainable_variables if "moving" in v.path]
    before = [v.numpy() for v in moving]
    evaluation = model.predict(x, verbose=0)
    model.evaluate(x, verbose=0)
    model.distribution.log_prob(x)
    model(x)
    model.sample(2)
    model.decode(model.encode(x))
    for v, b in zip(moving, before, strict=True):
        np.testing.assert_array_equal(v, b)
    np.testing.assert_allclose(model.predict(x[:1], verbose=0), evaluation[:1], rtol=1e-5)

    kwargs = rnvp.bijector_kwargs(model.distribution.bijector, training=True)
    training = rnvp.bits_per_dim(
        tf.reduce_mean(model.distribution.log_prob(x, bijector_kwargs=kwargs)), (4, 4, 1)
    )
    moved = [v.numpy() for v in moving]
    for v, b in zip(moving, before, strict=True):
        v.assign(b)
    history = model.fit(x, batch_size=len(x), verbose=0, shuffle=False).history
    np.testing.assert_allclose(history["bits_per_dim"][0], training, rtol=1e-5)
    assert abs(training - rnvp.bits_per_dim(evaluation.mean(), (4, 4, 1))) > 0.01
    for v, m, b in zip(moving, moved, before, strict=True):
        np.testing.assert_allclose(v, m, rtol=1e-4, atol=1e-5)  # Moved once by `fit`, as once by hand.
        assert np.abs(m - b).max() > 0, v.path


def test_encoding_inside_of_a_training_call_does_not_train():
    model = image_model()
    x = images() + np.float32(0.5)
    before = [np.array(v) for v in model.variables]

    class Encoder(keras.layers.Layer):
        def call(self, x):
            return model.decode(model.encode(x))

    Encoder()(x, training=True)
    np.testing.assert_allclose(model.encode(x), model.distribution.bijector.inverse(x), atol=1e-5)
    for v, b in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(v, b)


def test_the_l2_term_is_of_the_flows_own_weight_scales_only():
    class Users(keras.layers.Layer):
        def build(self, input_shape):
            regularizer = keras.regularizers.L1(1.0)
            self.magnitude = self.add_weight(
                shape=(), initializer="ones", name="magnitude", regularizer=regularizer
            )

        def call(self, x):
            return self.magnitude * x, 0.0 * x

    base = tfd.Sample(tfd.Normal(0.0, 1.0), [2])
    coupling = rnvp.AffineCoupling(rnvp.channel_mask((2,)), Users())
    for l2 in (0.0, 5.0):
        model = rnvp.FlowModel(tfd.TransformedDistribution(base, coupling), l2=l2)
        np.testing.assert_allclose([float(x) for x in model.losses], [1.0])
    flow = rnvp.RealNVP((4, 4, 1), 2, num_residual_blocks=0, base_filters=2)
    for v in flow.trainable_variables:
        v.assign_add(0.3 * tf.ones_like(v))
    models = [rnvp.FlowModel(rnvp.image_distribution(flow), l2=l2) for l2 in (0.5, 0.0, 0.25)]
    half, none, quarter = (sum(map(float, m.losses)) for m in models)
    assert none == 0
    np.testing.assert_allclose(half, 2 * quarter)
    scales = [v for v in flow.trainable_variables if "magnitude" in v.name or "rescaling_scale" in v.name]
    np.testing.assert_allclose(half, 0.5 * sum(np.square(v).sum() for v in scales), rtol=1e-6)


@pytest.mark.parametrize("how", ["gradient_tape", pytest.param("minimize", marks=pytest.mark.slow), "fit"])
def test_everything_is_trained(how):
    model = image_model(use_batch_norm=False)
    dist = model.distribution
    x = tf.constant(images() + np.float32(0.5))
    for v in model.trainable_variables:  # Out of the places where gradients vanish.
        v.assign_add(0.1 * np.random.default_rng(0).normal(size=v.shape))
    before = [tf.identity(v) for v in dist.trainable_variables]
    assert {id(v) for v in dist.trainable_variables} == {id(v._value) for v in model.trainable_variables}
    if how == "gradient_tape":
        with tf.GradientTape() as tape:
            loss = -tf.reduce_mean(dist.log_prob(x))
        gradients = tape.gradient(loss, dist.trainable_variables)
        keras.optimizers.Adam(1e-2).apply_gradients(zip(gradients, dist.trainable_variables, strict=True))
    elif how == "minimize":
        loss = tfp.math.minimize(lambda: -tf.reduce_mean(dist.log_prob(x)), 3, keras.optimizers.Adam(1e-2))
        assert loss[-1] < loss[0]
    else:
        model.compile(keras.optimizers.Adam(1e-2))
        model.fit(x, batch_size=32, verbose=0)
    for v, b in zip(dist.trainable_variables, before, strict=True):
        assert np.abs(v - b).max() > 0, v.name


def test_conditions():
    """Of images; `test_fit.py` feeds those of vectors in every way."""
    model = image_model(conditional=True)
    model.compile(keras.optimizers.Adam(3e-3))
    x, y = images(), classes()
    model.fit(x, y, batch_size=32, verbose=0)
    log_prob = model.predict((x, y), verbose=0)
    np.testing.assert_allclose(model((x, y)), log_prob, rtol=1e-5)
    assert np.abs(model((x, y[::-1])) - log_prob).max() > 1e-3
    z = model.encode(x, conditional_input=y)
    floats = model.decode(z, conditional_input=y)
    np.testing.assert_array_equal(np.floor(floats + 1e-4), x)
    assert model.sample(3, seed=1, conditional_input=y[:3]).shape == (3, 4, 4, 1)
    assert model.sample(3, seed=1, conditional_input=y[0]).shape == (3, 4, 4, 1)
    with pytest.raises(ValueError, match="Conditions must be of shape"):
        model((x[:3], np.arange(3.0)))  # Numbers of classes, as many as there are.
    for call in (lambda: model(x), lambda: model.encode(x), lambda: model.sample(2)):
        with pytest.raises(ValueError, match="conditional"):
            call()


def test_integers_are_dequantised():
    model = image_model()
    x = images()
    np.testing.assert_array_equal(model.predict(x, verbose=0), model.predict(x, verbose=0))
    np.testing.assert_allclose(model.predict(x[5:6], verbose=0), model.predict(x, verbose=0)[5:6], rtol=1e-5)
    first, second = (model(x, training=True) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    pixels = model.decode(model.encode(x))
    np.testing.assert_array_equal(np.floor(pixels + 1e-4), x)
    assert np.std(pixels - x) > 0.2


def test_temperature_scales_latents():
    model = image_model()
    cold, warm = (model.encode(model.sample(4, seed=3, temperature=t)) for t in (0.5, 1.0))
    np.testing.assert_allclose(cold, 0.5 * warm, atol=1e-4)
    base = tfd.Sample(tfd.Normal(5.0, 1.0), [2])  # About its mean, wherever that is.
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, tfb.Identity()))
    cold, warm = (model.sample(4, seed=3, temperature=t) for t in (0.5, 1.0))
    np.testing.assert_allclose(cold - 5, 0.5 * (warm - 5), atol=1e-5)


def test_summary_lists_every_layer():
    model = image_model()
    lines = []
    model.summary(print_fn=lines.append)
    text = "\n".join(lines)
    flow_layers = model.flow_layers
    assert all(layer.name[:20] in text for layer in flow_layers)
    count = sum(layer.count_params() for layer in flow_layers)
    assert f"Total params: {count:,}" in text


RESTORE = """
import sys, keras, numpy as np, tensorflow as tf, tfp_realnvp as rnvp
saved, weights, checkpoint, data = sys.argv[1:]
x, expected = np.load(data)["x"], np.load(data)["expected"]

def fresh():
    flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=0, base_filters=4)
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16))

whole, weighted, checked = keras.models.load_model(saved), fresh(), fresh()
assert int(whole.optimizer.iterations) == 3
weighted.load_weights(weights)
tf.train.Checkpoint(model=checked).restore(checkpoint).assert_existing_objects_matched()
for model in (whole, weighted, checked):
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-6)
"""


@pytest.mark.slow
def test_restores_in_a_fresh_process(tmp_path):
    model = image_model()
    model.compile(keras.optimizers.Adam(1e-2))
    x = images()
    model.fit(x, batch_size=32, verbose=0)
    names = ("model.keras", "model.weights.h5", "checkpoint", "data.npz")
    saved, weights, checkpoint, data = (str(tmp_path / name) for name in names)
    model.save(saved)
    model.save_weights(weights)
    checkpoint = tf.train.Checkpoint(model=model).save(checkpoint)
    np.savez(data, x=x, expected=model.predict(x, verbose=0))
    subprocess.run([sys.executable, "-c", RESTORE, saved, weights, checkpoint, data], check=True)


def test_saves_a_users_own_chain(tmp_path):
    network = keras.Sequential([keras.layers.Dense(8, "tanh"), keras.layers.Dense(4)])
    network.build((None, 2))
    loc = tf.Variable([1.0, 2.0], name="loc")
    chain = tfb.Chain(
        [
            tfb.Shift(tf.Variable([0.5, 0.5])),
            rnvp.AffineCoupling(rnvp.channel_mask((2,)), network),
            tfb.Invert(tfb.Scale([2.0, 3.0])),
            rnvp.BatchNormalization((2,)),
        ]
    )
    base = tfd.Independent(tfd.Normal(loc, 1.0), 1)
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, chain))
    assert len(model.trainable_variables) == len(model.distribution.trainable_variables) == 8
    model.compile(keras.optimizers.Adam(1e-2))
    x = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    model.fit(x, batch_size=32, verbose=0)
    assert np.abs(loc - [1.0, 2.0]).max() > 1e-3
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6)


@pytest.mark.parametrize("conditional", [False, True])
def test_networks_need_not_be_built(conditional):
    dense = keras.layers.Dense(4)

    class Concatenating(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.dense = dense

        def call(self, x, conditional_input):
            return self.dense(tf.concat([x, conditional_input], -1))

    network = Concatenating() if conditional else keras.Sequential([dense])
    coupling = rnvp.AffineCoupling(rnvp.channel_mask((2,)), network)
    base = tfd.Sample(tfd.Normal(0.0, 1.0), [2])
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, tfb.Chain([coupling, tfb.Permute([1, 0])])))
    model.compile(keras.optimizers.Adam(1e-2))
    x = np.random.default_rng(0).normal(1.0, 2.0, size=(64, 2)).astype(np.float32)
    history = model.fit(x, x if conditional else None, epochs=5, batch_size=32, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(model.trainable_variables) == len(model.distribution.trainable_variables) == 2


def test_saving_names_what_cannot_be_saved(tmp_path):
    coupling = rnvp.AffineCoupling(rnvp.channel_mask((2,)), lambda x: (x, x))
    base = tfd.Sample(tfd.Normal(0.0, 1.0), [2])
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, coupling))
    with pytest.raises(TypeError, match=r"distribution.bijector.conditioner.*weights"):
        model.save(tmp_path / "model.keras")


def test_float64():
    flow = rnvp.RealNVP((4, 4, 1), num_residual_blocks=0, base_filters=2, dtype="float64")
    model = rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16))
    model.compile(run_eagerly=True)
    model.fit(images(), verbose=0)
    assert model.encode(images()).dtype == tf.float64


def test_a_vector_flow():
    flow = rnvp.RealNVP((2,))
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), flow))
    model.compile(keras.optimizers.Adam(1e-2))
    angle = np.random.default_rng(0).uniform(0, np.pi, 2048)
    x = np.stack([np.cos(angle), np.sin(angle)], -1) + 0.1 * np.random.default_rng(1).normal(size=(2048, 2))
    history = model.fit(x.astype(np.float32), epochs=8, batch_size=128, verbose=0).history
    gaussian = 0.5 * np.linalg.slogdet(np.cov(x.T))[1] + 1 + np.log(2 * np.pi)
    assert history["loss"][-1] < gaussian - 0.3


@pytest.fixture(scope="module")
def conditional():
    """A model of conditional vectors, for tests that leave it as it is."""
    flow = rnvp.RealNVP((4,), conditional_event_shape=(3,), num_couplings=2, hidden_units=(4,))
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [4]), flow))
    for v in model.trainable_variables:
        v.assign_add(0.1 * np.random.default_rng(0).normal(size=v.shape))
    return model


@pytest.mark.parametrize("single", [False, True])
def test_events_in_batches(conditional, single):
    """As all at once, with a condition for each or with a single one for all."""
    x = np.random.default_rng(1).normal(size=(7, 4)).astype(np.float32)
    condition = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0]]
    condition = condition[1] if single else condition
    samples = conditional.sample(7, 5, conditional_input=condition)
    for batch_size in (1, 3, 7, 100):
        for method in (conditional.encode, conditional.decode):
            np.testing.assert_allclose(method(x, condition, batch_size), method(x, condition), atol=1e-6)
        in_batches = conditional.sample(7, 5, conditional_input=condition, batch_size=batch_size)
        np.testing.assert_allclose(in_batches, samples, atol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 3), (2, 1, 3)])
def test_conditions_that_broadcast_do_so_in_batches_too(conditional, shape):
    condition = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    samples = (conditional.sample((2, 2), 5, conditional_input=condition, batch_size=b) for b in (1, None))
    np.testing.assert_allclose(*samples, atol=1e-6)
