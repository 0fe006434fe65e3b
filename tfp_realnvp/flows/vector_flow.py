"""A flow of couplings over vectors."""

from collections.abc import Sequence

from tfp_realnvp.bijectors.bijector import Bijector
from tfp_realnvp.bijectors.masks import channel_mask
from tfp_realnvp.flows.steps import Steps
from tfp_realnvp.networks.mlp import MLP


def vector_flow(
    steps: Steps, shape: tuple[int, ...], num_couplings: int, hidden_units: Sequence[int]
) -> list[Bijector]:
    """Makes the members of a vector flow, from data to latents: couplings that keep each half in turn.

    Args:
      steps: `Steps`, which makes couplings and batch norms.
      shape: `(dimensions,)`.
      num_couplings, hidden_units: See `RealNVP`.

    Returns:
      List of bijectors.
    """
    network = {
        "event_size": shape[0],
        "hidden_units": tuple(hidden_units),
        "conditional_event_size": steps.condition and steps.condition[0],
    }
    members = []
    for i in range(num_couplings):
        members += steps.step(shape, channel_mask(shape, invert=i % 2 == 1), MLP, f"coupling_{i}", **network)
    return members
