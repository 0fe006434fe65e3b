"""Records for which variables the functions of a model were compiled."""

import keras

from tfp_realnvp.utils.private_names import all_layers


class TracedVariables:
    """Tells whether a function was compiled for other variables than its model has now.

    A function that was compiled before `enable_lora` or `quantize` still computes the old model, and a
    training step still trains the variables that were trainable then.

    Args:
      model: `FlowModel`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._seen: dict[str, list[int | bool]] = {}

    def have_changed(self, function: str, trains: bool = False) -> bool:
        """Whether the variables have changed since the last call for the same function.

        Args:
          function: Name of the function.
          trains: Python `bool`, whether freezing and thawing also count as changes.

        Returns:
          Python `bool`, False the first time.
        """
        if not all(layer.built for layer in self._model.flow_layers):
            return False  # The function itself builds the other layers.
        now: list[int | bool] = [id(v) for v in self._model.variables]
        if trains:
            now += [x.trainable for x in (*self._model.variables, *all_layers(self._model))]
        before = self._seen.get(function, now)
        self._seen[function] = now
        return before != now
