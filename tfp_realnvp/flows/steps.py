"""One step of a flow: a coupling, and the batch norm of the elements it changed."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tfp_realnvp.bijectors import AffineCoupling, BatchNormalization
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.variables.channel_variables import ChannelVariables
from tfp_realnvp.utils.hints import Shape


class Steps:
    """Makes the steps of a flow and collects their layers, new or from another flow.

    Args:
      condition: Shape of a condition, or None.
      max_log_scale: Python `float`, bound of the log-scale of every coupling, or None.
      norm: Dictionary of further arguments of the batch norms, or None for no batch norms.
      common: Dictionary of arguments of every bijector, including `dtype`.
      policy: `keras.DTypePolicy` of the networks.
      shared: `layers` of another flow, used in the order they were made, or None.

    Attributes:
      condition, norm, common: The arguments.
      layers: List of the layers of all steps so far.

    Raises:
      TypeError: if `shared` is not a list of layers.
    """

    def __init__(
        self,
        condition: tuple[int, ...] | None,
        max_log_scale: float | None,
        norm: dict[str, Any] | None,
        common: dict[str, Any],
        policy: keras.DTypePolicy,
        shared: Sequence[keras.layers.Layer] | None,
    ) -> None:
        if shared is not None and not (
            isinstance(shared, (list, tuple)) and all(isinstance(x, keras.layers.Layer) for x in shared)
        ):
            raise TypeError(f"`layers` must be a list of the layers of a flow, or None; got {shared!r}.")
        self.condition, self.norm, self.common = condition, norm, common
        self.layers: list[keras.layers.Layer] = []
        self._coupling: dict[str, Any] = {
            "conditional_event_ndims": condition and len(condition),
            "max_log_scale": max_log_scale,
        }
        self._policy, self._shared = policy, shared

    def step(
        self,
        shape: Shape,
        mask: np.ndarray,
        network: type[keras.layers.Layer],
        name: str,
        **config: Any,
    ) -> list[Bijector]:
        """Makes the bijectors of one step, from data to latents.

        Args:
          shape: Shape of an event.
          mask: Boolean array; see `AffineCoupling`.
          network: Class of the coupling's network.
          name: Python `str`.
          **config: Arguments of `network`.

        Returns:
          List of a coupling and, if the flow has batch norms, a batch norm.

        Raises:
          ValueError: if the layer to share has another configuration.
        """
        layer = self._layer(network, config, self._policy, name)
        if self.norm is not None and hasattr(layer, "synchronized"):
            layer.synchronized = self.norm["synchronized"]
        if not layer.built:
            layer.build((None, *shape))
        coupling = AffineCoupling(mask, layer, **self._coupling, **self.common, name=name)
        if self.norm is None:
            return [coupling]
        affine, name = {"center": False, "scale": False}, f"{name}_batch_norm"
        layer = self._layer(ChannelVariables, affine, self.common["dtype"].name, name)
        options = {**affine, **self.norm, **self.common}
        return [coupling, BatchNormalization(shape, mask, layer=layer, name=name, **options)]

    def _layer(self, layer_class, config, dtype, name):
        """Returns the next shared layer, which must have this configuration, or makes a new one."""
        if self._shared:
            index = len(self.layers)
            layer = self._shared[index] if index < len(self._shared) else None
            needed, given = {"class": layer_class.__name__, **config}, _configuration(layer, config)
            if given != needed:
                raise ValueError(
                    "`layers` are those of a flow of another configuration: a copy can have another "
                    f"height and width, but not another network; needed {needed}, got {given}."
                )
        else:
            layer = layer_class(**config, dtype=dtype, name=name)
        self.layers.append(layer)
        return layer


def _configuration(layer, names):
    """Returns a layer's class, and the values of these names in its configuration."""
    if layer is None:
        return None
    config = layer.get_config()
    return {"class": type(layer).__name__, **{name: config[name] for name in names if name in config}}
