"""The tools that train, infer and sample take our bijectors as they take any other."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
import tf_keras
from bijector_checks import condition, made
from constructors import CONSTRUCTORS, each

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

TRAINED = ["coupling_conditional", "chain", "real_nvp_vector", "real_nvp_vector_conditional"]
IMAGES = ["coupling_image", "real_nvp_image", "real_nvp_image_plain", "real_nvp_image_conditional_on_image"]
QUICK = "chain", "real_nvp_vector_conditional", "real_nvp_image"
"""Of these entries the default suite tries training."""


def trained(names):
    return each(names, slow=[name for name in names if name not in QUICK])


def problem(entry, size=16):
    """A new bijector, and its mean negative log-likelihood of some data in training."""
    bijector = entry.bijector("float32")
    base = tfd.Sample(tfd.Normal(0.0, 1.0), entry.event_shape)
    td = tfd.TransformedDistribution(base, bijector)
    x = 2 * entry.data((size,), "float32") + 1
    kwargs = rnvp.bijector_kwargs(
        bijector, training=True, conditional_input=condition(entry, (size,), "float32")
    )
    return td, lambda: -tf.reduce_mean(td.log_prob(x, bijector_kwargs=kwargs))


# Training.


@trained(TRAINED + IMAGES)
def test_every_trainable_variable_has_a_gradient_in_training(entry):
    td, loss = problem(entry)
    value, gradients = tfp.math.value_and_gradient(loss, td.trainable_variables)
    with tf.GradientTape() as tape:
        by_hand = loss()
    expected = tape.gradient(by_hand, td.trainable_variables)
    np.testing.assert_allclose(value, by_hand, rtol=1e-4)
    assert len(gradients) == len(td.trainable_variables) > 0
    for v, a, b in zip(td.trainable_variables, gradients, expected, strict=True):
        assert a is not None, v.name
        assert b is not None, v.name
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * (1 + np.abs(b).max()), err_msg=v.name)


@trained(TRAINED)
@pytest.mark.parametrize(
    "library, mode",
    [
        (keras, "graph"),
        (tf_keras, "eager"),
        pytest.param(keras, "eager", marks=pytest.mark.slow),
        pytest.param(tf_keras, "graph", marks=pytest.mark.slow),
    ],
    ids=["keras-graph", "tf_keras-eager", "keras-eager", "tf_keras-graph"],
)
def test_a_loop_over_a_gradient_tape(entry, mode, library):
    td, loss = problem(entry)
    optimizer = library.optimizers.Adam(0.02)
    if library is keras:
        optimizer.build(td.trainable_variables)
    else:
        assert not isinstance(optimizer, tf_keras.optimizers.legacy.Optimizer)
    before = [v.numpy() for v in td.variables]

    def step():
        with tf.GradientTape() as tape:
            value = loss()
        optimizer.apply_gradients(
            zip(tape.gradient(value, td.trainable_variables), td.trainable_variables, strict=True)
        )
        return value

    step = step if mode == "eager" else tf.function(step)
    values = [float(step()) for _ in range(15)]
    assert values[-1] < values[0] - 0.1
    assert all(np.any(v != b) for v, b in zip(td.variables, before, strict=True))


@trained(["real_nvp_vector", "real_nvp_vector_conditional"])
@pytest.mark.parametrize(
    "library", [keras, pytest.param(tf_keras, marks=pytest.mark.slow)], ids=["keras", "tf_keras"]
)
def test_tfp_minimize(entry, library):
    td, loss = problem(entry)
    optimizer = library.optimizers.Adam(0.02)
    losses = tfp.math.minimize(
        loss, num_steps=30, optimizer=optimizer, trainable_variables=td.trainable_variables
    )
    assert losses.shape == (30,)
    assert losses[-1] < losses[0] - 0.1
    np.testing.assert_allclose(losses[0], problem(entry)[1](), rtol=1e-4)


@pytest.mark.slow
def test_a_surrogate_posterior_has_the_moments_of_its_target():
    mean = np.array([1.0, -2.0], np.float32)
    covariance = np.array([[1.0, 0.8], [0.8, 1.5]], np.float32)
    target = tfd.MultivariateNormalTriL(mean, np.linalg.cholesky(covariance))
    flow = rnvp.RealNVP((2,), num_couplings=4, hidden_units=(16,), use_batch_norm=False)
    surrogate = tfd.TransformedDistribution(
        tfd.Sample(tfd.Normal(0.0, 1.0), [2]),
        tfb.Chain([tfb.Shift(tf.Variable([0.0, 0.0])), flow]),
    )
    losses = tfp.vi.fit_surrogate_posterior(
        target.log_prob,
        surrogate,
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.02, 600)),
        num_steps=600,
        sample_size=64,
        seed=(1, 2),
    )
    assert abs(np.mean(losses[-100:])) < 0.02  # The divergence, since the target is normalised.
    draws = surrogate.sample(20_000, seed=(3, 4)).numpy()
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=0.1)
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.15)


# Sampling.


def preconditioner():
    """A flow that bends the plane."""
    flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(8,))
    random = np.random.default_rng(1)
    for v in flow.trainable_variables:
        v.assign(0.4 * random.normal(size=v.shape))
    return flow


KERNELS = {
    "hmc": lambda log_prob: tfp.mcmc.HamiltonianMonteCarlo(log_prob, step_size=0.5, num_leapfrog_steps=4),
    "nuts": lambda log_prob: tfp.mcmc.NoUTurnSampler(log_prob, step_size=0.5, max_tree_depth=4),
    "random_walk": lambda log_prob: tfp.mcmc.RandomWalkMetropolis(
        log_prob, tfp.mcmc.random_walk_normal_fn(scale=1.5)
    ),
}


@pytest.mark.parametrize(
    "kernel", ["hmc", *(pytest.param(k, marks=pytest.mark.slow) for k in ("nuts", "random_walk"))]
)
def test_a_markov_chain_in_the_space_of_latents(kernel):
    target = tfd.Independent(tfd.Normal([1.0, -2.0], [0.5, 2.0]), 1)
    flow = preconditioner()
    inner = KERNELS[kernel](target.log_prob)
    transformed = tfp.mcmc.TransformedTransitionKernel(inner, flow)
    num_results = 500 if kernel == "random_walk" else 150

    @tf.function
    def run():
        return tfp.mcmc.sample_chain(
            num_results,
            current_state=tf.zeros([100, 2]),
            kernel=transformed,
            num_burnin_steps=num_results // 2,
            trace_fn=lambda _, results: results.inner_results.is_accepted,
            seed=(1, 2),
        )

    states, accepted = run()
    assert states.shape == (num_results, 100, 2)
    assert 0.1 < np.mean(accepted) <= 1
    draws = states.numpy().reshape(-1, 2)
    np.testing.assert_allclose(draws.mean(axis=0), [1.0, -2.0], atol=0.15)
    np.testing.assert_allclose(draws.var(axis=0), [0.25, 4.0], rtol=0.15)


# Control flow.


@pytest.mark.parametrize(
    "name",
    [
        "real_nvp_vector_conditional",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("chain", "coupling_image")),
    ],
)
def test_in_loops(name):
    entry = CONSTRUCTORS[name]
    bijector, kwargs = made(entry), entry.kwargs((3,))
    x = bijector.forward(entry.data((3,)), **kwargs)
    expected, total = tf.identity(x), tf.zeros([3], tf.float64)
    for _ in range(3):
        total += bijector.inverse_log_det_jacobian(tf.identity(expected), **kwargs)
        expected = bijector.inverse(tf.identity(expected), **kwargs)

    def step(x, total):
        z = bijector.inverse(x, **kwargs)
        return z, total + bijector.inverse_log_det_jacobian(x, **kwargs)

    zero = tf.zeros([3], tf.float64)
    loops = {
        "while": lambda x: tf.while_loop(lambda *_: True, step, (x, zero), maximum_iterations=3),
        "scan": lambda x: [v[-1] for v in tf.scan(lambda state, _: step(*state), tf.range(3), (x, zero))],
        "foldl": lambda x: tf.foldl(lambda state, _: step(*state), tf.range(3), (x, zero)),
    }
    for loop_name, loop in loops.items():
        for run in (loop, tf.function(loop)):
            for a, b in zip(run(x), (expected, total), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-8, rtol=1e-8, err_msg=loop_name)


def test_vectorized_map():
    entry = CONSTRUCTORS["real_nvp_vector"]
    bijector, x = made(entry), entry.data((4,))
    actual = tf.vectorized_map(bijector.inverse, x)
    np.testing.assert_allclose(actual, bijector.inverse(tf.identity(x)), atol=1e-10)
