"""What is saved is restored to the last bit, and what does not fit or cannot be saved raises."""

import copy
import functools
import json
import pickle
import random
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import ConditionalNetwork, Network
from tiny_models import (
    assert_equal,
    conditional_model,
    conditions,
    image_model,
    images,
    scatter,
    standard_normal,
    values,
    vector_model,
    vectors,
    weights,
)

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

first, second = rnvp.channel_mask((2,)), rnvp.channel_mask((2,), invert=True)


def model_of(bijectors, base=None, chain=tfb.Chain):
    return rnvp.FlowModel(tfd.TransformedDistribution(base or standard_normal(), chain(bijectors)))


def sequential():
    network = keras.Sequential([keras.layers.Dense(3, "tanh"), keras.layers.Dense(4)])
    network.build((None, 2))
    return network


def functional():
    x = keras.Input((2,))
    hidden = keras.layers.Dense(3, "tanh")(x)
    return keras.Model(x, keras.layers.Dense(4)(keras.layers.Concatenate()([hidden, x])))


def coupling(network=None, mask=first, **kwargs):
    return rnvp.AffineCoupling(mask, network or sequential(), **kwargs)


def stock_chain():
    """Members of TFP with variables of every kind, between two of ours."""
    scale = tfp.util.TransformedVariable([1.0, 2.0], tfb.Softplus(), name="scale")
    fixed = tfp.util.TransformedVariable(0.5, tfb.Exp(), trainable=False)
    return model_of(
        [
            tfb.Shift(tf.Variable([0.5, -0.5], name="shift")),
            coupling(),
            tfb.Scale(scale),
            tfb.ScaleMatvecLU(tf.Variable([[1.0, 0.2], [0.1, 2.0]]), [1, 0]),
            tfb.Invert(tfb.Chain([tfb.Shift(tf.Variable([1.0, 1.0], trainable=False)), tfb.Scale(fixed)])),
            rnvp.BatchNormalization((2,)),
            tfb.Permute([1, 0]),
        ]
    )


def nested_chains():
    """Ours in theirs in ours, inverted, and without variables in between."""
    inner = rnvp.Chain([coupling(), tfb.Permute([1, 0]), rnvp.BatchNormalization((2,))])
    positive = tfb.Chain([tfb.Invert(tfb.Softplus()), tfb.Softplus(low=np.float32(-9.0))])
    return model_of(
        [tfb.Chain([inner, tfb.Invert(coupling(mask=second))]), positive, coupling(Network(4))],
        chain=rnvp.Chain,
    )


def shared_network():
    """One network in two couplings, one batch norm's variables in two, one bijector in two places."""
    network, norm, shift = sequential(), rnvp.BatchNormalization((2,)), tfb.Shift(tf.Variable([0.1, 0.2]))
    return model_of(
        [
            coupling(network, name="one"),
            norm,
            shift,
            coupling(network, second, name="two"),
            rnvp.BatchNormalization((2,), layer=norm.layer, name="again"),
            tfb.Invert(shift),
        ]
    )


def shared_flow():
    """A flow, and a copy of it with the same layers."""
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(3,))
    return model_of([flow, tfb.Permute([1, 0]), flow.copy(name="copy")])


def shared_variable():
    loc = tf.Variable([0.5, 1.0])
    return model_of([tfb.Shift(loc), coupling()], tfd.Independent(tfd.Normal(loc, 1.0), 1))


def triangular_base():
    covariance = tfp.util.TransformedVariable(tf.eye(2), tfb.FillScaleTriL(diag_shift=np.float32(1e-3)))
    return model_of([coupling(functional())], tfd.MultivariateNormalTriL(tf.Variable([0.1, 0.2]), covariance))


def independent_base():
    scale = tfp.util.TransformedVariable([1.0, 2.0], tfb.Exp())
    normal = tfd.Normal(tf.Variable([0.1, 0.2], name="loc"), scale)
    return model_of([coupling(), rnvp.BatchNormalization((2,))], tfd.Independent(normal, 1))


def mixture_base():
    base = tfd.MixtureSameFamily(
        tfd.Categorical(logits=tf.Variable([0.1, -0.1, 0.0], name="logits")),
        tfd.MultivariateNormalDiag(
            tf.Variable([[0.0, 1.0], [2.0, 3.0], [-1.0, 0.0]]),
            tfp.util.TransformedVariable(tf.ones([3, 2]), tfb.Softplus()),
        ),
    )
    return model_of([coupling(Network(4))], base)


def conditional_chain():
    network = ConditionalNetwork(4)
    network.build((None, 2))
    return model_of([coupling(network), tfb.Permute([1, 0])])


MODELS = {
    "vector": vector_model,
    "bounded": lambda: vector_model(max_log_scale=0.1),
    "conditional": conditional_model,
    "image": image_model,
    "stock_chain": stock_chain,
    "nested_chains": nested_chains,
    "shared_network": shared_network,
    "shared_flow": shared_flow,
    "shared_variable": shared_variable,
    "triangular_base": triangular_base,
    "independent_base": independent_base,
    "mixture_base": mixture_base,
    "conditional_chain": conditional_chain,
}
CONDITIONS = {"conditional": conditions, "conditional_chain": lambda n: vectors(n) / 9}
every_model = pytest.mark.parametrize("name", MODELS)


def data(name, n=12):
    x = images(n) if name == "image" else vectors(n)
    return (x, CONDITIONS[name](n)) if name in CONDITIONS else x


def filled(name, seed=1):
    """A model, none of whose variables has its initial value."""
    model = MODELS[name]()
    scatter(model, seed)
    normal = np.random.default_rng(seed).normal
    for v in model.non_trainable_variables:
        if v.dtype == "float32":
            v.assign(np.exp(0.3 * normal(size=v.shape)))
    return model


def to_weights(model, make, folder):
    model.save_weights(folder / "model.weights.h5")
    new = make()
    new.load_weights(folder / "model.weights.h5")
    return new


def to_keras(model, make, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def to_checkpoint(model, make, folder):
    path = tf.train.Checkpoint(model=model).save(folder / "checkpoint")
    new = make()
    if model.compiled:
        new.compile(type(model.optimizer).from_config(model.optimizer.get_config()))
    tf.train.Checkpoint(model=new).restore(path).assert_existing_objects_matched()
    return new


FORMATS = {"weights": to_weights, "keras": to_keras, "checkpoint": to_checkpoint}


@functools.cache
def saved(name):
    """The model of a name, which no test changes."""
    random.seed(0)  # Of the initial weights, whichever test is the first.
    return filled(name)


def assert_computes_the_same(new, model, name):
    """Densities and samples to the last bit."""
    inputs = data(name)
    desired = model(inputs)
    assert np.all(np.isfinite(desired))
    np.testing.assert_array_equal(new(inputs), desired)
    condition = inputs[1] if isinstance(inputs, tuple) else None
    kwargs = rnvp.bijector_kwargs(model.distribution.bijector, conditional_input=condition)
    samples = [m.distribution.sample(12, seed=(1, 5), bijector_kwargs=kwargs) for m in (model, new)]
    np.testing.assert_array_equal(*samples)


@every_model
def test_every_variable_is_restored_to_the_last_bit(name, tmp_path):
    model = saved(name)
    for restored in FORMATS.values():
        new = restored(model, lambda: filled(name, seed=2), tmp_path)
        assert new is not model
        assert_equal(weights(new), weights(model))
        assert len(new.trainable_variables) == len(model.trainable_variables)
        trainable = [[v.trainable for v in m.distribution.variables] for m in (model, new)]
        assert trainable[0] == trainable[1]
        assert_computes_the_same(new, model, name)


@pytest.mark.parametrize(
    "name, formats",
    [
        pytest.param("vector", [*FORMATS], marks=pytest.mark.slow),
        ("stock_chain", [*FORMATS]),
        ("shared_network", ["keras"]),
        pytest.param("shared_network", ["weights", "checkpoint"], marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_training_goes_on_as_if_there_had_been_no_interruption(name, formats, tmp_path):
    def compiled():
        model = filled(name)
        model.compile(keras.optimizers.Adam(1e-2))
        return model

    def fit(model):
        return model.fit(data(name), epochs=2, batch_size=4, shuffle=False, verbose=0).history["loss"]

    model = compiled()
    fit(model)
    others = [FORMATS[f](model, compiled, tmp_path) for f in formats]
    for new in others:
        assert_equal(values(new.optimizer.variables), values(model.optimizer.variables))
        assert int(new.optimizer.iterations) == 6
    desired = fit(model)
    for new in others:
        np.testing.assert_allclose(fit(new), desired, rtol=1e-6)
        assert_equal(weights(new), weights(model), rtol=1e-6, atol=1e-7)  # Threads sum in any order.


@pytest.mark.parametrize("restored", FORMATS.values(), ids=FORMATS.keys())
def test_the_noise_of_dequantisation_goes_on(restored, tmp_path):
    model = image_model()
    x = images(4).astype(np.uint8)
    model(x, training=True)
    new = restored(model, image_model, tmp_path)
    np.testing.assert_array_equal(new._continuous(x, training=True), model._continuous(x, training=True))


@pytest.mark.filterwarnings("ignore:Skipping variable loading for optimizer")  # All is frozen in the end.
def test_frozen_layers_stay_frozen(tmp_path):
    model = filled("vector")
    model.layers[2].trainable = False
    model.compile(keras.optimizers.Adam(1e-2))
    model.fit(vectors(12), verbose=0)
    new = to_keras(model, None, tmp_path)
    assert [layer.trainable for layer in new.layers] == [layer.trainable for layer in model.layers]
    assert len(new.trainable_variables) == len(model.trainable_variables)
    assert_equal(values(new.optimizer.variables), values(model.optimizer.variables))
    model.trainable = False
    assert not to_keras(model, None, tmp_path).trainable_variables


@every_model
def test_a_configuration_makes_the_same_architecture(name):
    model = saved(name)
    config = json.loads(json.dumps(model.get_config()))
    for new in (rnvp.FlowModel.from_config(config), keras.models.clone_model(model)):
        shapes = [[v.shape for v in m.distribution.variables] for m in (model, new)]
        assert shapes[0] == shapes[1]
        assert not {id(v) for v in new.distribution.variables} & {id(v) for v in model.distribution.variables}
        new.set_weights(model.get_weights())
        assert_computes_the_same(new, model, name)


def lora(layers, **kwargs):
    """Low-rank changes of Keras layers, none of them zero."""
    for layer in layers:
        layer.enable_lora(2, **kwargs)
        layer.lora_kernel_b.assign(0.1 + 0.2 * np.arange(2 * layer.units).reshape(2, -1))


def lora_in_a_flow(make=vector_model):
    model = make()
    lora(model.flow_layers[0].hidden)
    lora([model.flow_layers[0].out], lora_alpha=3)
    return model


def quantized(model, mode="int8"):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*`quantize` method")  # Keras's, for each layer without one.
        model.quantize(mode)
    return model


def own_network():
    model = model_of([coupling(built(Network(4))), rnvp.BatchNormalization((2,))])
    lora([model.flow_layers[0].hidden])
    return model


def lora_in_a_sequential():
    model = model_of([coupling()])
    lora(model.flow_layers[0].layers[:1])
    return model


ADAPTED = {
    "lora": lora_in_a_flow,
    "lora_conditional": lambda: lora_in_a_flow(conditional_model),
    "lora_in_a_sequential": lora_in_a_sequential,
    "lora_in_a_network_of_ones_own": own_network,
    "int8": lambda: quantized(vector_model()),
    "int4_in_a_network_of_ones_own": lambda: quantized(model_of([coupling(built(Network(4)))]), "int4"),
    "float8": lambda: quantized(vector_model(), "float8"),
}


def adapted(name):
    model = ADAPTED[name]()
    scatter(model)
    return model


def copied(model, make, folder):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n.startswith("int") else []) for n in ADAPTED]
)
def test_adapted_networks_are_restored_from_every_format(name, tmp_path):
    model = adapted(name)
    inputs = (vectors(12), conditions(12)) if "conditional" in name else vectors(12)
    desired = model(inputs)
    assert np.all(np.isfinite(desired))
    for restored in (to_keras, to_checkpoint, copied):
        new = restored(model, lambda: adapted(name), tmp_path)
        np.testing.assert_array_equal(new(inputs), desired)
        assert len(new.variables) == len(model.variables)
        assert len(new.trainable_variables) == len(model.trainable_variables)
    own_class = "of_ones_own" in name  # Whose configuration does not tell what is in it.
    flow = model.distribution.bijector
    if not own_class and "conditional" not in name:
        np.testing.assert_array_equal(copy.deepcopy(flow).inverse(vectors(3)), flow.inverse(vectors(3)))


@pytest.mark.parametrize("name", ["vector", "conditional"])
def test_whole_models_in_the_older_format(name, tmp_path):
    model = filled(name)
    model.compile()
    for file in ("model.h5", "model.hdf5"):
        model.save(tmp_path / file)
        new = keras.models.load_model(tmp_path / file)
        assert_equal(weights(new), weights(model))
        assert_computes_the_same(new, model, name)


def test_the_older_format_has_no_place_for_two_variables_of_one_name(tmp_path):
    with pytest.raises(ValueError, match=r"same name.*model.h5. Save it as `.keras`"):
        saved("stock_chain").save(tmp_path / "model.h5")
    assert not list(tmp_path.iterdir())


def test_adapted_networks_refuse_the_weights_of_others(tmp_path):
    plain, tuned, rounded = vector_model(), adapted("lora"), adapted("int8")
    # Keras writes merged kernels: the weights of a tuned network are those of a plain one.
    for model, make in ((tuned, vector_model), (plain, lora_in_a_flow)):
        new = to_weights(model, make, tmp_path)
        np.testing.assert_array_equal(new(vectors(12)), model(vectors(12)))
    for model, make in (
        (tuned, lambda: vector_model(num_couplings=3)),
        (tuned, lambda: vector_model(hidden_units=(5,))),
        (rounded, vector_model),
        (plain, lambda: rounded),
    ):
        with pytest.raises(ValueError, match="weights are those of another"):
            to_weights(model, make, tmp_path)
    # A checkpoint holds them as they are.
    for model, make in ((tuned, vector_model), (plain, lora_in_a_flow), (rounded, vector_model)):
        with pytest.raises(ValueError, match="weights are those of another"):
            to_checkpoint(model, make, tmp_path)


def test_training_goes_on_where_adapted_networks_were_saved(tmp_path):
    model = adapted("lora")
    model.compile("adam")
    model.fit(vectors(12), verbose=0)
    new = to_keras(model, None, tmp_path)
    assert_equal(values(new.optimizer.variables), values(model.optimizer.variables))
    assert np.any(np.array(new.optimizer._momentums[4]))
    assert new.flow_layers[0].out.lora_alpha == 3


@pytest.mark.parametrize(
    "name", ["conditional", "stock_chain", pytest.param("image", marks=pytest.mark.slow)]
)
def test_an_exported_model_gives_the_same_densities(name, tmp_path):
    model, inputs = saved(name), data(name)
    desired = model.predict(inputs, verbose=0)
    model.export(tmp_path / "model", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(inputs), desired, rtol=1e-5)
    few = (inputs[0][:5], inputs[1][:5].astype(float)) if isinstance(inputs, tuple) else inputs[:5]
    np.testing.assert_allclose(loaded.serve(few), desired[:5], rtol=1e-5)
    default = loaded.signatures["serving_default"].structured_input_signature[1]["events"]
    assert default.dtype.is_floating != (name == "image")


def test_an_exported_model_takes_integers_and_floats_as_predict_does(tmp_path):
    """Also in arrays of float64, of which TensorFlow would else make integers without a word."""
    model = rnvp.FlowModel(
        rnvp.image_distribution(tfb.Scale(0.5), 16, event_shape=(4, 4, 1))
    )  # Never called.
    model.export(tmp_path, verbose=False)
    loaded, layer = tf.saved_model.load(tmp_path), keras.layers.TFSMLayer(tmp_path)
    pixels = np.floor(images(5))
    of_integers, of_floats = (model.predict(pixels.astype(kind), verbose=0) for kind in ("uint8", "float32"))
    assert np.abs(of_integers - of_floats).min() > 0.01
    for dtype in ("uint8", "uint16", "int32", "int64", "float32", "float64"):
        desired = of_floats if dtype.startswith("float") else of_integers
        for function, value in (
            (loaded.serve, pixels.astype(dtype)),
            (loaded.serve, tf.cast(pixels, dtype)),
            (layer, pixels.astype(dtype)),
        ):
            np.testing.assert_allclose(function(value), desired, rtol=1e-5)
    for name, dtype in (
        ("serving_default", "int32"),
        ("serve_integers", "int32"),
        ("serve_floats", "float32"),
    ):
        served = loaded.signatures[name](events=tf.cast(pixels, dtype))["output_0"]
        np.testing.assert_allclose(served, of_integers if dtype == "int32" else of_floats, rtol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="integers from 0 to 15"):
        loaded.serve(np.full((5, 4, 4, 1), 16))
    with pytest.raises(ValueError, match="Could not find matching"):
        loaded.serve(pixels.astype(np.int8))


def test_an_export_of_a_flow_that_does_not_tell_the_shape_of_conditions(tmp_path):
    model = model_of([rnvp.AffineCoupling(first, ConditionalNetwork(4))])
    with pytest.raises(ValueError, match="`input_signature` must be given"):
        model.export(tmp_path)
    model.export(tmp_path, verbose=False, input_signature=[2 * (tf.TensorSpec([None, 2]),)])
    pair = vectors(5), vectors(5) / 2
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_allclose(loaded.serve(pair), model(pair), rtol=1e-5)


def test_a_saved_model_has_the_methods_that_one_gives_it(tmp_path):
    model, x = saved("stock_chain"), vectors(12)
    module = tf.Module()
    module.distribution = model.distribution
    spec = tf.TensorSpec([None, 2])
    module.log_prob = tf.function(model.distribution.log_prob, input_signature=[spec])
    module.encode = tf.function(model.distribution.bijector.inverse, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    np.testing.assert_allclose(loaded.log_prob(x), model.predict(x, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(loaded.encode(x), model.encode(x), rtol=1e-5, atol=1e-6)


def two_shifts():
    return model_of([tfb.Shift(tf.Variable([0.0, 0.0])), coupling(), tfb.Shift(tf.Variable([0.0, 0.0]))])


def one_shift():
    return model_of([tfb.Shift(tf.Variable([0.0, 0.0])), coupling()])


def norm_of(**kwargs):
    return lambda: model_of([coupling(), rnvp.BatchNormalization((2,), **kwargs)])


MISMATCHES = {
    "couplings": (vector_model, lambda: vector_model(num_couplings=3)),
    "width": (vector_model, lambda: vector_model(hidden_units=(5,))),
    "depth": (vector_model, lambda: vector_model(hidden_units=(4, 4))),
    "batch_norm": (vector_model, lambda: vector_model(use_batch_norm=False)),
    "condition": (vector_model, conditional_model),
    "kind": (vector_model, image_model),
    "filters": (image_model, lambda: image_model(base_filters=3)),
    "stock_member": (one_shift, two_shifts),
    "base": (vector_model, independent_base),
    "statistics": (norm_of(center=False), norm_of(scale=False)),
}


@pytest.mark.parametrize("pair", MISMATCHES.values(), ids=MISMATCHES.keys())
def test_weights_of_another_model_are_refused_and_change_nothing(pair, tmp_path):
    models = [make() for make in pair]
    for model, other in (models, reversed(models)):
        before = values(other.variables)
        for restored in (to_weights, to_checkpoint):
            with pytest.raises(ValueError, match=r"weights are those of another|incompatible tensor"):
                restored(model, lambda other=other: other, tmp_path)
            if restored is to_weights:
                assert_equal(values(other.variables), before)


@pytest.mark.parametrize("restored", [to_weights, to_checkpoint], ids=["weights", "checkpoint"])
def test_the_error_names_the_first_variable_that_differs(restored, tmp_path):
    with pytest.raises(
        ValueError, match=r"saved are 14 variables, here are 21.*number 14: saved is none, here"
    ):
        restored(vector_model(), lambda: vector_model(num_couplings=3), tmp_path)


@pytest.mark.parametrize("restored", [to_weights, to_checkpoint], ids=["weights", "checkpoint"])
def test_a_network_that_is_not_built_yet_refuses_weights(restored, tmp_path):
    def unbuilt():
        return model_of([coupling(ConditionalNetwork(4)), tfb.Permute([1, 0])])

    with pytest.raises(ValueError, match="has not been built"):
        restored(conditional_chain(), unbuilt, tmp_path)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "model.keras"
    saved("vector").save(path)
    whole = path.read_bytes()
    for keep in (0.1, 0.5, 0.9, 0.999):
        path.write_bytes(whole[: int(keep * len(whole))])
        with pytest.raises(Exception, match="zip"):
            keras.models.load_model(path)


class OwnBijector(tfb.Bijector):
    """As a user would write it."""

    def __init__(self):
        parameters = dict(locals())
        self.shift = tf.Variable([1.0, 2.0])
        super().__init__(forward_min_event_ndims=0, is_constant_jacobian=True, parameters=parameters)

    def _forward(self, x):
        return x + self.shift

    def _inverse(self, y):
        return y - self.shift

    def _forward_log_det_jacobian(self, x):
        return tf.zeros([], x.dtype)


class OwnModule(tf.Module):
    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(0.1 * tf.ones([2, 4]))

    def __call__(self, x):
        return x @ self.kernel


class Unregistered(Network):
    """A Keras layer that nothing knows of."""


def unregistered_activation(x):
    return keras.ops.tanh(x)


def built(layer):
    layer.build((None, 2))
    return layer


CANNOT = {
    "lambda": (lambda: coupling(lambda x: (x, 0.1 * x)), ".conditioner"),
    "module": (lambda: coupling(OwnModule()), ".conditioner"),
    "unregistered_layer": (lambda: coupling(built(Unregistered(4))), ".conditioner"),
    "unregistered_inside": (
        lambda: coupling(built(keras.Sequential([Unregistered(4)]))),
        ".conditioner",
    ),
    "unregistered_function": (
        lambda: coupling(built(keras.layers.Dense(4, unregistered_activation))),
        ".conditioner",
    ),
    "own_bijector": (OwnBijector, ""),
    "inverted_own_bijector": (lambda: tfb.Invert(OwnBijector()), ".bijector"),
    "deferred": (lambda: tfb.Shift(tfp.util.DeferredTensor(tf.Variable([1.0, 2.0]), tf.exp)), ".shift"),
}


@pytest.mark.parametrize("member, where", CANNOT.values(), ids=CANNOT.keys())
def test_what_cannot_be_saved_is_named_no_file_is_touched_and_it_has_weights_that_can(
    member, where, tmp_path
):
    def make(seed=2):
        model = model_of([coupling(), member()])
        scatter(model, seed)
        return model

    path, model = tmp_path / "model.keras", make(seed=1)
    for older in (None, b"an older file"):
        if older:
            path.write_bytes(older)
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        with pytest.raises(
            TypeError, match=rf"`distribution\.bijector\.bijectors\[1\]{where}`.*\.weights\.h5"
        ):
            model.save(path)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    new = to_weights(model, make, tmp_path)
    assert_equal(weights(new), weights(model))
    np.testing.assert_array_equal(new(vectors(12)), model(vectors(12)))


def test_custom_objects_need_not_be_registered(tmp_path):
    model = model_of([coupling(built(Unregistered(4)))])
    with keras.saving.custom_object_scope({"Unregistered": Unregistered}):
        model.save(tmp_path / "model.keras")
    new = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Unregistered": Unregistered})
    assert_equal(weights(new), weights(model))


def test_an_older_file_survives_what_goes_wrong_in_writing(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    model = vector_model()
    model.save(path)
    before = path.read_bytes()

    def full(store):
        raise OSError("No space left on device")

    monkeypatch.setattr(model.layers[1], "save_own_variables", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["model.keras"]


def test_a_frozen_part_of_a_network_stays_frozen(tmp_path):
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(4,))
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), flow))
    number = len(flow.trainable_variables)
    model.flow_layers[0].hidden[0].trainable = False
    model.compile("adam")
    x = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    model.fit(x, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.flow_layers[0].hidden[0].trainable
    assert loaded.flow_layers[0].out.trainable
    frozen = [len(m.trainable_variables) for m in (loaded, model, flow)]
    assert frozen == [number - 2] * 3
    assert int(loaded.optimizer.iterations) == int(model.optimizer.iterations) == 1
