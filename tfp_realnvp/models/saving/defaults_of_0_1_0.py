"""The defaults of version 0.1.0, whose `.keras` files leave them out. Later files hold every value."""

from collections.abc import Mapping
from typing import Any

DEFAULTS: dict[str, dict[str, Any]] = {
    "AffineCoupling": {
        "conditional_event_ndims": None,
        "variables": None,
        "max_log_scale": None,
        "dtype": None,
        "validate_args": False,
        "name": "affine_coupling",
    },
    "BatchNormalization": {
        "mask": None,
        "center": True,
        "scale": True,
        "momentum": 0.9,
        "epsilon": 0.0001,
        "use_running_average": False,
        "layer": None,
        "synchronized": False,
        "dtype": None,
        "validate_args": False,
        "name": "batch_normalization",
    },
    "Chain": {
        "dtype": None,
        "validate_args": False,
        "recompute": False,
        "parameters": None,
        "name": "chain",
    },
    "FactorOut": {"event_ndims": None, "validate_args": False, "name": "factor_out"},
    "Squeeze": {"order": "channel_major", "dtype": None, "validate_args": False, "name": "squeeze"},
    "RealNVP": {
        "use_batch_norm": True,
        "conditional_event_shape": None,
        "batch_norm_momentum": 0.9,
        "use_running_average": False,
        "synchronized": False,
        "max_log_scale": None,
        "recompute": False,
        "layers": None,
        "dtype_policy": None,
        "dtype": None,
        "validate_args": False,
        "name": "real_nvp",
    },
}
IMAGES = {
    "num_scales": None,
    "num_residual_blocks": 4,
    "base_filters": 32,
    "skip": True,
    "bottleneck": False,
    "rescale_latents": True,
}
VECTORS = {"num_couplings": 8, "hidden_units": (64, 64)}


def with_defaults_of_0_1_0(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Adds the arguments that a file of version 0.1.0 leaves out.

    Args:
      name: Name of one of our classes.
      parameters: Dictionary of its constructor arguments.

    Returns:
      Dictionary of all arguments that the class had in that version.
    """
    defaults = DEFAULTS.get(name, {})
    if name == "RealNVP":
        defaults = {**defaults, **(VECTORS if len(parameters["event_shape"]) == 1 else IMAGES)}
    return {**defaults, **parameters}
