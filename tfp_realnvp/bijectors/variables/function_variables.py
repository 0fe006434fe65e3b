"""Variables of a bare function, which only the user can list."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tensorflow as tf

from tfp_realnvp.bijectors.variables.tracked_variables import TrackedVariables, tf_variable
from tfp_realnvp.utils.hints import Variable


class FunctionVariables(TrackedVariables):
    """Tracks the variables given as `variables=`.

    Args:
      variables: Sequence of `tf.Variable`s or `keras.Variable`s, or None for none.

    Raises:
      TypeError: if `variables` is not a sequence, or holds something else.
    """

    def __init__(self, variables: Sequence[Variable] | None) -> None:
        if variables is not None and (isinstance(variables, str) or not isinstance(variables, Sequence)):
            raise TypeError(f"`variables` must be a sequence of variables; got {variables!r}.")
        self._given = tuple(tf_variable(v) for v in variables or ())
        for v in self._given:
            if not isinstance(v, tf.Variable):
                raise TypeError(f"`variables` must hold `tf.Variable`s or `keras.Variable`s; got {v!r}.")

    def _variables(self):
        return self._given

    def __deepcopy__(self, memo):
        return self  # The function that uses them is not copied either.

    def __reduce__(self):
        if self._given:
            raise TypeError("A function's `variables` cannot be pickled; make the conditioner a `tf.Module`.")
        return FunctionVariables, (None,)

    def call_watched(
        self, function: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any], owner: str
    ) -> Any:
        """Calls a function, and raises if it uses trainable variables that nothing tracks.

        Args:
          function: Callable; if it has `variables`, these count as tracked.
          args, kwargs: Its arguments.
          owner: Python `str`, name of the bijector, for the error.

        Returns:
          The result of the function.
        """
        with tf.GradientTape() as tape:
            output = function(*args, **kwargs)
        tracked = {id(v.handle) for v in (*self, *getattr(function, "variables", ()))}
        unknown = [v.name for v in tape.watched_variables() if id(v.handle) not in tracked]
        if unknown:
            raise ValueError(
                f"The conditioner of `{owner}` uses variables that nothing tracks: {unknown}. Make it a "
                "Keras layer or a `tf.Module` that holds them, or pass them as `variables=`."
            )
        return output
