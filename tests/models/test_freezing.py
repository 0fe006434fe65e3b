"""What is frozen through Keras is frozen for TensorFlow Probability and optimizers, and thaws again."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny_models import assert_equal, scatter, values, vector_model, vectors

import tfp_realnvp as rnvp
from tfp_realnvp.models.optimizers.rebuilt_optimizer import build_for
from tfp_realnvp.training.checkpoints import Checkpoints, Progress

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


def moved(model, **kwargs):
    """How many trainable variables an epoch moves, and how many there are."""
    variables = model.trainable_variables
    before = values(variables)
    model.fit(vectors(8), verbose=0, **kwargs)
    pairs = zip(values(variables), before, strict=True)
    return sum(np.any(new != old) for new, old in pairs), len(variables)


def slots(optimizer, variables):
    """The moments of variables, by the names that Keras's optimizers have for them."""
    lists = (getattr(optimizer, name) for name in ("_momentums", "_velocities"))
    places = [optimizer._get_variable_index(v) for v in variables]
    return [np.array(slots[i]) for slots in lists for i in places]


OPTIMIZERS = {
    "fused": (lambda: rnvp.FusedAdam(1e-2, use_ema=True, global_clipnorm=1.0), False),
    "nadam": (lambda: keras.optimizers.Nadam(1e-2, gradient_accumulation_steps=2), True),
    "scaled": (lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)), False),
}


@pytest.mark.parametrize(
    "make_optimizer, skip_non_finite",
    [pytest.param(*o, id=n, marks=[] if n == "fused" else [pytest.mark.slow]) for n, o in OPTIMIZERS.items()],
)
def test_fit_trains_what_thaws_or_comes_after_compile(make_optimizer, skip_non_finite):
    model = vector_model()
    scatter(model)
    layer, other = model.flow_layers[0], model.flow_layers[-1]
    layer.trainable = False
    model.compile(make_optimizer(), skip_non_finite=skip_non_finite)
    layer.trainable = True
    other.trainable = False
    number = len(model.trainable_variables)
    assert moved(model, batch_size=4) == (number, number)
    trained = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    kept = [v for v in model.trainable_variables if v is not layer.hidden[0]._kernel]
    before, iterations = slots(trained, kept), int(trained.iterations)
    assert iterations and np.any(before[0])
    layer.hidden[0].enable_lora(1)
    other.trainable = True
    model.build_optimizer()
    assert_equal(slots(trained, kept), before)
    assert int(trained.iterations) == iterations
    new = [layer.hidden[0].lora_kernel_a, *other.trainable_variables]
    assert not np.any(np.concatenate([s.ravel() for s in slots(trained, new)]))
    for v in new if trained.use_ema else []:
        average = trained._model_variables_moving_average[trained._get_variable_index(v)]
        np.testing.assert_array_equal(average, v)
    number = len(model.trainable_variables)
    assert moved(model, batch_size=4)[0] >= number - 1  # The first step of LoRA moves one of its two factors.


def test_a_model_that_was_frozen_in_between_goes_on_from_any_file(tmp_path):
    def make(**kwargs):
        model = vector_model()
        model.compile(rnvp.FusedAdam(1e-2), **kwargs)
        return model

    model = make()
    moved(model)
    model.flow_layers[0].trainable = False
    moved(model)
    model.save(tmp_path / "model.keras")
    Checkpoints(tmp_path / "run", model, {}).save(Progress(epoch=1))
    loaded, resumed = keras.models.load_model(tmp_path / "model.keras"), make()
    resumed.flow_layers[0].trainable = False
    Checkpoints(tmp_path / "run", resumed, {}).restore()
    for new in (loaded, resumed):
        assert_equal(values(new.optimizer.variables), values(model.optimizer.variables))
    loaded.flow_layers[0].trainable = True
    number = len(loaded.trainable_variables)
    assert moved(loaded) == (number, number)
    path = tf.train.Checkpoint(model=loaded).save(tmp_path / "checkpoint")
    new = make()
    tf.train.Checkpoint(model=new).restore(path).assert_existing_objects_matched()
    assert_equal(values(new.optimizer.variables), values(loaded.optimizer.variables))


def test_an_optimizer_of_two_models_keeps_the_moments_of_both():
    models = [vector_model(), vector_model()]
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(models[0].trainable_variables)
    for m in optimizer.momentums:
        m.assign(m + 0.5)
    models[1].compile(optimizer)
    first, second = (len(model.trainable_variables) for model in models)
    assert len(optimizer.momentums) == first + second
    moments = [optimizer.momentums[optimizer._get_variable_index(v)] for v in models[0].trainable_variables]
    assert all(np.all(np.array(m) == 0.5) for m in moments)


def test_an_optimizer_with_state_of_its_own_kind_is_refused():
    class Own(keras.optimizers.SGD):
        def build(self, variables):
            super().build(variables)
            self.by_name = {v.path: self.add_variable(v.shape, name=v.name) for v in variables}

    variables = [keras.Variable(0.0), keras.Variable(1.0)]
    optimizer = Own()
    optimizer.build(variables[:1])
    build_for(optimizer, variables[:1])
    with pytest.raises(ValueError, match=r"before some variables became trainable.*Own cannot.*`compile`"):
        build_for(optimizer, variables)


def test_functions_that_were_compiled_before_lora_or_quantisation_are_compiled_anew():
    model, x = vector_model(), vectors(8)
    scatter(model)
    model.compile()

    def outputs():
        return [
            model.predict(x, verbose=0),
            -np.array([model.evaluate(x[:1], verbose=0)[0]]),
            model.encode(x),
            model.sample(3, seed=0),
        ]

    before = outputs()
    for layer in model.flow_layers[0].hidden:
        layer.enable_lora(2)
    scatter(model, seed=1)
    model.flow_layers[0].out.quantize("int8")
    after = outputs()
    now = [model(x), model(x[:1]), model.distribution.bijector.inverse(x)]
    assert_equal(after[:3], now, rtol=1e-4, atol=1e-5)
    for new, old in zip(after, before, strict=True):
        assert np.any(np.abs(new - old) > 1e-3)
    functions = model.predict_function, model.test_function, *model._coder._compiled.values()
    outputs()
    assert functions == (model.predict_function, model.test_function, *model._coder._compiled.values())
