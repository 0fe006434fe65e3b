"""A `FlowModel` as a part of another Keras model."""

import keras
import numpy as np
import pytest
from tiny_models import image_model, images


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
