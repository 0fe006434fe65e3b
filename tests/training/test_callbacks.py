"""Each of Keras's callbacks has its effect on a model."""

import csv
import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import (
    KINDS,
    SHARED,
    Kind,
    Shared,
    assert_equal,
    image_model,
    images,
    scatter,
    values,
    weights,
)

import tfp_realnvp as rnvp
from tfp_realnvp.analysis.image_grid import image_grid
from tfp_realnvp.training.callbacks import (
    AveragedWeights,
    BestWeights,
    EpochCSV,
    SampleGrid,
    StopAfter,
    optional,
)

SIZE, BATCH = 20, 8
vector = KINDS["vector"]
shared = SHARED[vector].model
averaging = Shared(vector, lambda: keras.optimizers.SGD(1e-2, use_ema=True, ema_momentum=0.5)).model
x = vector.events(SIZE)


class Record(keras.callbacks.Callback):
    """Weights and learning rate at the end of each epoch, as the callbacks before it leave them."""

    def on_train_begin(self, logs=None):
        self.weights, self.trainable, self.batches = [], [], 0

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(weights(self.model))
        self.trainable.append(values(self.model.trainable_variables))


def fit(model, *callbacks, epochs=5, data=x, **kwargs):
    """The history of a training with these callbacks, and a record."""
    record = Record()
    history = model.fit(
        data,
        validation_data=data,
        epochs=epochs,
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        callbacks=[record, *callbacks],
        **kwargs,
    )
    return history.history, record


def better_until_epoch_2():
    """Descends in epochs 0 to 2, and climbs from then on."""
    return keras.callbacks.LearningRateScheduler(lambda epoch: 1e-2 if epoch <= 2 else -0.2)


@pytest.mark.parametrize("name", ["best.weights.h5", "best.keras"])
def test_model_checkpoint_keeps_the_best(name, tmp_path):
    path, whole = tmp_path / name, name.endswith(".keras")
    checkpoint = keras.callbacks.ModelCheckpoint(
        path, monitor="val_bits_per_dim", mode="min", save_best_only=True, save_weights_only=not whole
    )
    history, record = fit(shared(), better_until_epoch_2(), checkpoint)
    assert np.argmin(history["val_bits_per_dim"]) == 2
    if whole:
        model = keras.models.load_model(path)
    else:
        model = vector.make()
        model.load_weights(path)
        model.compile(run_eagerly=True)
    assert_equal(weights(model), record.weights[2])
    bits = model.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"]
    assert bits == pytest.approx(min(history["val_bits_per_dim"]), rel=1e-6)


def test_model_checkpoint_of_every_epoch(tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}_{val_bits_per_dim:.3f}.weights.h5", save_weights_only=True
    )
    history, record = fit(shared(), checkpoint, epochs=3)
    for epoch, bits in enumerate(history["val_bits_per_dim"]):
        model = vector.make()
        model.load_weights(tmp_path / f"{epoch + 1}_{bits:.3f}.weights.h5")
        assert_equal(weights(model), record.weights[epoch])


def test_early_stopping_restores_the_best_weights():
    stopping = keras.callbacks.EarlyStopping(
        monitor="val_bits_per_dim", mode="min", patience=2, restore_best_weights=True
    )
    model = shared()
    history, record = fit(model, better_until_epoch_2(), stopping, epochs=9)
    assert len(history["loss"]) == 5 and stopping.best_epoch == 2
    assert_equal(weights(model), record.weights[2])
    moving = [i for i, v in enumerate(model.distribution.variables) if not v.trainable]
    assert moving and all(np.any(record.weights[2][i] != record.weights[4][i]) for i in moving)


def test_reduce_lr_on_plateau_reduces_it():
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", patience=1, factor=0.0, min_delta=100.0)
    history, record = fit(shared(), plateau, epochs=4)
    assert history["learning_rate"] == pytest.approx([1e-3, 1e-3, 0, 0])
    assert np.any(record.trainable[0][0] != record.trainable[1][0])
    assert_equal(record.trainable[3], record.trainable[1])


def test_learning_rate_scheduler_sets_it():
    scheduler = keras.callbacks.LearningRateScheduler(lambda epoch: [1e-3, 0.0, 1e-3][epoch])
    history, record = fit(shared(), scheduler, epochs=3)
    assert history["learning_rate"] == pytest.approx([1e-3, 0, 1e-3])
    assert_equal(record.trainable[1], record.trainable[0])
    assert np.any(record.trainable[2][0] != record.trainable[1][0])


@pytest.mark.parametrize(
    "options",
    [
        {},
        *(
            pytest.param(o, marks=pytest.mark.slow)
            for o in ({"jit_compile": True}, {"steps_per_execution": 2})
        ),
    ],
    ids=str,
)
def test_terminate_on_nan_stops(options):
    bad = x.copy()
    bad[BATCH + 1] = np.nan  # In the second batch.
    model = vector.model(**options) if options else shared()
    history, record = fit(model, keras.callbacks.TerminateOnNaN(), data=bad)
    assert len(history["loss"]) == 1
    assert record.batches == (1 if options.get("steps_per_execution") else 2)
    model = vector.model(**options) if options else shared()
    history, _ = fit(model, keras.callbacks.TerminateOnNaN(), epochs=2)
    assert len(history["loss"]) == 2


def test_csv_logger_writes_the_history(tmp_path):
    model = shared()
    history, _ = fit(model, keras.callbacks.CSVLogger(tmp_path / "log.csv"), epochs=3)
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == {"epoch", *history}
    assert {"loss", "bits_per_dim", "val_loss", "val_bits_per_dim"} <= set(history)
    for name, of_epochs in history.items():
        assert [float(row[name]) for row in rows] == pytest.approx(of_epochs, rel=1e-6)


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


def integer_images():
    flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=0, base_filters=2)
    return rnvp.FlowModel(rnvp.image_distribution(flow, num_levels=16), seed=3)


@pytest.mark.parametrize(
    "make, data",
    [
        pytest.param(vector.make, x, id="floats"),
        pytest.param(integer_images, images(SIZE).astype(np.uint8), id="dequantised", marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_training_ends_as_an_uninterrupted_one(make, data, tmp_path):
    """Weights, moving statistics, Adam's moments and the noise go on where they were."""
    model = Shared(Kind(make, None), lambda: keras.optimizers.Adam(1e-2)).model
    ends = []
    for interrupted in (False, True):
        backup = [keras.callbacks.BackupAndRestore(tmp_path)] if interrupted else []
        if interrupted:
            with pytest.raises(KeyboardInterrupt):
                fit(model(), *backup, Interrupt(2), epochs=4, data=data)
        restarted = model()
        if interrupted:  # Whatever its weights are, those of the backup count.
            scatter(restarted, seed=1)
        history, _ = fit(restarted, *backup, epochs=4, data=data)
        ends.append((history, weights(restarted), values(restarted.optimizer.variables)))
    (whole, *desired), (rest, *actual) = ends
    assert len(rest["loss"]) == 2
    for name, of_epochs in rest.items():
        assert of_epochs == pytest.approx(whole[name][2:], rel=1e-6), name
    for a, d in zip(actual, desired, strict=True):
        assert_equal(a, d, rtol=1e-5, atol=1e-6)


def test_swap_ema_weights_validates_the_averages():
    class Averages(keras.callbacks.Callback):
        """Averages of our own, of the weights which training moves."""

        def on_train_begin(self, logs=None):
            self.average = None

        def on_train_batch_end(self, batch, logs=None):
            now = values(self.model.trainable_variables)
            old = self.average or now
            self.average = [0.5 * o + 0.5 * n for o, n in zip(old, now, strict=True)]

        def on_test_begin(self, logs=None):
            self.validated = values(self.model.trainable_variables)

    model = averaging()
    averages = Averages()
    history, record = fit(model, keras.callbacks.SwapEMAWeights(swap_on_epoch=True), averages, epochs=3)
    assert_equal(averages.validated, averages.average, rtol=1e-5, atol=1e-7)
    assert np.abs(averages.average[0] - record.trainable[-1][0]).max() > 1e-5
    assert_equal(values(model.trainable_variables), averages.average, rtol=1e-5, atol=1e-7)
    bits = model.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"]
    assert history["val_bits_per_dim"][-1] == pytest.approx(bits, rel=1e-6)


def test_averaged_weights_have_moving_statistics_of_their_own():
    class Validated(keras.callbacks.Callback):
        """What is validated in the last epoch."""

        def on_test_begin(self, logs=None):
            self.weights = self.model.get_weights()

    def trained(*callbacks):
        model = averaging()
        history, record = fit(model, *callbacks, epochs=3)
        return history, record.weights[-1]

    validated = Validated()
    batches = tf.data.Dataset.from_tensor_slices(x).batch(BATCH)
    history, of_training = trained(AveragedWeights(batches, steps=2), validated)
    plain, expected = trained(keras.callbacks.SwapEMAWeights())
    assert_equal(of_training, expected, rtol=0, atol=0)
    assert history["loss"] == plain["loss"] and history["val_loss"] != plain["val_loss"]
    averages = vector.make()
    averages.set_weights(validated.weights)
    averages.recalibrate(batches, steps=2)
    assert_equal(averages.get_weights(), validated.weights)
    averages.compile(run_eagerly=True)
    bits = averages.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"]
    assert history["val_bits_per_dim"][-1] == pytest.approx(bits, rel=1e-6)


def test_tensor_board_gets_scalars_and_a_histogram_of_every_weight(tmp_path):
    model = shared()
    board = keras.callbacks.TensorBoard(tmp_path, histogram_freq=1, write_graph=True)
    history, _ = fit(model, board, epochs=2)
    found = {}
    for path in tmp_path.rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault((path.parent.name, value.tag), []).append(tf.make_ndarray(value.tensor))
    for run, prefix in (("train", ""), ("validation", "val_")):
        for name in ("loss", "bits_per_dim"):
            assert found[run, f"epoch_{name}"] == pytest.approx(history[prefix + name], rel=1e-6)
    for v in model.weights:
        first, last = found["train", f"{v.path}/histogram"]
        assert first[:, 2].sum() == last[:, 2].sum() == np.prod(v.shape)  # Counts of the buckets.
        lowest, highest = last[0, 0], last[-1, 1]
        assert lowest == pytest.approx(np.min(v), abs=1e-6) and highest == pytest.approx(np.max(v), abs=1e-6)


@pytest.mark.parametrize("conditional", [pytest.param(False, marks=pytest.mark.slow), True])
def test_sample_grid_draws_every_n_epochs(conditional, tmp_path):
    model = image_model(conditional_event_shape=(3,) if conditional else None)
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    condition = np.eye(3, dtype=np.float32)
    drawn = {"rows": 2, "columns": 3, "temperature": 0.5, "seed": 4}
    drawn |= {"conditional_input": condition} if conditional else {}
    grid = SampleGrid(tmp_path / "samples", 2, num_levels=16, log_dir=tmp_path / "log", **drawn)
    classes = {"y": condition[np.arange(BATCH) % 3]} if conditional else {}
    model.fit(images(BATCH), **classes, batch_size=BATCH, epochs=5, verbose=0, callbacks=[grid])
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["epoch_0002.png", "epoch_0004.png"]
    pictures = [keras.utils.img_to_array(keras.utils.load_img(tmp_path / "samples" / n)) for n in names]
    assert np.any(pictures[0] != pictures[1])  # The same latents, other weights.
    (path,) = (tmp_path / "log").glob("events*")
    logged = [
        (event.step, tf.io.decode_png(tf.make_ndarray(value.tensor)[2]).numpy())
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    ]
    assert [step for step, _ in logged] == [1, 3]
    factor = pictures[1].shape[1] // logged[1][1].shape[1]
    np.testing.assert_allclose(pictures[1][::factor, ::factor], logged[1][1], atol=1)


def test_sample_grid_shows_what_the_model_draws(tmp_path):
    model = image_model()
    model.compile(keras.optimizers.Adam(1e-2), run_eagerly=True)
    grid = SampleGrid(tmp_path, num_levels=16, rows=1, columns=3, seed=7)
    model.fit(images(BATCH), verbose=0, callbacks=[grid])
    expected = image_grid(model.sample(3, seed=7)[None], num_levels=16)
    picture = keras.utils.img_to_array(keras.utils.load_img(tmp_path / "epoch_0001.png")) / 255
    factor = picture.shape[1] // expected.shape[1]
    np.testing.assert_allclose(picture[::factor, ::factor], expected, atol=0.003)


class Failing(keras.callbacks.Callback):
    """Raises an error wherever Keras calls it."""

    def __init__(self, error):
        super().__init__()
        self.error, self.calls = error, 0

    def fail(self, *args, **kwargs):
        self.calls += 1
        raise self.error

    set_model = on_train_begin = on_epoch_end = on_train_batch_end = on_test_end = on_train_end = fail


def test_training_goes_on_where_something_optional_fails(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    failing = Failing(OSError("No space left on device\nmore of it"))
    log_dir = str(tmp_path / "file" / "log")
    grids = [
        SampleGrid(tmp_path / "file", num_levels=16, rows=1, columns=2, log_dir=log_dir),
        SampleGrid(tmp_path / "vectors", rows=1, columns=2),  # What the model draws are no images.
    ]
    model = shared()
    history, _ = fit(
        model, optional(failing), optional(keras.callbacks.TensorBoard(log_dir)), *grids, epochs=2
    )
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all() and failing.calls > 6
    told = [record.getMessage() for record in caplog.records]
    assert told.count("Failing failed, training goes on: No space left on device") == 1
    assert len(told) == 5 and not any("\n" in line for line in told)  # Two of the first picture.
    assert sum(line.startswith("SampleGrid failed, training goes on: `images` must be") for line in told) == 2
    assert sum(line.startswith("TensorBoard failed, training goes on") for line in told) == 1


def test_an_interrupt_ends_training_in_what_is_optional_too():
    with pytest.raises(KeyboardInterrupt):
        fit(shared(), optional(Failing(KeyboardInterrupt())), epochs=1)


def test_lambda_callback_sees_what_history_keeps():
    seen = {"batches": [], "epochs": [], "end": []}
    hooks = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen["batches"].append(batch),
        on_epoch_end=lambda epoch, logs: seen["epochs"].append(dict(logs)),
        on_train_end=lambda logs: seen["end"].append(dict(logs)),
    )
    own = keras.callbacks.History()
    model = shared()
    history, _ = fit(model, hooks, own, epochs=2)
    assert seen["batches"] == [0, 1, 2] * 2
    assert {name: [logs[name] for logs in seen["epochs"]] for name in history} == history
    assert seen["end"] == seen["epochs"][-1:]
    assert model.history.history == own.history == history and own.epoch == [0, 1]


def rising(epoch):
    return 1e-2 if epoch <= 2 else -0.2


@pytest.mark.parametrize("averages", [False, True])
def test_best_weights_are_those_that_validation_saw(averages, tmp_path):
    path = tmp_path / "best.weights.h5"
    scheduler = keras.callbacks.LearningRateScheduler(rising)
    swap = [keras.callbacks.SwapEMAWeights()] if averages else []
    model = averaging() if averages else shared()
    history, _ = fit(model, scheduler, BestWeights(path), *swap, epochs=6)
    bits = history["val_bits_per_dim"]
    assert 1 <= np.argmin(bits) < 5
    best = vector.make()
    best.load_weights(path)
    best.compile(run_eagerly=True)
    assert best.evaluate(x, verbose=0, return_dict=True)["bits_per_dim"] == pytest.approx(min(bits), rel=1e-6)
    written = path.read_bytes()
    fit(shared(), BestWeights(path, so_far=min(bits) - 1), epochs=2)
    assert path.read_bytes() == written


def test_stop_after_counts_minutes(monkeypatch):
    clock, stop = [7.0], StopAfter(2)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    model = types.SimpleNamespace(stop_training=False, distribute_strategy=tf.distribute.get_strategy())
    stop.set_model(model)
    stop.on_train_begin()
    for seconds, stops in ((119, False), (120, True)):
        clock[0] = 7.0 + seconds
        stop.on_train_batch_end(0)
        assert model.stop_training == stops


def test_epoch_csv_keeps_the_epochs_before(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text(
        "epoch,loss,bits_per_dim,val_bits_per_dim\n0,9.0,3.0,4.0\n1,8.0,2.0,3.5\n2,7.0,1.0,1.5\n3,6"
    )
    table = EpochCSV(path, initial_epoch=2)
    assert table.lowest("val_bits_per_dim") == 3.5
    assert EpochCSV(tmp_path / "none.csv").lowest("loss") is None
    fit(shared(), table, epochs=4, initial_epoch=2)
    rows = path.read_text().splitlines()
    assert rows[:3] == ["epoch,loss,bits_per_dim,val_bits_per_dim", "0,9.0,3.0,4.0", "1,8.0,2.0,3.5"]
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2", "3"]
