"""Real NVP as bijectors of TensorFlow Probability, trained with Keras."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(f"Keras must have the backend 'tensorflow' here; it has {keras.backend.backend()!r}.")

from tfp_realnvp.bijectors import (
    AffineCoupling,
    BatchNormalization,
    Chain,
    FactorOut,
    Squeeze,
    bijector_kwargs,
)
from tfp_realnvp.bijectors.masks import channel_mask, checkerboard_mask
from tfp_realnvp.flows.real_nvp import RealNVP
from tfp_realnvp.images.bits_per_dim import bits_per_dim
from tfp_realnvp.images.dequantization import dequantize
from tfp_realnvp.images.image_distribution import image_distribution
from tfp_realnvp.models.flow_layers import keras_layers
from tfp_realnvp.models.flow_model import FlowModel
from tfp_realnvp.models.optimizers.fused_adam import FusedAdam

__all__ = [
    "AffineCoupling",
    "BatchNormalization",
    "Chain",
    "FactorOut",
    "FlowModel",
    "FusedAdam",
    "RealNVP",
    "Squeeze",
    "bijector_kwargs",
    "bits_per_dim",
    "channel_mask",
    "checkerboard_mask",
    "dequantize",
    "image_distribution",
    "keras_layers",
]
