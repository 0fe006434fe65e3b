"""The variables that a bare function uses, which only its user can name."""

import collections.abc

import tensorflow as tf


class FunctionVariables(collections.abc.Sequence):
    """What was given as `variables=`, where a `tf.Module` and a checkpoint find it.

    Args:
      variables: Sequence of `tf.Variable`s or `keras.Variable`s, or None for none.

    Raises:
      TypeError: if something else is among them.
    """

    def __init__(self, variables):
        if variables is not None and not isinstance(variables, (list, tuple, collections.abc.Sequence)):
            raise TypeError(f"`variables` must be a sequence of variables; got {variables!r}.")
        self._variables = tuple(getattr(v, "_value", v) for v in variables or ())
        for v in self._variables:
            if not isinstance(v, tf.Variable):
                raise TypeError(f"`variables` must hold `tf.Variable`s or `keras.Variable`s; got {v!r}.")

    def __len__(self):
        return len(self._variables)

    def __getitem__(self, index):
        return self._variables[index]

    def __deepcopy__(self, memo):
        return self  # Nor is the function that uses them copied.

    def __reduce__(self):
        if self._variables:
            raise TypeError("A function's `variables` cannot be pickled; make the conditioner a `tf.Module`.")
        return FunctionVariables, (None,)

    def watch(self, function, known, owner):
        """Makes `function` one that raises if it uses trainable variables nobody tracks.

        Args:
          function: Callable.
          known: Further variables that are tracked.
          owner: Python `str`, name of the bijector, for the error.

        Returns:
          A callable like `function`.
        """

        def watched(*args, **kwargs):
            with tf.GradientTape() as tape:
                output = function(*args, **kwargs)
            tracked = {id(v) for v in (*self._variables, *known)}
            unknown = [v.name for v in tape.watched_variables() if id(v) not in tracked]
            if unknown:
                raise ValueError(
                    f"The conditioner of `{owner}` uses variables that nothing tracks: {unknown}. Make it a "
                    "Keras layer or a `tf.Module` that holds them, or pass them as `variables=`."
                )
            return output

        return watched
