"""Restores the values of variables."""

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np

from tfp_realnvp.utils.hints import Variable


@contextlib.contextmanager
def restoring(variables: Iterable[Variable], always: bool = False) -> Iterator[None]:
    """Restores the present values of variables after its block.

    Args:
      variables: Iterable of `tf.Variable`s or `keras.Variable`s.
      always: Python `bool`, whether to restore them in any case or only after an error.
    """
    variables = list(variables)
    values = [np.array(v) for v in variables]

    def assign():
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    try:
        yield
    except BaseException:
        assign()
        raise
    if always:
        assign()
