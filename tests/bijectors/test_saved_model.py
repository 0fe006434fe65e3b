"""A SavedModel of distributions and of models, in a process that knows nothing of this package."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp
from bijector_checks import made
from constructors import CONSTRUCTORS

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


def run_elsewhere(code, folder):
    """In a process of its own: from the `model` and `inputs.npz` in a folder to `results.npz`."""
    paths = [str(folder / name) for name in ("model", "inputs.npz", "results.npz")]
    process = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, cwd=folder)
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_a_saved_model_of_all_gives_the_same_elsewhere(tmp_path):
    """In a process that knows nothing of this package."""
    entries, inputs = CONSTRUCTORS, {}
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
    run_elsewhere(LOAD, tmp_path)
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


SERVE = """
import sys
import keras
import numpy as np
import tensorflow as tf

with np.load(sys.argv[2]) as file:
    events, condition = file["events"], file["condition"]
loaded, layer = tf.saved_model.load(sys.argv[1]), keras.layers.TFSMLayer(sys.argv[1])
results = {"layer": layer((events, condition))}
for dtype in ("uint8", "int64", "float32"):
    results[dtype] = loaded.serve((events.astype(dtype), condition))
np.savez(sys.argv[3], **results)
assert not [name for name in sys.modules if name.startswith("tfp_realnvp")]
"""


@pytest.mark.slow
def test_an_exported_pretrained_model_gives_the_same_elsewhere(tmp_path):
    model = rnvp.FlowModel.from_pretrained("digits")
    model.export(tmp_path / "model", verbose=False)
    events = np.random.default_rng(0).integers(0, 17, (5, 8, 8, 1)).astype(np.uint8)
    condition = np.eye(10, dtype=np.float32)[:5]
    np.savez(tmp_path / "inputs.npz", events=events, condition=condition)
    run_elsewhere(SERVE, tmp_path)
    with np.load(tmp_path / "results.npz") as results:
        for name, value in results.items():
            given = events.astype(np.float32) if name == "float32" else events
            desired = model.predict((given, condition), verbose=0)
            np.testing.assert_allclose(value, desired, rtol=1e-5, err_msg=name)
