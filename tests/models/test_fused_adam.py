"""Adam in a few operations is Keras's, to the rounding of its dtype."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfp_realnvp as rnvp
from tfp_realnvp.models.optimizers.skip_non_finite import skipping

SHAPES = (3, 2), (4,), ()
STEPS = 50


def trained(optimizer, dtype, bad_step=None, compiled=True):
    """Variables, moments and averages after some steps by gradients of many sizes."""
    random = np.random.default_rng(0)
    variables = [keras.Variable(random.normal(size=shape), dtype=dtype) for shape in SHAPES]
    optimizer.build(variables)

    def step(gradients):
        optimizer.apply(gradients, variables)

    step = tf.function(step, autograph=False) if compiled else step
    for i in range(STEPS):
        gradients = [tf.constant(random.normal(size=s) * 10.0 ** (i % 4 - 1), dtype) for s in SHAPES]
        if i == bad_step:
            gradients[1] = gradients[1] * np.nan
        step(gradients)
    return [v.numpy() for v in (*variables, *optimizer.variables)]


OPTIONS = [
    {},
    {"global_clipnorm": 5.0},
    {"use_ema": True, "ema_momentum": 0.9},
    {"global_clipnorm": 5.0, "use_ema": True, "ema_momentum": 0.9},
    {"amsgrad": True, "clipnorm": 1.0},  # Not fused.
    {"weight_decay": 0.1, "clipvalue": 0.5},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_numbers_are_those_of_keras(options):
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-6)):
        schedule = keras.optimizers.schedules.CosineDecay(0.1, STEPS)
        ours = trained(rnvp.FusedAdam(schedule, **options), dtype)
        theirs = trained(keras.optimizers.Adam(schedule, **options), dtype)
        for actual, expected in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(actual, expected, tolerance, tolerance * np.abs(expected).max())


@pytest.mark.parametrize("bad_step", [0, 7])
@pytest.mark.parametrize("options", OPTIONS[:4], ids=str)
def test_skipped_steps_are_those_of_keras(options, bad_step):
    """Nothing moves in them, and the first average is the value itself, also after a skipped step."""
    ours = trained(skipping(rnvp.FusedAdam(0.1, **options)), "float64", bad_step)
    theirs = trained(skipping(keras.optimizers.Adam(0.1, **options)), "float64", bad_step)
    for actual, expected in zip(ours, theirs, strict=True):
        assert np.isfinite(actual).all()
        np.testing.assert_allclose(actual, expected, 1e-12, 1e-12)


def test_eager_steps_and_compiled_ones_agree():
    eager, compiled = (
        trained(skipping(rnvp.FusedAdam(0.1, **OPTIONS[3])), "float64", 7, compiled=c) for c in (False, True)
    )
    for actual, expected in zip(eager, compiled, strict=True):
        np.testing.assert_allclose(actual, expected, 1e-12, 1e-12)


def test_an_update_takes_few_operations():
    """Of each variable: its norm, its clipped gradient, four of Adam, its value and the average of it."""

    def operations(optimizer, number):
        variables = [keras.Variable(np.ones(3, "float32")) for _ in range(number)]
        optimizer.build(variables)
        graph = tf.function(lambda g: optimizer.apply([g] * number, variables), autograph=False)
        graph = graph.get_concrete_function(tf.ones(3)).graph
        return sum(op.type not in ("Placeholder", "Const") for op in graph.get_operations())

    few, many = (operations(skipping(rnvp.FusedAdam(0.1, **OPTIONS[3])), number) for number in (10, 20))
    assert many - few == 8 * 10


def test_constraints_and_missing_gradients_are_honoured():
    bounded = keras.Variable(np.ones(3, "float32"))
    bounded.constraint = lambda v: tf.clip_by_value(v, 0.95, 1.05)
    optimizer = skipping(rnvp.FusedAdam(0.1))
    optimizer.build([bounded])
    optimizer.apply([tf.ones(3)], [bounded])
    np.testing.assert_allclose(bounded.numpy(), 0.95)
    pair = [keras.Variable(np.ones(2, "float32")) for _ in range(2)]
    optimizer = rnvp.FusedAdam(0.1)
    optimizer.build(pair)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([tf.ones(2), None], pair)
    np.testing.assert_allclose(pair[0].numpy(), 0.9, rtol=1e-5)
    np.testing.assert_array_equal(pair[1].numpy(), 1.0)


def test_compile_makes_one_of_the_name_adam():
    model = rnvp.FlowModel(
        rnvp.image_distribution(rnvp.RealNVP((2, 2, 1), base_filters=2, num_residual_blocks=0))
    )
    model.compile("adam")
    assert type(model.optimizer) is rnvp.FusedAdam
    given = keras.optimizers.Adam()
    model.compile(given)
    assert model.optimizer is given
