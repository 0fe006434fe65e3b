"""Couplings and the batch norms that follow them, with new or with shared layers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfp_realnvp.bijectors import AffineCoupling, BatchNormalization
from tfp_realnvp.bijectors.batch_normalization import ChannelVariables
from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.utils.hints import Shape


class Couplings:
    """Makes couplings, each followed by its batch norm, and collects their layers.

    Args:
      condition: `tf.TensorShape` of a condition, or None.
      max_log_scale: Python `float`, bound of the log-scale of every coupling, or None.
      norm: Dictionary of further arguments of the batch norms, or None for none of them.
      member: Dictionary of arguments of every bijector, `dtype` among them.
      policy: `keras.DTypePolicy` of the networks.
      shared: `layers` of another flow, to use in the order they were made, or None.
    """

    def __init__(
        self,
        condition: tf.TensorShape | None,
        max_log_scale: float | None,
        norm: dict[str, Any] | None,
        member: dict[str, Any],
        policy: keras.DTypePolicy,
        shared: Sequence[keras.layers.Layer] | None,
    ) -> None:
        if shared is not None and not (
            isinstance(shared, (list, tuple)) and all(isinstance(x, keras.layers.Layer) for x in shared)
        ):
            raise TypeError(f"`layers` must be a list of the layers of a flow, or None; got {shared!r}.")
        self.layers: list[keras.layers.Layer] = []
        self.condition = condition
        self.member = member
        self._coupling: dict[str, Any] = {
            "conditional_event_ndims": condition and condition.rank,
            "max_log_scale": max_log_scale,
        }
        self._norm, self._policy, self._shared = norm, policy, shared

    def __call__(
        self,
        shape: Shape,
        mask: np.ndarray,
        network_class: Callable[..., keras.layers.Layer],
        name: str,
        **config: Any,
    ) -> list[Bijector]:
        """The members of one coupling, from data to latents."""
        dtype = self.member["dtype"].name
        network = self._new_or_shared(network_class(**config, dtype=self._policy, name=name))
        if self._norm is not None:
            for layer in network._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.synchronized = self._norm["synchronized"]
        if not network.built:
            network.build((None, *shape))
        members = [AffineCoupling(mask, network, **self._coupling, **self.member, name=name)]
        if self._norm is not None:
            norm = f"{name}_batch_norm"
            layer = self._new_or_shared(ChannelVariables(center=False, scale=False, dtype=dtype, name=norm))
            options = {"center": False, "scale": False, **self._norm, **self.member}
            members.append(BatchNormalization(shape, mask, layer=layer, name=norm, **options))
        return members

    def _new_or_shared(self, layer):
        """`layer`, or the one to share in its place."""
        if self._shared:
            index = len(self.layers)
            shared = self._shared[index] if index < len(self._shared) else None
            if _configuration(layer) != _configuration(shared):
                raise ValueError(
                    "`layers` are those of a flow of another configuration: a copy can have another "
                    f"height and width, but not another network; needed {_configuration(layer)}, "
                    f"got {_configuration(shared)}."
                )
            layer = shared
        self.layers.append(layer)
        return layer


def _configuration(layer):
    if layer is None:
        return None
    config = layer.get_config()
    return {"class": type(layer).__name__} | {k: v for k, v in config.items() if k not in ("name", "dtype")}
