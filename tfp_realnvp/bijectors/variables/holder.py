"""Checks that a Keras model in training holds the layers of a bijector."""

from collections.abc import Sequence

import keras

from tfp_realnvp.utils.private_names import a_tape_could_record, all_layers, keras_call


def check_holder(layers: Sequence[keras.layers.Layer], training: bool | None, owner: str) -> None:
    """Raises if a Keras model is called in training but would neither train nor save `layers`.

    Keras tracks layers among a model's attributes, but not bijectors and distributions. A call trains
    if `training` says so or a gradient tape records it. Outside of Keras calls nothing is checked.

    Args:
      layers: Keras layers of a bijector.
      training: Python `bool` or None, the bijector's call argument; None follows the Keras call.
      owner: Python `str`, name of the bijector, for the error.

    Raises:
      ValueError: if one of `layers` has trainable variables and the model does not hold it.
    """
    call = keras_call()
    if call is None:
        return
    says_so = getattr(call, "training", None) if training is None else training
    if not (says_so or a_tape_could_record()):
        return
    model = call.entry_layer
    held = {id(layer) for layer in all_layers(model)}
    if any(id(layer) not in held and layer.trainable_variables for layer in layers):
        raise ValueError(
            f"`{model.name}` would neither train nor save `{owner}`: Keras follows layers alone. Give it one "
            "more attribute, `self.flow_layers = tfp_realnvp.keras_layers(...)` of the distribution or "
            "bijector, or hold a `FlowModel` instead."
        )
