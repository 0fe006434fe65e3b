"""What holds for whole flows at random, as exactly as the condition of each allows.

A flow's condition is how far its results move when everything that it computes with, weights and
what goes from member to member, is changed by a small share of itself. Rounding is such a change,
by half of the machine's epsilon for each operation, so that results may be as far off as they move
when everything changes by as many epsilons as there are operations in a row, and no farther.
"""

import numpy as np
import pytest
import tensorflow as tf
from bijector_checks import changed
from drawn_examples import for_examples
from random_flows import SCALES, flows, seeds

ORDINARY = (0.01, 0.1, 0.5)
"""Scales of the weights in training."""
EPSILON = np.finfo(np.float64).eps
ROUNDINGS = 32
"""Operations in a row within a member: two products of at most 12 terms, and a few more."""
MEANINGFUL = 0.1
"""A larger bound says nothing: events are of size 1, and such a flow has no inverse in float64."""


def few_and_many(examples):
    """The examples of a default run, and of one that is marked as slow."""
    return pytest.mark.parametrize(
        "examples", [examples, pytest.param(5 * examples, marks=pytest.mark.slow)], ids=["few", "many"]
    )


def largest(values):
    """The largest absolute value of each event."""
    return np.abs(values).reshape(len(values), -1).max(axis=-1)


def forward(flow, z, change=lambda u: u):
    """An event and the log-determinant of the way to it, with a change between all members."""
    log_det = 0
    for member in reversed(flow.members()):
        z = change(tf.identity(z))
        x = member.forward(z)
        log_det += member.forward_log_det_jacobian(z, z.shape.rank - 1)
        z = x
    return change(z).numpy(), np.broadcast_to(log_det, len(z))


def movement(flow, z, num_draws=2):
    """How far an event and its log-determinant move where all before changes by `ROUNDINGS` epsilons.

    Returns:
      Pair of arrays of shape `[n]`, each the largest of some random changes.
    """
    exact, moves = forward(flow, z), []
    for seed in range(num_draws):
        values = np.random.default_rng(seed)

        def change(u, values=values):
            return u * (1 + ROUNDINGS * EPSILON * values.uniform(-1, 1, size=u.shape))

        with changed(flow.bijector.variables, change):
            moves.append([largest(a - b) for a, b in zip(forward(flow, z, change), exact, strict=True)])
    return np.max(moves, axis=0)


def jacobians(flow, x):
    """Of each member on the way from one event to its latent, by differentiating it."""
    for member in flow.members():
        size = x.shape.num_elements()
        copies = tf.repeat(x, size, axis=0)
        with tf.GradientTape() as tape:
            tape.watch(copies)
            y = member.inverse(tf.identity(copies))
            diagonal = tf.linalg.diag_part(tf.reshape(y, [size, size]))
        yield tf.reshape(tape.gradient(diagonal, copies), [size, size]).numpy()
        x = y[:1]


def assert_within(error, bound, meaningful):
    assert np.isfinite(error).all()
    assert ((error <= bound) | ~np.asarray(meaningful)).all()


@few_and_many(30)
def test_float64_is_as_exact_as_the_condition_allows(examples):
    bounds = []

    @for_examples(examples, flows("float64"), seeds)
    def _(flow, seed):
        x, ndims = flow.events(3, seed), len(flow.event_shape)
        z = flow.bijector.inverse(x)
        again = flow.bijector.forward(tf.identity(z))
        ildj = flow.bijector.inverse_log_det_jacobian(tf.identity(x), ndims)
        fldj = flow.bijector.forward_log_det_jacobian(tf.identity(z), ndims)
        moved, log_det_moved = movement(flow, z)
        log_det_moved += ROUNDINGS * EPSILON * (1 + np.abs(ildj))
        came_back = moved < MEANINGFUL
        assert_within(largest(again - x), moved, came_back)
        assert_within(np.abs(fldj + ildj), log_det_moved, came_back)
        bounds.append(moved.max())

    assert np.mean(np.array(bounds) < 1e-6) > 0.9


@few_and_many(30)
def test_log_determinants_are_those_of_the_jacobian(examples):
    bounds = []

    @for_examples(examples, flows("float64"), seeds)
    def _(flow, seed):
        x = flow.events(1, seed)
        ildj = flow.bijector.inverse_log_det_jacobian(x, len(flow.event_shape))
        matrices = list(jacobians(flow, x))
        expected = sum(np.linalg.slogdet(m)[1] for m in matrices)
        bound = ROUNDINGS * EPSILON * sum(np.linalg.cond(m) for m in matrices)
        assert_within(np.abs(ildj - expected), bound, bound < MEANINGFUL)
        bounds.append(bound)

    assert np.mean(np.array(bounds) < 1e-6) > 0.9


@few_and_many(30)
def test_float32_round_trips_at_ordinary_scale(examples):
    @for_examples(examples, flows("float32", ORDINARY), seeds)
    def _(flow, seed):
        x = flow.events(3, seed)
        again = flow.bijector.forward(tf.identity(flow.bijector.inverse(x)))
        assert again.dtype == tf.float32
        np.testing.assert_allclose(again, x, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "dtype, scales", [("float32", ORDINARY), ("float64", SCALES)], ids=["float32", "float64"]
)
@few_and_many(20)
def test_gradients_are_finite(examples, dtype, scales):
    @for_examples(examples, flows(dtype, scales), seeds)
    def _(flow, seed):
        x = flow.events(3, seed)
        variables = flow.bijector.trainable_variables
        with tf.GradientTape() as tape:
            tape.watch(x)
            log_prob = flow.log_prob(x)
        assert np.isfinite(log_prob).all()
        gradients = tape.gradient(log_prob, [x, *variables])
        for g in gradients:
            assert g is not None
            assert np.isfinite(g).all()
