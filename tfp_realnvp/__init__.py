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
from tfp_realnvp.flow_layers import keras_layers
from tfp_realnvp.flow_model import FlowModel
from tfp_realnvp.fused_adam import FusedAdam
from tfp_realnvp.images import bits_per_dim, dequantize, image_distribution
from tfp_realnvp.masks import channel_mask, checkerboard_mask
from tfp_realnvp.real_nvp import RealNVP

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
