"""Models that train in seconds, one of each kind, and their data."""

import dataclasses
import functools
import random

import keras
import numpy as np
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfd = tfp.distributions


def standard_normal(size=2):
    return tfd.Sample(tfd.Normal(0.0, 1.0), [size])


def image_model(**kwargs):
    options = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 2, **kwargs}
    flow = rnvp.RealNVP((4, 4, 1), **options)
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16))


def vector_model(**kwargs):
    flow = rnvp.RealNVP((2,), **{"num_couplings": 2, "hidden_units": (4,), **kwargs})
    return rnvp.FlowModel(tfd.TransformedDistribution(standard_normal(), flow))


def conditional_model(**kwargs):
    return vector_model(conditional_event_shape=(3,), **kwargs)


def flow_of_two_scales(num_scales=2, event_shape=(8, 8, 3), **kwargs):
    flow = rnvp.RealNVP(event_shape, num_scales, num_residual_blocks=1, base_filters=2, **kwargs)
    model = rnvp.FlowModel(rnvp.image_distribution(flow))
    scatter(model)
    return model


@functools.cache
def scaled_model(conditional=False, event_shape=(8, 8, 3), num_scales=2):
    """A model of images, by default of two scales, for tests that leave its variables as they are."""
    random.seed(0)  # Of the initial weights, whichever test is the first.
    flow = rnvp.RealNVP(
        event_shape,
        num_scales,
        num_residual_blocks=0,
        base_filters=2,
        conditional_event_shape=(3,) if conditional else None,
    )
    model = rnvp.FlowModel(rnvp.image_distribution(flow))
    scatter(model)
    return model


def images(n):
    return np.random.default_rng(0).uniform(0, 16, size=(n, 4, 4, 1)).astype(np.float32)


def vectors(n):
    return np.random.default_rng(0).normal([1.0, -2.0], [2.0, 0.5], size=(n, 2)).astype(np.float32)


def conditions(n):
    return np.eye(3, dtype=np.float32)[np.arange(n) % 3]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of model: how to make one, its events and, if it takes them, its conditions."""

    make: callable
    events: callable
    conditions: callable = lambda n: None

    def model(self, optimizer=None, **compile_kwargs):
        """A compiled model, always of the same initial weights, none of them at a special place."""
        random.seed(0)  # Of the initial weights.
        model = self.make()
        scatter(model)
        # Plain gradient descent: unlike Adam it does not blow up what rounding does to small gradients.
        model.compile(optimizer or keras.optimizers.SGD(1e-3), **compile_kwargs)
        return model

    def data(self, n):
        """Events and conditions, which are None where there are none."""
        return self.events(n), self.conditions(n)


class Shared:
    """A compiled model of a kind for many tests, which is traced once; each begins with it as it was made."""

    def __init__(self, kind, make_optimizer=lambda: None, **compile_kwargs):
        self._make = lambda: kind.model(make_optimizer(), **compile_kwargs)
        self._model = None

    def model(self):
        """The model, of the same initial weights and optimizer each time."""
        if self._model is None:
            self._model = self._make()
            self._initial = values(self._state())
        for v, value in zip(self._state(), self._initial, strict=True):
            v.assign(value)
        self._model.reset_metrics()
        return self._model

    def _state(self):
        return [*self._model.variables, *self._model.optimizer.variables]


KINDS = {
    "image": Kind(image_model, images),
    "vector": Kind(vector_model, vectors),
    "conditional": Kind(conditional_model, vectors, conditions),
}

SHARED = {kind: Shared(kind) for kind in KINDS.values()}


def scatter(model, seed=0):
    """Moves trainable variables away from where gradients vanish."""
    normal = np.random.default_rng(seed).normal
    for v in model.trainable_variables:
        v.assign_add(0.1 * normal(size=v.shape))


def values(variables):
    return [np.array(v) for v in variables]


def weights(model):
    """Values of all variables of the distribution, moving statistics too."""
    return values(model.distribution.variables)


def assert_equal(actual, desired, **tolerance):
    """Of two lists of arrays; without a tolerance to the last bit."""
    for a, d in zip(actual, desired, strict=True):
        np.testing.assert_allclose(a, d, **{"rtol": 0, "atol": 0, **tolerance})
