"""What is in a checkpoint, and what becomes of one that is damaged or of something else."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import KINDS, Shared, assert_equal, values

from tfp_realnvp.training import checkpoints as module
from tfp_realnvp.training.callbacks import Checkpointing, EpochCSV, StopAfter
from tfp_realnvp.training.checkpoints import Checkpoints, Progress
from tfp_realnvp.training.interrupts import Interrupts

kind = KINDS["vector"]
CONFIGURATION = {"batch_size": 8, "event_shape": (2,)}
BATCH, STEPS, EPOCHS = 8, 3, 3
EVENTS = np.random.default_rng(0).integers(0, 5, (40, 2)).astype(np.uint8)  # Get noise in training.


AVERAGES = {"use_ema": True, "ema_momentum": 0.9}
SHARED = {
    averages: Shared(
        kind,
        lambda options=AVERAGES if averages else {}: keras.optimizers.Adam(1e-2, **options),
        skip_non_finite=True,
    )
    for averages in (False, True)
}


def model_of(averages=False):
    """A model as it is when a program starts."""
    return SHARED[averages].model()


def state(model):
    return values([*model.variables, *model.optimizer.variables, *model.metrics_variables])


def moved(model, seed):
    """The model, with other values of all its variables."""
    random = np.random.default_rng(seed)
    for v in (*model.variables, *model.optimizer.variables, *model.metrics_variables):
        v.assign(np.asarray(random.integers(1, 100, v.shape), v.dtype))
    return model


def three_checkpoints(folder, configuration=CONFIGURATION):
    """Saves three; returns the states of the model then."""
    model, states = model_of(), []
    saved = Checkpoints(folder, model, configuration)
    for epoch in range(1, 4):
        moved(model, epoch)
        saved.save(Progress(epoch, 0, 2 * epoch, 1.5))
        states.append(state(model))
    return states


def test_everything_is_restored(tmp_path):
    states = three_checkpoints(tmp_path)
    model = model_of()
    assert Checkpoints(tmp_path, model, CONFIGURATION).restore() == Progress(3, 0, 6, 1.5)
    assert_equal(state(model), states[-1])
    assert any(v.path.endswith("seed_generator_state") for v in model.variables)


def test_none_yet(tmp_path):
    model = model_of()
    before = state(model)
    saved = Checkpoints(tmp_path / "none", model, CONFIGURATION)
    assert saved.restore() is None and saved.latest is None
    assert_equal(state(model), before)


def test_the_last_n_are_kept(tmp_path):
    model = model_of()
    saved = Checkpoints(tmp_path, model, CONFIGURATION, keep=2)
    for epoch in range(5):
        saved.save(Progress(epoch))
    assert sorted(p.name for p in tmp_path.glob("*.index")) == ["ckpt-4.index", "ckpt-5.index"]
    assert saved.latest == str(tmp_path / "ckpt-5")


def file_of(folder, number, ending):
    (path,) = folder.glob(f"ckpt-{number}.{ending}*")
    return path


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


DAMAGES = {
    "data cut": lambda folder: cut(file_of(folder, 3, "data"), 0.9),
    "data cut to a part": lambda folder: cut(file_of(folder, 3, "data"), 0.2),
    "data empty": lambda folder: cut(file_of(folder, 3, "data"), 0),
    "data gone": lambda folder: file_of(folder, 3, "data").unlink(),
    "index cut": lambda folder: cut(file_of(folder, 3, "index"), 0.7),
    "index empty": lambda folder: cut(file_of(folder, 3, "index"), 0),
    "index gone": lambda folder: file_of(folder, 3, "index").unlink(),
    "index is text": lambda folder: file_of(folder, 3, "index").write_text("no index at all\n" * 40),
    "a byte changed": lambda folder: change_a_byte(file_of(folder, 3, "data")),
}


def change_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_one_gives_way_to_the_one_before(damage, tmp_path, caplog):
    states = three_checkpoints(tmp_path)
    damage(tmp_path)
    damaged = {path: path.read_bytes() for path in tmp_path.glob("ckpt-3.*")}
    model = model_of()
    saved = Checkpoints(tmp_path, model, CONFIGURATION)
    assert saved.restore() == Progress(2, 0, 4, 1.5)
    assert_equal(state(model), states[1])
    (message,) = (r.getMessage() for r in caplog.records if "Not restored" in r.getMessage())
    assert re.search(r"Not restored: .*ckpt-3: .*\. Training goes on from .*ckpt-2\.", message)
    for _ in range(4):  # Neither overwritten nor removed with the old ones.
        saved.save(Progress(3))
    assert {path: path.read_bytes() for path in damaged} == damaged
    assert Checkpoints(tmp_path, model, CONFIGURATION).restore() == Progress(3)


def test_all_are_damaged(tmp_path):
    three_checkpoints(tmp_path)
    for number in (1, 2, 3):
        cut(file_of(tmp_path, number, "data"), 0.5)
    model = moved(model_of(), 9)
    before = state(model)[: -len(model.metrics_variables)]
    with pytest.raises(ValueError, match=r"No checkpoint can be restored.*ckpt-3: .*ckpt-2: .*ckpt-1: "):
        Checkpoints(tmp_path, model, CONFIGURATION).restore()
    assert_equal(state(model)[: len(before)], before)


def test_one_of_another_configuration(tmp_path):
    three_checkpoints(tmp_path, configuration={**CONFIGURATION, "batch_size": 16, "l2": 0.1})
    with pytest.raises(ValueError, match=r"of another configuration: batch_size was 16 and is 8, l2 was 0.1"):
        Checkpoints(tmp_path, model_of(), CONFIGURATION).restore()


def test_one_of_another_model(tmp_path):
    other = KINDS["image"].model(skip_non_finite=True)
    Checkpoints(tmp_path, other, CONFIGURATION).save(Progress(1))
    model = model_of()
    before = state(model)
    with pytest.raises(ValueError, match=r"No checkpoint can be restored. .*ckpt-1: "):
        Checkpoints(tmp_path, model, CONFIGURATION).restore()
    assert_equal(state(model)[: len(before)], before)


def test_one_of_a_newer_version(tmp_path, monkeypatch):
    model = model_of()
    saved = Checkpoints(tmp_path, model, CONFIGURATION)
    saved.save(Progress(1))
    with monkeypatch.context() as patch:
        patch.setattr(module, "VERSION", 7)
        saved.save(Progress(2))
        assert saved.restore() == Progress(2)
    newer = file_of(tmp_path, 2, "data").read_bytes()
    saved = Checkpoints(tmp_path, model, CONFIGURATION)
    assert saved.restore() == Progress(1)
    file_of(tmp_path, 1, "index").unlink()
    with pytest.raises(ValueError, match="No checkpoint can be restored"):
        Checkpoints(tmp_path, model, CONFIGURATION).restore()
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(ValueError, match="it is of version 7, this is a program for versions up to 1"):
        Checkpoints(tmp_path, model, CONFIGURATION).restore()
    assert file_of(tmp_path, 2, "data").read_bytes() == newer


@pytest.mark.parametrize("content", [None, "", "model_checkpoint_path: 3", "\x00\x01"])
def test_without_the_list_of_checkpoints(content, tmp_path):
    states = three_checkpoints(tmp_path)
    (tmp_path / "checkpoint").unlink()
    if content is not None:
        (tmp_path / "checkpoint").write_text(content)
    model = model_of()
    assert Checkpoints(tmp_path, model, CONFIGURATION).restore().epoch == 3
    assert_equal(state(model), states[-1])


def test_the_tenth_comes_after_the_ninth(tmp_path):
    saved = Checkpoints(tmp_path, model_of(), CONFIGURATION, keep=10)
    for epoch in range(1, 11):
        saved.save(Progress(epoch))
    (tmp_path / "checkpoint").unlink()
    assert saved.latest == str(tmp_path / "ckpt-10")


def test_one_of_a_model_that_is_alike_in_part(tmp_path):
    """The model's variables could be restored; moments are missing."""
    other = kind.model(keras.optimizers.SGD(1e-2), skip_non_finite=True)
    Checkpoints(tmp_path, moved(other, 1), CONFIGURATION).save(Progress(1))
    model = model_of()
    before = values([*model.variables, *model.optimizer.variables])
    with pytest.raises(ValueError, match="No checkpoint can be restored"):
        Checkpoints(tmp_path, model, CONFIGURATION).restore()
    assert_equal(values([*model.variables, *model.optimizer.variables]), before)


def test_a_folder_that_was_moved(tmp_path):
    states = three_checkpoints(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    model = model_of()
    assert Checkpoints(tmp_path / "there", model, CONFIGURATION).restore().epoch == 3
    assert_equal(state(model), states[-1])


def test_a_save_that_was_killed_leaves_no_trace(tmp_path):
    """TensorFlow writes to a folder whose name ends in `_temp`, and names the checkpoint in the end."""
    three_checkpoints(tmp_path)
    (tmp_path / "ckpt-4_temp").mkdir()
    (tmp_path / "ckpt-4_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    saved = Checkpoints(tmp_path, model_of(), CONFIGURATION)
    assert saved.restore().epoch == 3
    saved.save(Progress(4))
    assert not list(tmp_path.glob("*_temp"))
    assert Checkpoints(tmp_path, model_of(), CONFIGURATION).restore().epoch == 4


class InterruptAt(keras.callbacks.Callback):
    """As if Ctrl-C was pressed in a batch, or in a validation."""

    def __init__(self, interrupts, epoch, batch=None):
        super().__init__()
        self.interrupts, self.epoch, self.batch = interrupts, epoch, batch

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if (self._now, batch) == (self.epoch, self.batch):
            self.interrupts.received = 2

    def on_test_begin(self, logs=None):
        if (self._now, None) == (self.epoch, self.batch):
            self.interrupts.received = 2


def fit(model, folder, epochs=EPOCHS, steps=STEPS, minutes=0, at=None, others=(), averages=False):
    """Trains from the last checkpoint; returns the model and the table of epochs."""
    interrupts = Interrupts()
    saved = Checkpoints(folder / "checkpoints", model, CONFIGURATION)
    progress = saved.restore() or Progress()
    stream = tf.data.Dataset.from_tensor_slices(EVENTS).repeat().batch(BATCH)
    model.fit(
        stream.skip(progress.batches),
        validation_data=EVENTS[:8],
        shuffle=False,
        epochs=epochs,
        initial_epoch=progress.epoch,
        steps_per_epoch=steps,
        verbose=0,
        callbacks=[
            *others,
            EpochCSV(folder / "history.csv", progress.epoch),
            *([InterruptAt(interrupts, *at)] if at else []),
            Checkpointing(saved, progress, minutes, interrupts),
            *([keras.callbacks.SwapEMAWeights()] if averages else []),
        ],
    )
    return model, (folder / "history.csv").read_text()


PLACES = [(0, 0), (1, 1), (1, 2), (1, None), (2, 0), (2, None)]  # Epoch and batch, or its validation.


@pytest.mark.parametrize(
    "at, averages",
    [
        *(pytest.param(at, False, marks=pytest.mark.slow if at[0] != 1 else ()) for at in PLACES),
        *(pytest.param(at, True, marks=pytest.mark.slow if at != (1, 1) else ()) for at in PLACES),
    ],
    ids=str,
)
def test_training_goes_on_as_if_it_had_not_stopped(at, averages, tmp_path):
    (tmp_path / "whole").mkdir()
    whole, table = fit(model_of(averages), tmp_path / "whole", averages=averages)
    desired = values([*whole.variables, *whole.optimizer.variables])
    with pytest.raises(KeyboardInterrupt):
        fit(model_of(averages), tmp_path, at=at, averages=averages)
    model, again = fit(model_of(averages), tmp_path, averages=averages)
    assert again == table
    assert len(table.splitlines()) == 1 + EPOCHS
    assert_equal(values([*model.variables, *model.optimizer.variables]), desired)


def test_it_stops_again_and_again(tmp_path):
    (tmp_path / "whole").mkdir()
    whole, table = fit(model_of(), tmp_path / "whole")
    desired = values(whole.variables)
    for _ in range(EPOCHS * STEPS - 1):  # A batch each.
        fit(model_of(), tmp_path, others=[StopAfter(0)])
    model, again = fit(model_of(), tmp_path)
    assert again == table
    assert_equal(values(model.variables), desired)


def test_more_epochs_and_other_steps(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(model_of(), tmp_path, at=(1, 1))  # Two batches of the second epoch.
    model, table = fit(model_of(), tmp_path, epochs=2, steps=5)
    assert int(model.optimizer.iterations.numpy()) == STEPS + 5
    model, table = fit(model_of(), tmp_path, epochs=4, steps=1)
    assert [row.split(",")[0] for row in table.splitlines()] == ["epoch", "0", "1", "2", "3"]
    assert int(model.optimizer.iterations.numpy()) == STEPS + 5 + 2


def test_rows_after_the_checkpoint_are_written_again(tmp_path):
    _, table = fit(model_of(), tmp_path)
    for path in (tmp_path / "checkpoints").glob("ckpt-*"):
        if not path.name.startswith("ckpt-2."):  # Of the second epoch's first batch.
            path.unlink()
    (tmp_path / "checkpoints" / "checkpoint").unlink()
    history = tmp_path / "history.csv"
    history.write_text(history.read_text() + "3,1.0,")  # A row that was being written.
    assert fit(model_of(), tmp_path)[1] == table


def test_no_checkpoint_while_nothing_is_finite(tmp_path):
    model = model_of()
    saved = Checkpoints(tmp_path, model, CONFIGURATION)
    events = kind.events(BATCH * STEPS)
    events[BATCH:] = np.nan
    saving = Checkpointing(saved, Progress(seconds=100.0), minutes=0)
    model.fit(events, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[saving])
    assert [p.name for p in tmp_path.glob("*.index")] == ["ckpt-1.index"]
    assert int(model.optimizer.skipped.numpy()) == STEPS - 1
    assert saved.restore().seconds > 100  # Those of before count.


@pytest.mark.parametrize("is_full", [False, True], ids=["a file in the way", "a full disk"])
def test_training_goes_on_where_nothing_can_be_saved(is_full, tmp_path, caplog, monkeypatch):
    if is_full:

        def save(self, *args, **kwargs):
            raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

        monkeypatch.setattr(tf.train.CheckpointManager, "save", save)
    else:
        (tmp_path / "checkpoints").write_text("in the way of a folder")
    _, table = fit(model_of(), tmp_path)
    assert len(table.splitlines()) == 1 + EPOCHS
    assert any("No checkpoint could be saved, training goes on" in r.getMessage() for r in caplog.records)
