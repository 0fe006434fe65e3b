"""The progress bar tells of compilation, and its estimate is of the steps after it."""

import re

import keras
import numpy as np
import pytest

import tfp_realnvp as rnvp


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    flow = rnvp.RealNVP((2, 2, 1), base_filters=2, num_residual_blocks=0)
    return rnvp.FlowModel(rnvp.image_distribution(flow))


x = np.zeros((12, 2, 2, 1), "uint8")


def test_compilation_is_told_once_for_each_function(model, capsys):
    model.compile("adam")
    model.fit(x, batch_size=4)
    out = capsys.readouterr().out
    assert re.match(r"Compiling the training step \.\.\. \d+ s\n", out), out
    assert "1/3" not in out and "3/3" in out  # The bar begins after the step that compiles.
    model.fit(x, batch_size=4)
    assert "Compiling" not in capsys.readouterr().out
    for method, name in ((model.evaluate, "evaluation"), (model.predict, "prediction")):
        method(x, batch_size=4)
        assert f"Compiling the {name} ..." in capsys.readouterr().out
        method(x, batch_size=4)
        assert "Compiling" not in capsys.readouterr().out


def test_silence_stays_silence(model, capsys):
    model.compile("adam")
    model.fit(x, verbose=0)
    model.evaluate(x, verbose=0)
    model.predict(x, verbose=0)
    assert capsys.readouterr().out == ""


def test_eager_runs_and_bars_of_the_user_compile_nothing(model, capsys):
    model.compile("adam", run_eagerly=True)
    model.fit(x)
    assert "Compiling" not in capsys.readouterr().out
    model.compile("adam")
    model.fit(x, callbacks=[keras.callbacks.ProgbarLogger()])
    assert "Compiling" not in capsys.readouterr().out


def test_the_time_of_a_step_leaves_compilation_out(model, capsys, monkeypatch):
    """Compilation takes 100 s by the clock, each later step one second."""
    now, step = [0.0], [100.0]

    class Clock(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            now[0] += step[0]
            step[0] = 1.0

    from keras.src.utils import progbar

    from tfp_realnvp.models import progress_bar

    monkeypatch.setattr(progbar.time, "time", lambda: now[0])
    monkeypatch.setattr(progress_bar.time, "monotonic", lambda: now[0])
    model.compile("adam")
    model.fit(np.repeat(x, 10, axis=0), batch_size=4, callbacks=[Clock()])
    out = capsys.readouterr().out
    assert "Compiling the training step ... 100 s" in out
    estimates = re.findall(r"(\d+)s/step", out)
    assert estimates and set(map(int, estimates)) == {1}, out
