"""What Keras has been told to do to layers after they were built: quantisation and LoRA.

The configuration of a network is that of its constructor, and so of the network before.
"""

from collections.abc import Sequence
from typing import Any

import keras


def adaptations(network: keras.layers.Layer) -> list[dict[str, Any]]:
    """Describes how the layers in a network have been adapted, in JSON's types.

    Args:
      network: Keras layer.

    Returns:
      List of what `adapt` takes, empty where nothing has been adapted.
    """
    every = [{"layer": i, **_adaptation(x)} for i, x in enumerate(network._flatten_layers(False))]
    return [one for one in every if len(one) > 1]


def _adaptation(layer):
    options = {}
    if layer.quantization_mode is not None and not layer._layers:
        config = getattr(layer, "quantization_config", None)
        options["quantize"] = {
            "mode": layer.quantization_mode,
            **({} if config is None else {"config": keras.saving.serialize_keras_object(config)}),
        }
    if getattr(layer, "lora_enabled", False):
        alpha = getattr(layer, "lora_alpha", None)  # Not in Keras 3.6.
        options["lora"] = {"rank": layer.lora_rank, **({} if alpha is None else {"lora_alpha": alpha})}
    return options


def adapt(network: keras.layers.Layer, described: Sequence[dict[str, Any]]) -> None:
    """Adapts the layers in a built network, but for those that are adapted already.

    Args:
      network: Keras layer of the same configuration as the one that was described.
      described: What `adaptations` returned.
    """
    layers = list(network._flatten_layers(False))
    for one in described:
        layer, quantize = layers[one["layer"]], one.get("quantize")
        if quantize and layer.quantization_mode is None:
            layer.quantize(type_check=False, **keras.saving.deserialize_keras_object(quantize))
        if "lora" in one and not layer.lora_enabled:
            layer.enable_lora(**one["lora"])
