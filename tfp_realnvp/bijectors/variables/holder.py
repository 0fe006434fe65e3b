"""Whether the Keras model that trains holds the layers of a bijector."""

from collections.abc import Sequence

import keras
from keras.src.backend.common.global_state import get_global_attribute
from tensorflow.python.eager.record import could_possibly_record


def check_holder(layers: Sequence[keras.layers.Layer], training: bool | None, owner: str) -> None:
    """Raises where a call of a Keras model trains, and the model would neither train nor save `layers`.

    Keras follows the layers among the attributes of a model, not the bijectors and distributions. A call
    trains if it says so or a gradient tape records it. Outside of calls of Keras nothing can be known.

    Args:
      layers: Keras layers of a bijector.
      training: Python `bool` or None, as the bijector was called; None follows the call of Keras.
      owner: Python `str`, name of the bijector, for the error.

    Raises:
      ValueError: if one of `layers` has weights to train and the model does not hold it.
    """
    call = get_global_attribute("current_call_ctx")
    if call is None:
        return
    says_so = getattr(call, "training", None) if training is None else training
    if not (says_so or could_possibly_record()):
        return
    model = call.entry_layer
    held = {id(layer) for layer in model._flatten_layers()}
    if any(id(layer) not in held and layer.trainable_variables for layer in layers):
        raise ValueError(
            f"`{model.name}` would neither train nor save `{owner}`: Keras follows layers alone. Give it one "
            "more attribute, `self.flow_layers = tfp_realnvp.keras_layers(...)` of the distribution or "
            "bijector, or hold a `FlowModel` instead."
        )
