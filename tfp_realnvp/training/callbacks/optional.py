"""Callbacks without which training goes on."""

import functools
from typing import TypeVar

import keras

from tfp_realnvp.utils.one_line_warnings import one_line_warnings

HOOKS = "set_model", *(name for name in vars(keras.callbacks.Callback) if name.startswith("on_"))

Callback = TypeVar("Callback", bound=keras.callbacks.Callback)


def optional(callback: Callback) -> Callback:
    """Lets training go on where a callback fails: a full disk, a package that is not there.

    An error is a warning of one line, which is not repeated. An interrupt ends training as ever.

    Args:
      callback: `keras.callbacks.Callback`, which is changed.

    Returns:
      The same one.

    Raises:
      TypeError: if it is no callback.
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
