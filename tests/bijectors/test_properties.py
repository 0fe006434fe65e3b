"""What holds for events of any shape, dtype, mask and batch, tried at random."""

import copy
import math
import pickle
import random

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import get_fldj_theoretical
from drawn_examples import for_examples
from hypothesis import strategies as st

import tfp_realnvp as rnvp

tfb = tfp.bijectors

TOLERANCE = {"float32": 5e-3, "float64": 1e-9}

sides = st.integers(1, 4)
even = st.sampled_from([2, 4])
dtypes = st.sampled_from(["float32", "float64"])
seeds = st.integers(0, 2**16)
batch_shapes = st.sampled_from([(), (0,), (1,), (3,), (2, 0), (2, 3)])
ranks = st.integers(1, 3)


class Conditioner(tf.Module):
    """Smooth random functions of all elements of an event, one of each for shift and log-scale."""

    def __init__(self, event_shape, dtype, values):
        super().__init__()
        self.event_shape = event_shape
        size = math.prod(event_shape)
        self.weights = tf.Variable(values.normal(size=(size, 2 * size)) / size**0.5, dtype=dtype)

    def __call__(self, x):
        shape = [-1, *self.event_shape]
        outputs = tf.tanh(tf.matmul(tf.reshape(x, [-1, math.prod(self.event_shape)]), self.weights))
        return [tf.reshape(v, shape) for v in tf.split(outputs, 2, axis=-1)]


@st.composite
def masks(draw):
    """Any mask of rank 1 to 3 that keeps something and changes something."""
    shape = tuple(draw(st.lists(sides, min_size=1, max_size=3).filter(lambda s: math.prod(s) > 1)))
    size = math.prod(shape)
    kept = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1))
    return np.isin(np.arange(size), list(kept)).reshape(shape)


@st.composite
def couplings(draw, mask=None, dtype=None):
    mask = draw(masks()) if mask is None else mask
    dtype = draw(dtypes) if dtype is None else dtype
    values = np.random.default_rng(draw(seeds))
    return rnvp.AffineCoupling(mask, Conditioner(mask.shape, dtype, values), dtype=dtype), mask.shape, dtype


@st.composite
def norms(draw, shape=None, dtype=None):
    mask = None
    if shape is None and draw(st.booleans()):
        mask = draw(masks())
        shape = mask.shape
    shape = tuple(draw(st.lists(sides, min_size=1, max_size=3))) if shape is None else shape
    dtype = draw(dtypes) if dtype is None else dtype
    norm = rnvp.BatchNormalization(
        shape, mask, center=draw(st.booleans()), scale=draw(st.booleans()), dtype=dtype
    )
    values = np.random.default_rng(draw(seeds))
    for v in norm.variables:
        spread = values.normal(size=v.shape)
        v.assign(np.exp(0.3 * spread) if "variance" in v.name else 0.5 * spread)
    return norm, shape, dtype


@st.composite
def squeezes(draw):
    dtype = draw(dtypes)
    squeeze = rnvp.Squeeze(
        draw(st.sampled_from(rnvp.Squeeze.ORDERS)), dtype=draw(st.sampled_from([None, dtype]))
    )
    return squeeze, (draw(even), draw(even), draw(sides)), dtype


@st.composite
def factor_outs(draw):
    inner, shape, dtype = draw(st.one_of(couplings(), norms()))
    return rnvp.FactorOut(inner), (*shape[:-1], 2 * shape[-1]), dtype


@st.composite
def chains(draw):
    coupling, shape, dtype = draw(couplings())
    members = [coupling]
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["coupling", "norm", "scale", "inverted"]))
        if kind == "scale":
            members.append(tfb.Scale(tf.constant(-1.5, dtype)))
        elif kind == "norm":
            members.append(draw(norms(shape, dtype))[0])
        else:
            other = draw(couplings(~coupling.mask, dtype))[0]
            members.append(other if kind == "coupling" else tfb.Invert(other))
    kind = draw(st.sampled_from([rnvp.Chain, tfb.Chain]))
    return kind(draw(st.permutations(members))), shape, dtype


@st.composite
def vector_flows(draw):
    dtype, size = draw(dtypes), draw(st.integers(2, 5))
    options = {
        "num_couplings": draw(st.integers(2, 3)),
        "hidden_units": draw(st.sampled_from([(), (4,), (4, 3)])),
        "use_batch_norm": draw(st.booleans()),
    }
    state = random.getstate()  # Keras draws seeds of initial values, which are replaced below.
    flow = rnvp.RealNVP((size,), dtype=dtype, **options)
    random.setstate(state)
    values = np.random.default_rng(draw(seeds))
    for v in flow.variables:
        spread = values.normal(size=v.shape)
        v.assign(np.exp(0.3 * spread) if "variance" in v.name else 0.4 * spread)
    return flow, (size,), dtype


CASES = {
    "coupling": couplings(),
    "batch_norm": norms(),
    "squeeze": squeezes(),
    "factor_out": factor_outs(),
    "chain": chains(),
    "vector_flow": vector_flows(),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def few_and_many(examples):
    """The examples of a default run, and of one that is marked as slow."""
    return pytest.mark.parametrize(
        "examples", [examples, pytest.param(10 * examples, marks=pytest.mark.slow)], ids=["few", "many"]
    )


def events(shape, dtype, seed):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), dtype)


def close(actual, expected, dtype):
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == dtype
    np.testing.assert_allclose(actual, expected, atol=TOLERANCE[dtype], rtol=TOLERANCE[dtype])


@every_case
@few_and_many(12)
def test_round_trips_and_log_determinants(case, examples):
    @for_examples(examples, case, batch_shapes, seeds)
    def _(drawn, batch_shape, seed):
        bijector, shape, dtype = drawn
        z = events((*batch_shape, *shape), dtype, seed)
        x = bijector.forward(z)
        assert x.dtype == dtype
        assert x.shape == (*batch_shape, *bijector.forward_event_shape(shape))
        close(bijector.inverse(tf.identity(x)), z, dtype)
        fldj = bijector.forward_log_det_jacobian(tf.identity(z), len(shape))
        ildj = bijector.inverse_log_det_jacobian(tf.identity(x), len(shape))
        if bijector.is_constant_jacobian:
            fldj, ildj = (tf.broadcast_to(v, batch_shape) for v in (fldj, ildj))
        close(ildj, -fldj, dtype)
        if 0 not in batch_shape:
            close(fldj, get_fldj_theoretical(bijector, z, len(shape)), dtype)


@few_and_many(25)
def test_the_kept_part_of_a_coupling_stays_bit_for_bit(examples):
    @for_examples(examples, couplings(), batch_shapes, seeds)
    def _(drawn, batch_shape, seed):
        coupling, shape, dtype = drawn
        z = events((*batch_shape, *shape), dtype, seed)
        for y in (coupling.forward(z), coupling.inverse(z)):
            np.testing.assert_array_equal(y.numpy()[..., coupling.mask], z.numpy()[..., coupling.mask])
            changed = y.numpy()[..., ~coupling.mask] != z.numpy()[..., ~coupling.mask]
            assert changed.all()


@few_and_many(25)
def test_the_second_half_of_a_factor_out_and_a_masked_norm_stay_bit_for_bit(examples):
    @for_examples(examples, st.one_of(factor_outs(), norms()), batch_shapes, seeds)
    def _(drawn, batch_shape, seed):
        bijector, shape, dtype = drawn
        z = events((*batch_shape, *shape), dtype, seed)
        if isinstance(bijector, rnvp.FactorOut):
            kept = np.broadcast_to(np.arange(shape[-1]) >= shape[-1] // 2, shape)
        else:
            mask = bijector.parameters["mask"]
            kept = np.broadcast_to(False if mask is None else mask, shape)
        for y in (bijector.forward(z), bijector.inverse(z)):
            np.testing.assert_array_equal(y.numpy()[..., kept], z.numpy()[..., kept])


@few_and_many(25)
def test_a_squeeze_only_moves_elements(examples):
    @for_examples(examples, squeezes(), batch_shapes)
    def _(drawn, batch_shape):
        squeeze, shape, dtype = drawn
        size = math.prod(shape)
        z = tf.reshape(tf.range(math.prod(batch_shape) * size, dtype=dtype), [*batch_shape, *shape])
        x = squeeze.forward(z).numpy().reshape(-1, size)
        np.testing.assert_array_equal(np.sort(x), z.numpy().reshape(-1, size))
        np.testing.assert_array_equal(squeeze.inverse(tf.constant(squeeze.forward(z).numpy())), z)


@every_case
@few_and_many(3)
def test_copies_are_equal(case, examples):
    @for_examples(examples, case, seeds)
    def _(drawn, seed):
        bijector, shape, dtype = drawn
        z = events((2, *shape), dtype, seed)
        x = bijector.forward(z)
        own = {id(v) for v in bijector.variables}
        for other, shared in (
            (bijector.copy(name="another"), True),
            (copy.deepcopy(bijector), False),
            (pickle.loads(pickle.dumps(bijector)), False),
        ):
            assert len(other.variables) == len(own)
            assert (
                {id(v) for v in other.variables} == own if shared else not own & set(map(id, other.variables))
            )
            np.testing.assert_array_equal(other.forward(tf.identity(z)), x)
            np.testing.assert_array_equal(
                other.inverse_log_det_jacobian(tf.identity(x), len(shape)),
                bijector.inverse_log_det_jacobian(tf.identity(x), len(shape)),
            )
