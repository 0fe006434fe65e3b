"""Which variables compiled functions of a model are of."""

import keras


class TracedVariables:
    """Tells whether a function was compiled for other variables than its model has now.

    What was compiled before `enable_lora` or `quantize` computes what the model did before, and a
    step of training trains what was trainable then.

    Args:
      model: `FlowModel`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._model = model
        self._seen: dict[str, list[int | bool]] = {}

    def have_changed(self, function: str, trains: bool = False) -> bool:
        """Whether the variables are others than when this was last asked of a function.

        Args:
          function: Its name.
          trains: Python `bool`, whether it matters what is frozen.

        Returns:
          Python `bool`, False the first time.
        """
        if not all(layer.built for layer in self._model.flow_layers):
            return False  # The function itself makes the others.
        now: list[int | bool] = [id(v) for v in self._model.variables]
        if trains:
            now += [x.trainable for x in (*self._model.variables, *self._model._flatten_layers())]
        before = self._seen.get(function, now)
        self._seen[function] = now
        return before != now
