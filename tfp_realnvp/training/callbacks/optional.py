"""Callbacks that may fail without ending training."""

import functools
from typing import TypeVar

import keras

from tfp_realnvp.utils.one_line_warnings import one_line_warnings

HOOKS = "set_model", *(name for name in vars(keras.callbacks.Callback) if name.startswith("on_"))

Callback = TypeVar("Callback", bound=keras.callbacks.Callback)


def optional(callback: Callback) -> Callback:
    """Lets training continue if a callback fails, for a full disk or a missing package.

    An error becomes a warning of one line, which is not repeated. An interrupt still ends training.

    Args:
      callback: `keras.callbacks.Callback`, which is changed.

    Returns:
      `callback`.

    Raises:
      TypeError: if it is not a callback.
    """
    if not isinstance(callback, keras.callbacks.Callback):
        raise TypeError(f"`callback` must be a `keras.callbacks.Callback`; got {callback!r}.")
    told: set[str] = set()
    for name in HOOKS:
        if getattr(type(callback), name) is not getattr(keras.callbacks.Callback, name):
            setattr(callback, name, _guarded(getattr(callback, name), told))
    return callback


def _guarded(hook, told):
    what = f"{type(hook.__self__).__name__} failed, training goes on"

    @functools.wraps(hook)
    def guarded(*args, **kwargs):
        with one_line_warnings(what, told):
            hook(*args, **kwargs)

    return guarded
