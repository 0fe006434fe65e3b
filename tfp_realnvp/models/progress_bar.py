"""A progress bar that reports compilation, and leaves it out of its time estimate."""

import time
import weakref
from typing import Any

import keras

_COMPILED: weakref.WeakSet = weakref.WeakSet()
"""Functions of models that have already run."""


class ProgressBar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar for models whose first step compiles for seconds.

    It reports when compilation begins and how long it took. It estimates the remaining time from later
    steps. `FlowModel` uses it in place of Keras's.
    """

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin("training step", self.model.train_function)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._has_compiled(self.model.train_function):
            super().on_train_batch_end(batch, logs)

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._called_in_fit:
            self._begin("evaluation", self.model.test_function)

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._called_in_fit or not self._has_compiled(self.model.test_function):
            super().on_test_batch_end(batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin("prediction", self.model.predict_function)

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not self._has_compiled(self.model.predict_function):
            super().on_predict_batch_end(batch, logs)

    def _begin(self, what, function):
        self._since = None
        if self.verbose and function not in _COMPILED and not self.model.run_eagerly:
            print(f"Compiling the {what} ...", end="", flush=True)
            self._since = time.monotonic()

    def _has_compiled(self, function):
        """Whether this batch compiled the function; if so, the bar starts after it."""
        _COMPILED.add(function)
        if self._since is None:
            return False
        print(f" {time.monotonic() - self._since:.0f} s", flush=True)
        self.progbar = keras.utils.Progbar(self.target, verbose=self.verbose, unit_name="step")
        self.progbar._time_after_first_step = time.time()  # Keras measures step times from here.
        return True


def with_progress_bar(callbacks: Any, verbose: Any) -> Any:
    """Adds a `ProgressBar` to the callbacks of `fit`, `evaluate` or `predict`, in place of Keras's.

    Args:
      callbacks, verbose: As in `keras.Model.fit`.

    Returns:
      Callbacks to pass to Keras.
    """
    if not verbose or isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    given = keras.tree.flatten(callbacks) if callbacks else []
    if any(isinstance(c, keras.callbacks.ProgbarLogger) for c in given):
        return callbacks
    return [*given, ProgressBar()]
