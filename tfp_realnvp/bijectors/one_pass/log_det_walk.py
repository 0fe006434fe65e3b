"""Distinguishes TFP's requests for values on the way to a log-determinant from a user's requests."""

import sys
import types

import tensorflow_probability as tfp

tfb = tfp.bijectors

# A TFP composition requests the value of each member, then all log-determinants. It requests the values in
# functions defined inside the method below. Their code objects identify them; names could be ambiguous.
_WALK = {
    constant
    for constant in tfb.Composition._get_bijectors_with_metadata.__code__.co_consts
    if isinstance(constant, types.CodeType)
}
_BIJECTORS = "tensorflow_probability.python.bijectors"
_PASSED = {  # Requests pass through members' public methods, and wrappers that return values unchanged.
    "tensorflow_probability.python.internal.cache_util",
    *(f"{_BIJECTORS}.{name}" for name in ("bijector", "chain", "composition", "invert", "joint_map")),
    "tfp_realnvp.bijectors.bijector",
    __name__,
}


def on_the_way_to_a_log_det() -> bool:
    """True if a TFP composition requests a value of the calling bijector, and next its log-determinant.

    Only then may the bijector return a value that it has computed before.
    """
    frame: types.FrameType | None = sys._getframe()
    while frame is not None and frame.f_code not in _WALK and frame.f_globals.get("__name__") in _PASSED:
        frame = frame.f_back
    return frame is not None and frame.f_code in _WALK
