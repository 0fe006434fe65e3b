"""Training by Keras's own means: every way to feed and to run `fit`, optimizers, freezing."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import KINDS, SHARED, Kind, assert_equal, scatter, values, vector_model, vectors, weights

import tfp_realnvp as rnvp

SIZE, BATCH, EPOCHS = 20, 8, 2  # The last batch is of 4.

kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
image, vector, conditional = (KINDS[name] for name in ("image", "vector", "conditional"))
vector_kinds = pytest.mark.parametrize("kind", [vector, conditional], ids=["vector", "conditional"])
mostly_conditional = pytest.mark.parametrize(
    "kind",
    [conditional, *(pytest.param(kind, marks=pytest.mark.slow) for kind in (image, vector))],
    ids=["conditional", "image", "vector"],
)
without_norm = Kind(lambda: vector_model(use_batch_norm=False), vectors)
"""Of which a batch's gradient is the mean of its events' gradients."""


class Batches(keras.utils.PyDataset):
    """The same batches as `fit` makes of arrays."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return -(-SIZE // BATCH)

    def __getitem__(self, index):
        return tuple(a[index * BATCH : (index + 1) * BATCH] for a in self.arrays)


def pair(x, y):
    return (x,) if y is None else (x, y)


def dataset(x, y):
    return tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(BATCH)


def fitted(kind, *data, optimizer=None, options=None, **kwargs):
    """A model, trained on arrays unless there are data, and its history."""
    model = kind.model(optimizer, **options) if optimizer or options else SHARED[kind].model()
    data = data or kind.data(SIZE)
    if hasattr(data[0], "shape"):
        kwargs = {"batch_size": BATCH, **kwargs}
    history = model.fit(*data, epochs=EPOCHS, shuffle=False, verbose=0, **kwargs).history
    return model, history


@pytest.fixture(scope="module")
def plain():
    """What each kind of model comes to, on arrays."""
    found = {}

    def plain(kind):
        if kind not in found:
            model, history = fitted(kind)
            found[kind] = weights(model), history
        return found[kind]

    return plain


def assert_same_training(model, history, plain, rtol=1e-5):
    """The difference allowed is rounding, in the order of sums (float32: 1e-7 each)."""
    desired_weights, desired = plain
    for name, of_epochs in desired.items():
        np.testing.assert_allclose(history[name], of_epochs, rtol=rtol, err_msg=name)
    assert_equal(weights(model), desired_weights, rtol=rtol, atol=1e-6)


FEEDS = {
    "tensors": lambda x, y: [tf.constant(a) for a in pair(x, y)],
    "dataset": lambda x, y: [dataset(x, y)],
    "dataset_of_tuples": lambda x, y: [tf.data.Dataset.from_tensor_slices(pair(x, y)).batch(BATCH)],
    "py_dataset": lambda x, y: [Batches(*pair(x, y))],
    "generator": lambda x, y: [(Batches(*pair(x, y))[i % 3] for i in range(3 * EPOCHS))],
}


@pytest.mark.parametrize("feed", FEEDS.values(), ids=FEEDS.keys())
@vector_kinds
def test_every_feed_gives_the_same_training(kind, feed, plain):
    desired = plain(kind)
    steps = {"steps_per_epoch": 3} if feed is FEEDS["generator"] else {}
    assert_same_training(*fitted(kind, *feed(*kind.data(SIZE)), **steps), desired)


WAYS = {
    "steps_per_execution": {"steps_per_execution": 2},
    "run_eagerly": {"run_eagerly": True},
    "jit_compile": {"jit_compile": True},
}
RUNS = {f"{k}-{w}": (KINDS[k], WAYS[w]) for k in KINDS for w in WAYS}
default_runs = "conditional-steps_per_execution", "conditional-run_eagerly", "vector-jit_compile"


@pytest.mark.parametrize(
    "kind, options",
    [
        pytest.param(*run, id=name, marks=[] if name in default_runs else [pytest.mark.slow])
        for name, run in RUNS.items()
    ],
)
def test_every_way_of_running_gives_the_same_training(kind, options, plain):
    assert_same_training(*fitted(kind, options=options), plain(kind))


nothing_to_train = pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
WEIGHTED = {
    "fit": lambda model, x, y, w: model.fit(x, y, batch_size=SIZE, sample_weight=w, verbose=0).history,
    "fit_dataset": lambda model, *data: (
        model.fit(tf.data.Dataset.from_tensors(data), shuffle=False, verbose=0).history
    ),
    "validation": lambda model, *data: {
        name.removeprefix("val_"): value
        for name, value in model.fit(*data[:2], validation_data=data, verbose=0).history.items()
    },
    "evaluate": lambda model, x, y, w: model.evaluate(
        x, y, batch_size=SIZE, sample_weight=w, verbose=0, return_dict=True
    ),
    "train_on_batch": lambda model, *data: model.train_on_batch(*data, return_dict=True),
    "test_on_batch": lambda model, *data: model.test_on_batch(*data, return_dict=True),
}


@nothing_to_train
@pytest.mark.parametrize(
    "kind, run_eagerly", [(vector, True), (conditional, False)], ids=["vector", "conditional"]
)
def test_sample_weights_weigh_the_loss_of_each_event(kind, run_eagerly):
    model = kind.model()
    model.trainable = False  # So that training mode and evaluation are the same.
    model.compile(run_eagerly=run_eagerly)
    x, y = kind.data(SIZE)
    w = np.linspace(0.0, 2.0, SIZE).astype(np.float32)
    log_prob = model.predict(x if y is None else (x, y), verbose=0)
    assert abs(np.mean(w * log_prob) - np.mean(log_prob)) > 0.1
    bits = rnvp.bits_per_dim(np.sum(w * log_prob) / w.sum(), (2,))
    for name, run in WEIGHTED.items():
        model.reset_metrics()
        logs = run(model, x, y, w)
        assert np.ravel(logs["loss"])[0] == pytest.approx(-np.mean(w * log_prob), rel=1e-5), name
        assert np.ravel(logs["bits_per_dim"])[0] == pytest.approx(bits, rel=1e-5), name


@mostly_conditional
def test_weights_of_one_are_no_weights(kind, plain):
    desired = plain(kind)
    assert_same_training(*fitted(kind, sample_weight=np.ones(SIZE, np.float32)), desired)


@mostly_conditional
def test_validation_is_evaluation_and_does_not_change_training(kind, plain):
    x, y = kind.data(SIZE)
    desired = plain(kind)
    validation = pair(x[::3], None if y is None else y[::3])
    model, history = fitted(kind, validation_data=validation if y is not None else validation[0])
    bits = [history.pop(name) for name in ("val_loss", "val_bits_per_dim")]
    assert_same_training(model, history, desired)
    evaluation = model.evaluate(*validation, verbose=0, return_dict=True)
    assert [b[-1] for b in bits] == pytest.approx([evaluation[n] for n in ("loss", "bits_per_dim")])


@vector_kinds
def test_validation_split_takes_the_last_events(kind):
    x, y = kind.data(SIZE)
    model, history = fitted(kind, x, y, batch_size=BATCH, validation_split=0.25)
    rest = pair(x[15:], None if y is None else y[15:])
    evaluation = model.evaluate(*rest, verbose=0, return_dict=True)
    assert history["val_loss"][-1] == pytest.approx(evaluation["loss"])
    first = pair(x[:15], None if y is None else y[:15])
    other = SHARED[kind].model()
    losses = other.fit(*first, batch_size=BATCH, epochs=EPOCHS, shuffle=False, verbose=0).history["loss"]
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-5)


@mostly_conditional
def test_on_batch_is_one_step_of_fit(kind, plain):
    desired = plain(kind)
    model = SHARED[kind].model()
    x, y = kind.data(SIZE)
    for _ in range(EPOCHS):
        for start in range(0, SIZE, BATCH):
            part = slice(start, start + BATCH)
            logs = model.train_on_batch(x[part], None if y is None else y[part], return_dict=True)
    assert_equal(weights(model), desired[0], rtol=1e-5, atol=1e-6)
    assert set(logs) == {"loss", "bits_per_dim"}
    inputs = x if y is None else (x, y)
    assert model.test_on_batch(x, y, return_dict=True) == pytest.approx(
        model.evaluate(x, y, batch_size=SIZE, verbose=0, return_dict=True)
    )
    np.testing.assert_allclose(
        model.predict_on_batch(inputs), model.predict(inputs, batch_size=BATCH, verbose=0), rtol=1e-5
    )


@vector_kinds
def test_evaluate_is_the_mean_of_predict(kind):
    model, _ = fitted(kind)
    x, y = kind.data(SIZE)
    log_prob = model.predict(x if y is None else (x, y), batch_size=BATCH, verbose=0)
    assert log_prob.shape == (SIZE,)
    for data in ((x, y), (dataset(x, y),)):
        kwargs = {"batch_size": BATCH} if len(data) == 2 else {}
        evaluation = model.evaluate(*data, verbose=0, return_dict=True, **kwargs)
        bits = rnvp.bits_per_dim(log_prob.mean(), x[0].shape)
        assert evaluation["bits_per_dim"] == pytest.approx(bits, rel=1e-5)
        assert evaluation["loss"] == pytest.approx(-log_prob.mean() + float(sum(model.losses)), rel=1e-5)


def rows_of_summary(model):
    """Number of parameters of each layer, and the totals, as `summary` prints them."""
    lines = []
    model.summary(print_fn=lines.append)
    lines = "\n".join(lines).splitlines()
    cells = [line.strip("│").split("│") for line in lines if "│" in line]
    rows = {row[0].split()[0]: int(row[-1].replace(",", "")) for row in cells if row[-1].strip()}
    totals = [line.split(":") for line in lines if " params:" in line]
    return rows, {name.strip(): int(n.split("(")[0].replace(",", "")) for name, n in totals}


def size_of(variables):
    return int(sum(np.prod(v.shape) for v in variables))


@kinds
def test_summary_counts_what_the_distribution_counts(kind):
    model = SHARED[kind].model()
    rows, totals = rows_of_summary(model)
    variables, trainable = model.distribution.variables, model.distribution.trainable_variables
    assert totals["Trainable params"] == size_of(trainable)
    assert totals["Non-trainable params"] == size_of(variables) - size_of(trainable) > 0
    assert model.count_params() == size_of(variables) == sum(rows.values())
    assert rows == {layer.name: size_of(layer.variables) for layer in model.layers}
    assert min(rows.values()) > 0


@kinds
def test_layers_are_found_by_name_and_by_index(kind):
    model = SHARED[kind].model()
    for i, layer in enumerate(model.layers):
        assert model.get_layer(layer.name) is model.get_layer(index=i) is layer
    found = {id(v._value) for layer in model.layers for v in layer.variables}
    assert found == {id(v) for v in model.distribution.variables}


@nothing_to_train
@kinds
def test_a_frozen_model_does_not_move(kind):
    model = kind.model()
    model.trainable = False
    model.compile(keras.optimizers.SGD(1e-2), run_eagerly=True)
    before = weights(model)
    model.fit(*kind.data(SIZE), batch_size=BATCH, verbose=0)
    assert_equal(weights(model), before)
    assert rows_of_summary(model)[1]["Trainable params"] == 0


@kinds
def test_a_frozen_layer_does_not_move_and_all_others_do(kind):
    model = kind.model()
    frozen = model.layers[2]  # Of the second coupling.
    frozen.trainable = False
    model.compile(keras.optimizers.SGD(1e-2), run_eagerly=kind is not conditional)
    before = {layer.name: values(layer.variables) for layer in model.layers}
    model.fit(*kind.data(SIZE), batch_size=BATCH, verbose=0)
    for layer in model.layers:
        moved = [np.abs(v - b).max() for v, b in zip(layer.variables, before[layer.name], strict=True)]
        assert (max(moved) == 0) == (layer is frozen), layer.name


@vector_kinds
def test_stop_training_ends_after_its_epoch(kind, plain):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    desired = plain(kind)[1]["loss"][:1]
    _, history = fitted(kind, callbacks=[Stop()])
    assert history["loss"] == pytest.approx(desired, rel=1e-5)


@pytest.fixture
def traces(monkeypatch):
    """Counts how often a flow is computed by Python: once for each trace."""
    count = {"inverse": 0, "forward": 0}

    def counted(name, method):
        def wrapper(*args):
            count[name] += 1
            return method(*args)

        return wrapper

    for name in count:
        method = f"_{name}_and_log_det"
        monkeypatch.setattr(rnvp.RealNVP, method, counted(name, getattr(rnvp.RealNVP, method)))
    return count


@mostly_conditional
def test_fit_is_traced_once(kind, traces):
    model = kind.model()
    x, y = kind.data(SIZE)
    traces["inverse"] = 0
    for n in (SIZE, SIZE - 1):
        model.fit(x[:n], None if y is None else y[:n], batch_size=BATCH, epochs=EPOCHS, verbose=0)
    assert traces["inverse"] == 1


@pytest.mark.parametrize("kind", [image, conditional], ids=["image", "conditional"])
def test_a_step_is_all_in_the_graph(kind):
    model = SHARED[kind].model()
    data = [tf.constant(value) for value in kind.data(BATCH) if value is not None]
    graph = tf.function(model.train_step).get_concrete_function(tuple(data)).graph.as_graph_def()
    nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
    assert not [node.op for node in nodes if "PyFunc" in node.op]
    formats = {node.attr["data_format"].s for node in nodes if node.op.startswith("Conv2D")}
    assert formats == ({b"NHWC"} if kind is KINDS["image"] else set())


METHODS = {
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "predict": lambda model, x, y: model.predict(x if y is None else (x, y), verbose=0),
    "encode": lambda model, x, y: model.encode(x, conditional_input=y),
    "decode": lambda model, x, y: model.decode(np.zeros_like(x), conditional_input=y),
    "sample": lambda model, x, y: model.sample(len(x), conditional_input=y),
}


def test_methods_are_traced_at_most_twice(traces):
    """For the first batch, and for a batch of any size."""
    model = conditional.model()
    for name, method in METHODS.items():
        traces.update(inverse=0, forward=0)
        for n in range(1, 7):
            method(model, *conditional.data(n))
        # Samples are decoded: their function has been traced before.
        assert (name != "sample") <= traces["inverse"] + traces["forward"] <= 2, name


def gradients(model, x):
    """The gradient of the loss, without Keras."""
    kwargs = rnvp.bijector_kwargs(model.distribution.bijector, training=True)
    variables = [v._value for v in model.trainable_variables]
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(model.distribution.log_prob(x, bijector_kwargs=kwargs))
    return values(tape.gradient(loss, variables))


def norm(arrays):
    return np.sqrt(sum(np.sum(a.astype(np.float64) ** 2) for a in arrays))


CLIPS = {
    "none": ({}, lambda gs: gs),
    "clipvalue": ({"clipvalue": 0.02}, lambda gs: [np.clip(g, -0.02, 0.02) for g in gs]),
    "clipnorm": ({"clipnorm": 0.02}, lambda gs: [g * min(1, 0.02 / norm([g])) for g in gs]),
    "global_clipnorm": ({"global_clipnorm": 0.02}, lambda gs: [g * min(1, 0.02 / norm(gs)) for g in gs]),
}


@pytest.mark.parametrize("clip, clipped", CLIPS.values(), ids=CLIPS.keys())
def test_gradients_are_clipped(clip, clipped):
    model = without_norm.model(keras.optimizers.SGD(1.0, **clip), run_eagerly=True)
    x = vectors(SIZE)
    before, steps = values(model.trainable_variables), clipped(gradients(model, x))
    model.fit(x, batch_size=SIZE, verbose=0)
    desired = [b - s for b, s in zip(before, steps, strict=True)]
    assert_equal(values(model.trainable_variables), desired, rtol=1e-5, atol=1e-6)


def adam_step(b, g):  # From zero moments: both corrected moments are the gradient's.
    return b - 1e-2 * g / (np.abs(g) + 1e-7)


FIRST_STEPS = {
    "SGD": ({"momentum": 0.9}, lambda b, g: b - 1e-2 * g),
    "RMSprop": ({"rho": 0.75}, lambda b, g: b - 1e-2 * g / np.sqrt(0.25 * g**2 + 1e-7)),
    "Adam": ({}, adam_step),
    "AdamW": ({"weight_decay": 0.1}, lambda b, g: adam_step(b * (1 - 1e-3), g)),
    "Lion": ({}, lambda b, g: b - 1e-2 * np.sign(g)),
}


@pytest.mark.parametrize("name", FIRST_STEPS)
def test_optimizers_take_their_step(name):
    options, step = FIRST_STEPS[name]
    model = without_norm.model(getattr(keras.optimizers, name)(1e-2, **options), run_eagerly=True)
    x = vectors(SIZE)
    before, slopes = values(model.trainable_variables), gradients(model, x)
    model.fit(x, batch_size=SIZE, verbose=0)
    desired = [step(b, g) for b, g in zip(before, slopes, strict=True)]
    # Adam divides two equal numbers: rounding of small gradients shows, but not beyond 1e-3 of a step.
    assert_equal(values(model.trainable_variables), desired, rtol=1e-5, atol=1e-5)


OTHERS = {
    "Adadelta": {"learning_rate": 1.0},
    "Adafactor": {"epsilon_1": 1e-12},  # The square of the default, 1e-30, is 0 in float32.
    "Adagrad": {},
    "Adamax": {},
    "Muon": {},
    "Nadam": {},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_optimizers_move_everything_downhill(name):
    if not hasattr(keras.optimizers, name):
        pytest.skip(f"This Keras has no {name}.")
    model = without_norm.model(getattr(keras.optimizers, name)(**{"learning_rate": 1e-2, **OTHERS[name]}))
    before = values(model.trainable_variables)
    losses = model.fit(vectors(SIZE), batch_size=SIZE, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for v, b in zip(model.trainable_variables, before, strict=True):
        assert np.abs(v - b).max() > 0, v.path


def test_momentum_adds_up():
    model = without_norm.model(keras.optimizers.SGD(1e-2, momentum=0.5), run_eagerly=True)
    x = vectors(SIZE)
    desired, velocity = values(model.trainable_variables), 0
    other = without_norm.model()
    for _ in range(3):
        for v, d in zip(other.trainable_variables, desired, strict=True):
            v.assign(d)
        slopes = gradients(other, x)
        velocity = [0.5 * v - 1e-2 * g for v, g in zip(velocity or [0] * len(slopes), slopes, strict=True)]
        desired = [d + v for d, v in zip(desired, velocity, strict=True)]
    model.fit(x, batch_size=SIZE, epochs=3, verbose=0)
    assert_equal(values(model.trainable_variables), desired, rtol=1e-5, atol=1e-6)


def test_a_learning_rate_schedule_is_followed():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [1e-2, 0.0])
    model = without_norm.model(keras.optimizers.SGD(schedule))
    once = without_norm.model(keras.optimizers.SGD(1e-2), run_eagerly=True)
    x = vectors(SIZE)
    model.fit(x, batch_size=BATCH, epochs=2, shuffle=False, verbose=0)  # Steps 0 and 1 are at 1e-2.
    once.fit(x[: 2 * BATCH], batch_size=BATCH, shuffle=False, verbose=0)
    assert_equal(weights(model), weights(once), rtol=1e-5, atol=1e-6)
    assert int(model.optimizer.iterations) == 6


def test_two_accumulated_halves_are_one_batch():
    """Without batch norm, whose statistics are those of the half."""
    x = vectors(16)
    once = without_norm.model(keras.optimizers.SGD(1e-1), run_eagerly=True)
    once.fit(x, batch_size=16, epochs=3, shuffle=False, verbose=0)
    halves = without_norm.model(keras.optimizers.SGD(1e-1, gradient_accumulation_steps=2))
    before = weights(halves)
    halves.fit(x, batch_size=8, epochs=3, shuffle=False, verbose=0)
    assert np.abs(weights(halves)[-1] - before[-1]).max() > 1e-3
    assert_equal(weights(halves), weights(once), rtol=1e-5, atol=1e-6)


class Record(keras.callbacks.Callback):
    """The trainable variables after each step."""

    def on_train_begin(self, logs=None):
        self.steps = []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(values(self.model.trainable_variables))


@pytest.mark.parametrize("kind", [vector, without_norm], ids=["batch_norm", "no_batch_norm"])
def test_fit_ends_at_the_exponential_averages(kind):
    model = kind.model(keras.optimizers.SGD(1e-2, use_ema=True, ema_momentum=0.5))
    record = Record()
    model.fit(vectors(SIZE), batch_size=BATCH, epochs=2, shuffle=False, verbose=0, callbacks=[record])
    average = record.steps[0]
    for step in record.steps[1:]:
        average = [0.5 * a + 0.5 * s for a, s in zip(average, step, strict=True)]
    assert np.abs(average[0] - record.steps[-1][0]).max() > 1e-5
    assert_equal(values(model.trainable_variables), average, rtol=1e-5, atol=1e-7)


def test_each_variable_is_regularised_once():
    """`l2` is the factor of the sum of squares of the weight scales, in `fit` and by hand."""
    model = KINDS["image"].model()
    scatter(model)
    scales = [v for v in model.trainable_variables if v.name in ("magnitude", "rescaling_scale")]
    desired = 5e-5 * sum(np.sum(np.square(v)) for v in scales)
    assert desired > 0
    np.testing.assert_allclose(float(sum(model.losses)), desired, rtol=1e-5)
    before = values(scales)
    x = KINDS["image"].events(SIZE)
    slopes = dict(zip(map(id, model.trainable_variables), gradients(model, x), strict=True))
    state = weights(model)
    model.compile(
        keras.optimizers.SGD(1e3), run_eagerly=True
    )  # The L2 term moves a scale by a tenth of itself.
    for v, s in zip(model.distribution.variables, state, strict=True):
        v.assign(s)
    model.fit(x, batch_size=SIZE, verbose=0)
    for v, b in zip(scales, before, strict=True):
        np.testing.assert_allclose((b - v) / 1e3 - slopes[id(v)], 2 * 5e-5 * b, rtol=2e-2, atol=1e-6)


def test_the_signatures_are_keras_s():
    for name in ("fit", "evaluate"):
        ours, keras_s = (getattr(cls, name) for cls in (rnvp.FlowModel, keras.Model))
        assert inspect.signature(ours) == inspect.signature(keras_s)
    model = vector_model()
    model.compile("sgd", None, None, None, run_eagerly=True)
    x = np.ones((8, 2), np.float32)
    weights = np.arange(8, dtype=np.float32)
    history = model.fit(x, None, 8, 1, 0, None, 0.0, (x, None, weights)).history
    assert set(history) >= {"val_loss", "val_bits_per_dim"}
    positional = model.evaluate(x, None, 8, 0, weights)
    np.testing.assert_allclose(positional, model.evaluate(x, sample_weight=weights, verbose=0), rtol=1e-6)
    assert abs(positional[0] - model.evaluate(x, verbose=0)[0]) > 1e-3
