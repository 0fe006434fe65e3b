"""Mixed precision is for training: elsewhere networks compute in the dtype of their variables.

In `forward` and `inverse` a network sees the same input but for rounding. One that computes
in bfloat16 turns that into differences which do not cancel: the inverse is then not one.
"""

import contextlib


@contextlib.contextmanager
def full_precision(layer):
    """Within it a Keras layer, and every layer in it, computes in the dtype of its variables."""
    mixed = [
        x
        for x in layer._flatten_layers()
        if x.compute_dtype != x.variable_dtype and x.quantization_mode is None
    ]
    policies = [x.dtype_policy for x in mixed]
    for x in mixed:
        x.dtype_policy = x.variable_dtype
    try:
        yield
    finally:
        for x, policy in zip(mixed, policies, strict=True):
            x.dtype_policy = policy
