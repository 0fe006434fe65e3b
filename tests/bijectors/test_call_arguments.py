"""Conditions and the training mode reach the right members, and nobody else."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from constructors import each

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

WRAPPERS = {
    "chain": lambda b: tfb.Chain([tfb.Identity(), b]),
    "chain_of_chains": lambda b: tfb.Chain([tfb.Chain([tfb.Identity(), rnvp.Chain([b])], name="inner")]),
    "invert": lambda b: tfb.Invert(tfb.Chain([tfb.Invert(b)])),
    "our_chain": lambda b: rnvp.Chain([tfb.Chain([b]), tfb.Identity()]),
}
wrapped = pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS.keys())


class Recording(tf.Module):
    """A conditioner of 4 dimensions that notes what it was called with."""

    def __init__(self, name):
        super().__init__(name=name)
        self.calls = []

    def note(self, **kwargs):
        self.calls.append(kwargs)


class Conditional(Recording):
    def __call__(self, x, conditional_input, training):
        self.note(conditional_input=conditional_input.numpy().tolist(), training=training)
        return x, 0.0 * x


class Unconditional(Recording):
    def __call__(self, x, training):
        self.note(training=training)
        return x, 0.0 * x


def coupling(conditioner):
    return rnvp.AffineCoupling(rnvp.channel_mask((4,)), conditioner, name=conditioner.name)


@each(["coupling_conditional", "real_nvp_vector_conditional"])
@wrapped
def test_a_condition_reaches_every_conditional_flow(entry, wrap):
    bijector, condition = entry.bijector(), entry.kwargs((3,))["conditional_input"]
    composed = wrap(bijector)
    z = entry.data((3,))
    kwargs = rnvp.bijector_kwargs(composed, conditional_input=condition)
    x = composed.forward(z, **kwargs)
    np.testing.assert_allclose(x, bijector.forward(z, conditional_input=condition), atol=1e-12)
    other = rnvp.bijector_kwargs(composed, conditional_input=condition[::-1])
    assert np.abs(composed.forward(z, **other) - x).max() > 1e-6
    for call in (composed.forward, composed.inverse):
        with pytest.raises(ValueError, match="conditional"):
            call(tf.identity(z))
        # A stock chain drops names it does not know.
        with pytest.raises((ValueError, TypeError), match=r"conditional|nobody"):
            call(tf.identity(z), nobody={"conditional_input": condition})


@wrapped
def test_each_member_gets_what_it_takes(wrap):
    a, b, c = Conditional("a"), Unconditional("b"), Conditional("c")
    inner = rnvp.Chain([coupling(b), tfb.Exp(), coupling(c)], name="bc")
    composed = wrap(tfb.Chain([coupling(a), tfb.Scale(2.0), inner], name="abc"))
    y = tf.ones([1, 4])
    condition = tf.constant([[7.0]])
    composed.forward(y, **rnvp.bijector_kwargs(composed, training=True, conditional_input=condition))
    assert a.calls == c.calls == [{"conditional_input": [[7.0]], "training": True}]
    assert b.calls == [{"training": True}]


def test_the_tree_names_what_takes_arguments():
    a, b = coupling(Conditional("a")), coupling(Unconditional("b"))
    tree = rnvp.bijector_kwargs(tfb.Chain([a, tfb.Chain([b, tfb.Exp()], name="inner")]), True, 1.0)
    assert tree == {"a": {"training": True, "conditional_input": 1.0}, "inner": {"b": {"training": True}}}
    assert rnvp.bijector_kwargs(tfb.Chain([a, b])) == {}


def test_joint_map():
    a, b = Conditional("a"), Unconditional("b")
    joint = tfb.JointMap([coupling(a), coupling(b)])
    kwargs = rnvp.bijector_kwargs(joint, training=False, conditional_input=tf.constant([[1.0]]))
    joint.forward([tf.ones([1, 4]), tf.ones([1, 4])], **kwargs)
    assert (len(a.calls), len(b.calls)) == (1, 1)
    assert a.calls[0]["conditional_input"] == [[1.0]]


@pytest.mark.parametrize("explicit", [None, False, True])
@pytest.mark.parametrize("context", [None, False, True])
@wrapped
def test_training_follows_keras_unless_it_is_given(explicit, context, wrap):
    conditioner = Unconditional("a")
    composed = wrap(coupling(conditioner))

    class Model(keras.Model):
        def call(self, x):
            return composed.forward(x, **rnvp.bijector_kwargs(composed, training=explicit))

    x = tf.ones([1, 4])
    composed.forward(x, **rnvp.bijector_kwargs(composed, training=explicit)) if context is None else Model()(
        x, training=context
    )
    assert conditioner.calls == [{"training": bool(context) if explicit is None else explicit}]
