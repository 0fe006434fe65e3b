"""Values of variables that come back."""

import contextlib
from collections.abc import Iterable, Iterator

import numpy as np

from tfp_realnvp.utils.hints import Variable


@contextlib.contextmanager
def put_back(variables: Iterable[Variable], always: bool = False) -> Iterator[None]:
    """Gives variables the values back that they have now.

    Args:
      variables: Iterable of `tf.Variable`s or `keras.Variable`s.
      always: Python `bool`, whether they come back in any case, or only after an error.
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
