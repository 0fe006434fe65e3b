"""Checks the arguments of `RealNVP`: which apply to an event's rank, and their allowed values."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from tfp_realnvp.flows.scales import check_num_scales, default_num_scales
from tfp_realnvp.utils.arguments import check_bool, check_integer, check_number

IMAGES: dict[str, Any] = {
    "num_scales": None,  # `default_num_scales`.
    "num_residual_blocks": 4,
    "base_filters": 32,
    "skip": True,
    "bottleneck": False,
    "rescale_latents": True,
}
VECTORS: dict[str, Any] = {"num_couplings": 8, "hidden_units": (64, 64)}
"""Arguments for one rank of events only, with their defaults."""

LEAST = {"num_scales": 1, "num_residual_blocks": 0, "base_filters": 1, "num_couplings": 2}
ANY_RANK = "use_batch_norm", "use_running_average", "synchronized", "recompute"


def checked_arguments(
    given: Mapping[str, Any], shape: tuple[int, ...], condition: tuple[int, ...] | None
) -> dict[str, Any]:
    """Checks the arguments of `RealNVP`.

    Args:
      given: Dictionary of all arguments.
      shape: Shape of an event.
      condition: Shape of a condition, or None.

    Returns:
      Dictionary of the arguments for this rank of events only, with defaults in place of None.

    Raises:
      TypeError: if an argument has the wrong type.
      ValueError: if an argument is out of range, or does not apply to this rank.
    """
    for name in (*ANY_RANK, "skip", "bottleneck", "rescale_latents"):
        check_bool(given[name], name)
    if given["synchronized"] and given["recompute"]:
        raise ValueError("`synchronized` must be False where `recompute` is True; got True for both.")
    check_number(given["batch_norm_momentum"], "batch_norm_momentum", "in [0, 1)", lambda m: 0 <= m < 1)
    if len(shape) not in (1, 3):
        raise ValueError(f"`event_shape` must be (height, width, channels) or (dimensions,); got {shape}.")
    own, foreign = (VECTORS, IMAGES) if len(shape) == 1 else (IMAGES, VECTORS)
    for name, default in foreign.items():
        if given[name] is not None and not (isinstance(default, bool) and given[name] == default):
            raise ValueError(f"`{name}` has no meaning for events of rank {len(shape)}; got {given[name]!r}.")
    options = {name: default if given[name] is None else given[name] for name, default in own.items()}
    for name, least in LEAST.items():
        if options.get(name) is not None:
            check_integer(options[name], name, least=least)
    if len(shape) == 1:
        _check_vectors(shape, condition, options)
    else:
        _check_images(shape, condition, options)
        options["num_scales"] = options["num_scales"] or default_num_scales(shape)
    return options


def _check_vectors(shape, condition, options):
    if not isinstance(options["hidden_units"], Sequence):
        raise TypeError(f"`hidden_units` must be a sequence of integers; got {options['hidden_units']!r}.")
    for units in options["hidden_units"]:
        check_integer(units, "hidden_units", least=1)
    if shape[0] < 2:
        raise ValueError(f"`event_shape` must have at least 2 dimensions for a coupling; got {shape}.")
    _check_condition(condition is None or len(condition) == 1, condition, shape)


def _check_images(shape, condition, options):
    if min(shape[:2]) < 2:
        raise ValueError(
            f"`event_shape` must have a height and a width of at least 2 for a coupling; got {shape}."
        )
    _check_condition(
        condition is None or len(condition) == 1 or condition[:-1] == shape[:-1], condition, shape
    )
    check_num_scales(shape, options["num_scales"] or 1)


def _check_condition(is_allowed, condition, shape):
    if not is_allowed:
        raise ValueError(
            "`conditional_event_shape` must be (size,), or (height, width, channels) as large as an image "
            f"event; got {condition} for events of shape {shape}."
        )


def checked_policy(dtype_policy: Any, dtype: str) -> keras.DTypePolicy:
    """Returns the dtype policy of the networks.

    Args:
      dtype_policy: Keras policy, its name, or None for the global one if its variables have
        `dtype`, else `dtype`.
      dtype: Python `str`, dtype of the flow and so of the variables.

    Returns:
      `keras.DTypePolicy`.

    Raises:
      ValueError: if it is not a policy, or its variables do not have `dtype`.
    """
    if dtype_policy is None:
        policy = keras.config.dtype_policy()
        return policy if policy.variable_dtype == dtype else keras.DTypePolicy(dtype)
    try:
        policy = keras.dtype_policies.get(dtype_policy)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`dtype_policy` must be a policy of Keras or its name; got {dtype_policy!r}."
        ) from error
    if policy.variable_dtype != dtype:
        raise ValueError(
            f"`dtype_policy` must have variables of the flow's `dtype`, {dtype}; got {policy.name!r}."
        )
    return policy
