"""Updates that are left out where a loss or a gradient is not finite."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_models import KINDS, Shared, assert_equal, images, values, weights

import tfp_realnvp as rnvp
from tfp_realnvp.models.optimizers.skip_non_finite import SkipNonFinite
from tfp_realnvp.training.callbacks import StopAtNonFinite

BATCH = 8
kind = KINDS["vector"]
x = kind.events(6 * BATCH)


def everything(model):
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return [*weights(model), *values(optimizer.variables)]


def fitted(model, data, **kwargs):
    history = model.fit(data, batch_size=BATCH, shuffle=False, verbose=0, **kwargs).history
    return history, everything(model)


def adam(**kwargs):
    return keras.optimizers.Adam(1e-2, global_clipnorm=100.0, **kwargs)


skipping = {name: Shared(KINDS[name], adam, skip_non_finite=True).model for name in ("vector", "image")}


def without_batch(i, data=x):
    return np.delete(data, range(i * BATCH, (i + 1) * BATCH), axis=0)


def with_bad(value, i, data=x):
    bad = data.copy()
    bad[i * BATCH + 3] = value
    return bad


@pytest.mark.parametrize(
    "bad, options",
    [
        (np.nan, {}),
        (np.inf, {}),
        (1e30, {}),
        pytest.param(np.nan, {"steps_per_execution": 3}, marks=pytest.mark.slow),
        pytest.param(np.nan, {"jit_compile": True}, marks=pytest.mark.slow),
        pytest.param(np.nan, {"run_eagerly": True}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_a_bad_batch_is_as_if_it_were_not_there(bad, options):
    """Weights, moments, moving statistics and metrics are those of the other batches, to the last bit."""
    options = {"skip_non_finite": True, **options}
    make = functools.partial(kind.model, adam(), **options) if len(options) > 1 else skipping["vector"]
    model = make()
    history, actual = fitted(model, with_bad(bad, 1), epochs=2)
    assert int(model.optimizer.skipped.numpy()) == 2
    assert int(model.optimizer.skipped_in_a_row.numpy()) == 0
    assert int(model.optimizer.iterations.numpy()) == 10
    expected, desired = fitted(
        kind.model(adam(), **options) if len(options) > 1 else make(), without_batch(1), epochs=2
    )
    assert history == expected
    assert_equal(actual, desired)


def test_without_bad_batches_nothing_changes():
    desired = fitted(kind.model(adam(use_ema=True)), x, epochs=2)
    model = kind.model(adam(use_ema=True), skip_non_finite=True)
    actual = fitted(model, x, epochs=2)
    assert actual[0] == desired[0]
    assert_equal(actual[1], desired[1])
    assert int(model.optimizer.skipped.numpy()) == 0


def test_without_it_a_bad_batch_is_the_end():
    _, after = fitted(kind.model(adam()), with_bad(np.nan, 1))
    assert not all(np.isfinite(v).all() for v in after)


def test_a_loss_that_is_not_finite_is_enough():
    """Of gradients that all are finite."""

    def infinite(y_true, y_pred):
        return float("inf") - y_pred

    with tf.GradientTape() as tape:
        y_pred = tf.Variable(1.0)
        loss = infinite(None, y_pred)
    assert float(tape.gradient(loss, y_pred)) == -1
    model = kind.model(adam(), skip_non_finite=True, loss=infinite)
    before = everything(model)
    _, after = fitted(model, x)
    assert_equal(after, before)
    assert int(model.optimizer.skipped.numpy()) == 6


def test_networks_of_images():
    events = images(3 * BATCH)
    model = skipping["image"]()
    _, actual = fitted(model, with_bad(np.nan, 1, events))
    assert int(model.optimizer.skipped.numpy()) == 1
    assert_equal(actual, fitted(skipping["image"](), without_batch(1, events))[1])


def test_it_is_saved_with_the_model(tmp_path):
    model = skipping["vector"]()
    fitted(model, with_bad(np.nan, 1))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, SkipNonFinite)
    assert int(again.optimizer.skipped.numpy()) == 1
    assert_equal(fitted(again, with_bad(np.inf, 0))[1], fitted(model, with_bad(np.inf, 0))[1])
    assert int(again.optimizer.skipped.numpy()) == 2


def test_float16_keeps_its_scale_of_the_loss():
    flow = rnvp.RealNVP((4, 4, 1), base_filters=2, num_residual_blocks=0, dtype_policy="mixed_float16")
    model = rnvp.FlowModel(rnvp.image_distribution(flow, 16))
    model.compile(adam(), skip_non_finite=True, run_eagerly=True)
    assert isinstance(model.optimizer, SkipNonFinite)
    assert model.optimizer.initial_scale == 2**15
    assert model.optimizer.dynamic_growth_steps == 2000
    model.fit(with_bad(np.nan, 0, images(2 * BATCH)), batch_size=BATCH, shuffle=False, verbose=0)
    assert int(model.optimizer.skipped.numpy()) >= 1
    assert float(model.optimizer.dynamic_scale.numpy()) < 2**15
    assert all(np.isfinite(v).all() for v in weights(model))


def test_training_stops_after_some_in_a_row(caplog):
    model = skipping["vector"]()
    fitted(model, with_bad(np.nan, 1), callbacks=[StopAtNonFinite(2)], epochs=2)
    reports = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert reports == [f"Epoch {i}: 1 updates left out, as loss or gradient was not finite." for i in (1, 2)]
    before = everything(model)
    bad = x.copy()
    bad[:] = np.nan
    message = "2 batches in a row.*Likely causes: a learning rate that is too high"
    with pytest.raises(FloatingPointError, match=message):
        fitted(model, bad, callbacks=[StopAtNonFinite(2)])
    assert int(model.optimizer.skipped_in_a_row.numpy()) == 2
    assert_equal(everything(model), before)


@pytest.mark.parametrize("factor", [100, 10_000])
def test_a_learning_rate_that_is_too_high_recovers_or_stops(factor):
    model = skipping["image"]()
    model.optimizer.learning_rate = 1e-3 * factor
    try:
        history = model.fit(
            images(64), batch_size=BATCH, epochs=10, verbose=0, callbacks=[StopAtNonFinite(5)]
        )
    except FloatingPointError:
        assert int(model.optimizer.skipped_in_a_row.numpy()) == 5
    else:
        assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(v).all() for v in everything(model))
