"""Wrong shapes raise the same ValueError of one line, whatever shapes have come before."""

import numpy as np
import pytest
import tensorflow as tf
from tiny_models import conditional_model, conditions, vectors

import tfp_realnvp as rnvp

ONE_HOT = "needs a `conditional_input` of shape .*Classes are to be one-hot"
BATCH = "must have, or broadcast to, the batch axes of the events"
EVENTS = r"`events` must be of shape \[batch, "
x, bad_x, bad_condition = vectors(5), np.ones((5, 3), np.float32), np.ones((5, 4), np.float32)
CALLS = {
    "encode": (lambda m: m.encode(x, bad_condition), ONE_HOT),
    "encode, no axis": (lambda m: m.encode(x, np.ones(5, np.float32)), ONE_HOT),
    "encode, batch": (lambda m: m.encode(x, conditions(3)), BATCH),
    "encode, events": (lambda m: m.encode(bad_x, conditions(5)), EVENTS),
    "decode": (lambda m: m.decode(x, conditions(3)), BATCH),
    "sample": (lambda m: m.sample(5, conditional_input=bad_condition), ONE_HOT),
    "sample, batch": (lambda m: m.sample(4, conditional_input=conditions(5)), BATCH),
    "predict": (lambda m: m.predict((x, bad_condition), verbose=0), ONE_HOT),
    "predict, events": (lambda m: m.predict((bad_x, conditions(5)), verbose=0), EVENTS),
    "evaluate": (lambda m: m.evaluate(x, bad_condition, verbose=0), ONE_HOT),
    "fit": (lambda m: m.fit(x, bad_condition, verbose=0), ONE_HOT),
    "fit, events": (lambda m: m.fit(bad_x, conditions(5), verbose=0), EVENTS),
}


@pytest.fixture(scope="module")
def model():
    """A model whose functions have met events and conditions of several shapes."""
    model = conditional_model()
    model.compile()
    for n in (2, 3, 4):
        model.decode(model.encode(vectors(n), conditions(n)), conditions(n))
        model.predict((vectors(n), conditions(n)), verbose=0)
    return model


@pytest.mark.parametrize(("call", "message"), CALLS.values(), ids=CALLS)
def test_a_wrong_shape_after_others(model, call, message):
    with pytest.raises(ValueError, match=message) as raised:
        call(model)
    assert "\n" not in str(raised.value)


def test_a_single_event_is_not_cut_up(model):
    sample = model.sample((), seed=0, conditional_input=conditions(1)[0])
    assert sample.shape == (2,)
    alike = model.sample((), seed=0, conditional_input=conditions(1)[0], batch_size=1)
    np.testing.assert_array_equal(sample, alike)
    np.testing.assert_allclose(
        model.encode(sample, conditions(1)[0], batch_size=1), model.encode(sample, conditions(1)[0])
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: rnvp.BatchNormalization((3,)),
        lambda: rnvp.AffineCoupling(rnvp.channel_mask((3,)), lambda x: (x, x)),
        lambda: rnvp.RealNVP((3,), num_couplings=2, hidden_units=(2,)),
    ],
    ids=["batch_norm", "coupling", "flow"],
)
def test_sides_that_are_not_known_before_are_checked_as_the_graph_runs(make):
    """Values of one dimension would broadcast to three, without a word."""
    bijector = make()
    inverse = tf.function(bijector.inverse, input_signature=[tf.TensorSpec([None, None])])
    assert inverse(tf.ones([2, 3])).shape == (2, 3)
    with pytest.raises(tf.errors.InvalidArgumentError):
        inverse(tf.ones([2, 1]))
