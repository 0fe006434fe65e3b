"""Copies, pickles, checkpoints and SavedModels of bijectors, of chains and of distributions."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import condition, every, made
from constructors import CONSTRUCTORS, HEAVY

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

LOAD = """
import sys
import numpy as np
import tensorflow as tf

inputs, results = np.load(sys.argv[2]), {}
module = tf.saved_model.load(sys.argv[1])
for name in module.log_prob:
    given = {k.split("/")[1]: tf.constant(v) for k, v in inputs.items() if k.split("/")[0] == name}
    condition = [given["condition"]] if "condition" in given else []
    results[name + "/log_prob"] = module.log_prob[name](given["x"], *condition)
    results[name + "/sample"] = module.sample[name](given["size"], given["seed"], *condition)
    results[name + "/variables"] = len(module.distributions[name].all_variables)
np.savez(sys.argv[3], **results)
assert not [name for name in sys.modules if name.startswith("tfp_realnvp")]
"""


def distribution(entry, bijector):
    base = tfd.Sample(tfd.Normal(tf.zeros([], tf.float64), 1.5), entry.event_shape)
    return tfd.TransformedDistribution(base, bijector)


class Exported(tf.Module):
    """The distributions of entries, each with its two functions of batches of any size."""

    def __init__(self, entries):
        self.distributions, self.log_prob, self.sample = {}, {}, {}
        for name, entry in entries.items():
            td = distribution(entry, made(entry))
            holder = tf.Module()
            holder.distribution, holder.all_variables = td, list(td.variables)
            self.distributions[name] = holder
            self.log_prob[name], self.sample[name] = functions(entry, td)


def functions(entry, td):
    x = tf.TensorSpec([None, *td.event_shape], tf.float64)
    size, seed = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)
    conditions = []
    if entry.conditional_event_shape is not None:
        conditions.append(tf.TensorSpec([None, *entry.conditional_event_shape], tf.float64))

    def kwargs(condition):
        return {"bijector_kwargs": {"conditional_input": condition[0]} if condition else {}}

    return (
        tf.function(lambda x, *c: td.log_prob(x, **kwargs(c)), input_signature=[x, *conditions]),
        tf.function(
            lambda n, seed, *c: td.sample(n, seed=seed, **kwargs(c)),
            input_signature=[size, seed, *conditions],
        ),
    )


@pytest.mark.parametrize("heavy", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_saved_model_of_all_gives_the_same_elsewhere(heavy, tmp_path):
    """In a process that knows nothing of this package."""
    entries = {name: entry for name, entry in CONSTRUCTORS.items() if (name in HEAVY) == heavy}
    inputs = {}
    for name, entry in entries.items():
        kwargs = entry.kwargs((3,))
        inputs[name + "/x"] = made(entry).forward(entry.data((3,)), **kwargs)
        inputs[name + "/size"] = np.int32(3)
        inputs[name + "/seed"] = np.array([1, 2], np.int32)
        if kwargs:
            inputs[name + "/condition"] = kwargs["conditional_input"]
    np.savez(tmp_path / "inputs.npz", **inputs)
    exported = Exported(entries)
    tf.saved_model.save(exported, tmp_path / "model")
    paths = [str(tmp_path / name) for name in ("model", "inputs.npz", "results.npz")]
    process = subprocess.run(
        [sys.executable, "-c", LOAD, *paths], capture_output=True, text=True, cwd=tmp_path
    )
    assert process.returncode == 0, process.stderr
    with np.load(tmp_path / "results.npz") as file:
        results = dict(file)
    for name, entry in entries.items():
        td, kwargs = exported.distributions[name].distribution, {"bijector_kwargs": entry.kwargs((3,))}
        log_prob = td.log_prob(tf.constant(inputs[name + "/x"]), **kwargs)
        drawn = td.sample(3, seed=tf.constant([1, 2]), **kwargs)
        for what, expected in (("log_prob", log_prob), ("sample", drawn)):
            np.testing.assert_allclose(
                results[f"{name}/{what}"], expected, atol=1e-9, rtol=1e-9, err_msg=name
            )
        assert results[name + "/variables"] == len(td.variables), name


COMPOSITIONS = {  # Each with the direction that is the entry's `forward`.
    "stock_chain": (lambda b: tfb.Chain([tfb.Shift(tf.constant(0.5, tf.float64)), b]), "forward"),
    "our_chain": (lambda b: rnvp.Chain([tfb.Invert(tfb.Chain([tfb.Invert(b)]))]), "forward"),
    "inverted": (tfb.Invert, "inverse"),
}


@every
@pytest.mark.parametrize("compose, direction", COMPOSITIONS.values(), ids=COMPOSITIONS.keys())
def test_copies_and_pickles_of_compositions(entry, compose, direction):
    bijector = compose(made(entry))
    kwargs = rnvp.bijector_kwargs(bijector, conditional_input=condition(entry, (3,)))

    def values(b):
        log_det = getattr(b, f"{direction}_log_det_jacobian")
        ndims = len(entry.event_shape)
        return getattr(b, direction)(entry.data((3,)), **kwargs), log_det(entry.data((3,)), ndims, **kwargs)

    expected = values(bijector)
    for other in (copy.deepcopy(bijector), pickle.loads(pickle.dumps(bijector))):
        assert type(other) is type(bijector)
        assert len(other.variables) == len(bijector.variables)
        assert len(other.trainable_variables) == len(bijector.trainable_variables)
        assert not {id(v) for v in other.variables} & {id(v) for v in bijector.variables}
        for a, b in zip(values(other), expected, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_copy_trains_apart_from_its_original():
    entry = CONSTRUCTORS["real_nvp_vector"]
    original = entry.bijector()
    for other in (copy.deepcopy(tfb.Chain([original])), pickle.loads(pickle.dumps(original))):
        before = original.forward(entry.data((3,)))
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(other.forward(entry.data((3,))) ** 2)
        for v, g in zip(
            other.trainable_variables, tape.gradient(loss, other.trainable_variables), strict=True
        ):
            v.assign_sub(0.1 * g)
        np.testing.assert_array_equal(original.forward(entry.data((3,))), before)
        assert np.abs(other.forward(entry.data((3,))) - before).max() > 1e-3


def with_variables_around(entry, bijector):
    loc, shift = tf.Variable(0.5, dtype=tf.float64), tf.Variable(-0.5, dtype=tf.float64)
    chain = tfb.Chain([tfb.Shift(shift), rnvp.Chain([tfb.Invert(tfb.Invert(bijector))])])
    return tfd.TransformedDistribution(tfd.Sample(tfd.Normal(loc, 1.0), entry.event_shape), chain)


WRAPPED = {
    "chain": lambda entry, b: tfb.Chain([tfb.Identity(), b]),
    "distribution_of_chain": with_variables_around,
}


@every
@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED.keys())
def test_a_checkpoint_of_what_holds_a_bijector(entry, wrap, tmp_path):
    held, fresh = wrap(entry, entry.bijector()), wrap(entry, entry.make("float64"))
    for v in held.variables:
        v.assign_add(tf.fill(v.shape, tf.constant(0.01, v.dtype)))
    path = tf.train.Checkpoint(held=held).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(held=fresh).restore(path).assert_consumed()
    assert len(held.variables) == len(fresh.variables)
    for a, b in zip(held.variables, fresh.variables, strict=True):
        assert a is not b
        np.testing.assert_array_equal(a, b)
