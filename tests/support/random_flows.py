"""Whole flows at random: chains of our bijectors, of TFP's, and of each in the other."""

import dataclasses
import functools
import math
import random

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import strategies as st

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

SCALES = (0.01, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0)
"""Standard deviations of a weight, times the square root of its layer's inputs."""
UNBOUNDED = 3.0
"""The largest at which the log-scale is left without a bound: 30 would be factors of e^30 a coupling."""
SHAPES = [(2,), (3,), (4,), (6,), (2, 2, 1), (2, 2, 2), (2, 2, 3), (2, 4, 1), (3, 2, 2), (1, 2, 4)]

seeds = st.integers(0, 2**16)


@dataclasses.dataclass(frozen=True)
class RandomFlow:
    """A flow over events of some shape and dtype, and how large its weights are."""

    bijector: tfb.Bijector
    event_shape: tuple
    dtype: str
    scale: float

    def events(self, n, seed):
        return tf.constant(np.random.default_rng(seed).normal(size=(n, *self.event_shape)), self.dtype)

    def members(self):
        """What is in it one after another, from data to latents, through all chains in chains."""
        return _members(self.bijector)

    def log_prob(self, x):
        normal = tfd.Normal(tf.zeros([], self.dtype), tf.ones([], self.dtype))
        latent_shape = self.bijector.inverse_event_shape(self.event_shape)
        return tfd.TransformedDistribution(tfd.Sample(normal, latent_shape), self.bijector).log_prob(x)


class Network(tf.Module):
    """A conditioner with a hidden layer, which sees all of an event."""

    def __init__(self, event_shape, dtype, scale, values):
        super().__init__()
        size, hidden = math.prod(event_shape), 5
        self.event_shape = event_shape
        self.kernels = [
            tf.Variable(scale * values.normal(size=shape) / shape[0] ** 0.5, dtype=dtype)
            for shape in ((size, hidden), (hidden, 2 * size))
        ]
        self.biases = [
            tf.Variable(scale * values.normal(size=size), dtype=dtype) for size in (hidden, 2 * size)
        ]

    def __call__(self, x):
        x = tf.reshape(x, [-1, math.prod(self.event_shape)])
        hidden = tf.tanh(x @ self.kernels[0] + self.biases[0])
        outputs = hidden @ self.kernels[1] + self.biases[1]
        return [tf.reshape(v, [-1, *self.event_shape]) for v in tf.split(outputs, 2, axis=-1)]


@st.composite
def flows(draw, dtype, scales=SCALES):
    """A `RandomFlow` of one to six members, its weights of any of the scales."""
    shape, scale = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(scales))
    bound = draw(st.sampled_from([0.5, 2.0] + [None] * 2 * (scale <= UNBOUNDED)))
    members, inside = [], shape
    for _ in range(draw(st.integers(1, 6))):
        kinds = _kinds(inside, with_flows=not any(isinstance(m, rnvp.RealNVP) for m in members))
        members.append(draw(st.sampled_from(kinds))(draw, inside, dtype, scale, bound))
        inside = tuple(members[-1].inverse_event_shape(inside))
    chain = draw(st.sampled_from([rnvp.Chain, tfb.Chain]))(members)
    return RandomFlow(chain, shape, dtype, scale)


def _kinds(shape, with_flows):
    """What can be made for events of a shape; of the slow whole flows one is enough."""
    kinds = [_coupling, _coupling, _inverted_coupling, _norm, _stock]
    if shape[-1] % 2 == 0:
        kinds.append(_factor_out)
    if with_flows and (len(shape) == 1 or min(shape[:2]) > 1):
        kinds.append(_real_nvp)
    if len(shape) == 3:
        kinds += [_squeeze] * (shape[0] % 2 == shape[1] % 2 == 0) + [_unsqueeze] * (shape[2] % 4 == 0)
    return kinds


def _values(draw):
    return np.random.default_rng(draw(seeds))


def _mask(draw, shape):
    size = math.prod(shape)
    kept = draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1))
    return np.isin(np.arange(size), list(kept)).reshape(shape)


def _coupling(draw, shape, dtype, scale, bound):
    network = Network(shape, dtype, scale, _values(draw))
    return rnvp.AffineCoupling(_mask(draw, shape), network, max_log_scale=bound, dtype=dtype)


def _inverted_coupling(*arguments):
    return tfb.Invert(_coupling(*arguments))


def _norm(draw, shape, dtype, scale, bound):
    mask = _mask(draw, shape) if math.prod(shape) > 1 and draw(st.booleans()) else None
    norm = rnvp.BatchNormalization(
        shape, mask, center=draw(st.booleans()), scale=draw(st.booleans()), dtype=dtype
    )
    _scatter(norm, 0.5, _values(draw))
    return norm


def _factor_out(draw, shape, *arguments):
    half = (*shape[:-1], shape[-1] // 2)
    kinds = [_norm, *[_coupling] * 3 * (math.prod(half) > 1)]
    return rnvp.FactorOut(draw(st.sampled_from(kinds))(draw, half, *arguments), len(shape))


def _squeeze(draw, shape, dtype, scale, bound):
    return tfb.Invert(rnvp.Squeeze(draw(st.sampled_from(rnvp.Squeeze.ORDERS)), dtype=dtype))


def _unsqueeze(*arguments):
    return tfb.Invert(_squeeze(*arguments))


def _stock(draw, shape, dtype, scale, bound):
    values = _values(draw)
    shift, factor = values.normal(size=shape), np.exp(0.5 * values.normal(size=shape))
    kinds = [
        lambda: tfb.Shift(tf.constant(3 * shift, dtype)),
        lambda: tfb.Scale(tf.constant(-factor, dtype)),
        lambda: tfb.Permute(values.permutation(shape[-1])),
        lambda: tfb.SinhArcsinh(tf.constant(0.2, dtype), tf.constant(1.2, dtype)),
    ]
    return draw(st.sampled_from(kinds))()


def _real_nvp(draw, shape, dtype, scale, bound):
    flow = _empty_real_nvp(shape, dtype, bound, draw(st.booleans()), draw(st.integers(0, 1)))
    _scatter(flow, scale, _values(draw))
    return flow


@functools.cache
def _empty_real_nvp(shape, dtype, bound, use_batch_norm, layers):
    """One of each configuration, to be given new weights: building one takes longer than its tests."""
    options = {"dtype": dtype, "max_log_scale": bound, "use_batch_norm": use_batch_norm}
    state = random.getstate()  # Keras draws seeds of initial values, which are replaced.
    if len(shape) == 1:
        flow = rnvp.RealNVP(shape, num_couplings=2, hidden_units=(5,) * layers, **options)
    else:
        flow = rnvp.RealNVP(shape, num_scales=1, num_residual_blocks=layers, base_filters=2, **options)
    random.setstate(state)
    return flow


def _scatter(bijector, scale, values):
    for v in bijector.variables:
        spread = values.normal(size=v.shape)
        inputs = math.prod(v.shape[:-1]) or 1
        v.assign(np.exp(spread) if "variance" in v.name else scale * spread / inputs**0.5)


def _members(bijector):
    inside = getattr(bijector, "bijectors", None)  # TFP's chain is of a class that is not `tfb.Chain`.
    return [bijector] if inside is None else [m for b in inside for m in _members(b)]
