"""Flows as parts of other Keras models: a `FlowModel`, or a distribution or bijector among the attributes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from tiny_models import image_model, images

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions


class Subclassed(keras.Model):
    def __init__(self, part, **kwargs):
        super().__init__(**kwargs)
        self.part = part

    def call(self, x):
        return self.part(x)


def functional(part):
    x = keras.Input((4, 4, 1))
    return keras.Model(x, part(x))


OUTER = {
    "subclassed": Subclassed,
    "functional": functional,
    "twice": lambda part: Subclassed(functional(part)),
    "sequential": lambda part: keras.Sequential([keras.Input((4, 4, 1)), part]),
}


@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER)
def test_the_l2_term_is_part_of_its_loss(outer):
    part = image_model()
    part.l2 = 0.5
    model = outer(part)
    model(images(2))
    assert len(part.losses) == 1
    np.testing.assert_allclose([float(loss) for loss in model.losses], [float(part.losses[0])])
    model.compile(keras.optimizers.SGD(0.0), lambda y, log_prob: 0.0 * log_prob)
    loss = model.evaluate(images(2), np.zeros(2), verbose=0)
    np.testing.assert_allclose(loss, float(part.losses[0]), rtol=1e-6)
    part.trainable = False
    assert not model.losses


class Density(keras.Model):
    """A user's own model, which has a distribution or a bijector among its attributes."""

    def __init__(self, flow, held=True, explicit=None):
        super().__init__()
        self.flow, self.explicit = flow, explicit
        self.before = keras.layers.Rescaling(1.0) if held else keras.layers.Dense(2)
        if held:
            self.flow_layers = rnvp.keras_layers(flow)

    def call(self, x):
        kwargs = {} if self.explicit is None else {"training": self.explicit}
        x = self.before(x)
        if isinstance(self.flow, tfb.Bijector):
            return -self.flow.inverse_log_det_jacobian(x, 1, **kwargs)
        return -self.flow.log_prob(x, bijector_kwargs=kwargs)


def own_flow():
    return rnvp.RealNVP((2,), num_couplings=2, hidden_units=(4,))


def trainable_base():
    base = tfd.MultivariateNormalDiag(tf.Variable([0.5, -0.5]), tf.ones(2))
    return tfd.TransformedDistribution(base, tfb.Chain([tfb.Shift(tf.Variable([1.0, 2.0])), own_flow()]))


FLOWS = {
    "distribution": lambda: tfd.TransformedDistribution(tfd.MultivariateNormalDiag(tf.zeros(2)), own_flow()),
    "bijector": own_flow,
    "with_other_variables": trainable_base,
    "network": lambda: tfd.TransformedDistribution(
        tfd.MultivariateNormalDiag(tf.zeros(2)),
        rnvp.AffineCoupling(rnvp.channel_mask((2,)), keras.layers.Dense(4)),
    ),
}
flows = pytest.mark.parametrize("make", FLOWS.values(), ids=FLOWS)


def mean(y_true, y_pred):
    return y_pred


@flows
def test_a_flow_among_the_attributes_is_trained_and_saved(make, tmp_path):
    x = np.random.default_rng(0).normal(2, 3, (64, 2)).astype("float32")
    model = Density(make())
    assert len(model.trainable_variables) == len(model.flow.trainable_variables)
    before = [v.numpy() for v in model.flow.trainable_variables]
    model.compile("adam", mean)
    model.fit(x, x, verbose=0)
    assert all(np.any(a != b) for a, b in zip(before, model.flow.trainable_variables, strict=True))
    model.save_weights(tmp_path / "of.weights.h5")
    other = Density(make())
    other(x[:1])
    assert np.abs(other(x) - model(x)).max() > 1e-3
    other.load_weights(tmp_path / "of.weights.h5")
    np.testing.assert_allclose(other(x), model(x), rtol=1e-6)


@pytest.mark.parametrize("explicit", [None, True])
@flows
def test_one_that_keras_does_not_see_is_an_error_in_training(make, explicit):
    x, model = np.ones((4, 2), np.float32), Density(make(), held=False, explicit=explicit)
    if explicit is None:
        model(x)  # Nothing trains.
    model.compile("adam", mean)
    with pytest.raises(ValueError, match=r"neither train nor save.*keras_layers"):
        model.fit(x, x, verbose=0)
