"""Describes and repeats Keras's changes to built layers: quantisation and LoRA.

A network's configuration holds constructor arguments: it describes the network before these changes.
"""

from collections.abc import Sequence
from typing import Any

import keras

from tfp_realnvp.utils.private_names import all_layers


def adaptations(network: keras.layers.Layer) -> list[dict[str, Any]]:
    """Describes how the layers in a network were adapted, in JSON types.

    Args:
      network: Keras layer.

    Returns:
      List for `adapt`, empty if nothing was adapted.
    """
    every = [{"layer": i, **_adaptation(x)} for i, x in enumerate(all_layers(network, include_self=False))]
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
    """Adapts the layers in a built network, except layers that are already adapted.

    Args:
      network: Keras layer with the configuration of the described network.
      described: The result of `adaptations`.
    """
    layers = list(all_layers(network, include_self=False))
    for one in described:
        layer, quantize = layers[one["layer"]], one.get("quantize")
        if quantize and layer.quantization_mode is None:
            layer.quantize(type_check=False, **keras.saving.deserialize_keras_object(quantize))
        if "lora" in one and not layer.lora_enabled:
            layer.enable_lora(**one["lora"])
