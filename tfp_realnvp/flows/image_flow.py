"""The multi-scale architecture of the paper's image flow (sections 3.6 and 4.1)."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import Chain, FactorOut, Squeeze
from tfp_realnvp.bijectors.masks import channel_mask, checkerboard_mask
from tfp_realnvp.flows.scales import halved
from tfp_realnvp.flows.steps import Steps
from tfp_realnvp.networks.coupling_network import ChannelNetwork, CheckerboardNetwork
from tfp_realnvp.utils.hints import Shape

tfb = tfp.bijectors


def image_flow(
    steps: Steps,
    shape: Shape,
    num_scales: int,
    base_filters: int,
    rescale_latents: bool,
    recompute: bool,
    **network: Any,
) -> list[tfp.bijectors.Bijector]:
    """Makes the members of an image flow, from data to latents.

    Args:
      steps: `Steps`, which makes couplings and batch norms.
      shape: `(height, width, channels)`.
      num_scales, base_filters, rescale_latents, recompute: See `RealNVP`.
      **network: Further arguments of `CouplingNetwork`.

    Returns:
      List of bijectors.
    """
    network |= {
        "conditional_channels": steps.condition and steps.condition[-1],
        "use_batch_norm": steps.norm is not None,
    }
    rescale_latents &= steps.norm is not None
    return _scales(steps, shape, range(num_scales), base_filters, rescale_latents, recompute, network)


def _scales(steps, shape, numbers, filters, rescale_latents, recompute, network):
    """Makes the members of the scales with these numbers, the finest first."""
    name, is_last = f"scale_{numbers[0]}", len(numbers) == 1
    members = _couplings(steps, shape, range(4 if is_last else 3), name, filters, network)
    if is_last:
        if rescale_latents:  # Batch norms after checkerboard couplings give latents a variance of 2.
            factor, validate_args = tf.constant(2**0.5, steps.common["dtype"]), steps.common["validate_args"]
            members.append(tfb.Scale(factor, validate_args=validate_args, name=f"{name}_rescaling"))
        return members
    height, width, channels = half = halved(shape)
    members.append(tfb.Invert(Squeeze(name=f"{name}_squeeze", **steps.common)))
    squeezed = height, width, 2 * channels
    members += _couplings(steps, squeezed, range(4, 7), name, 2 * filters, network, is_by_channel=True)
    below = _scales(steps, half, numbers[1:], 2 * filters, rescale_latents, recompute, network)
    below = Chain(below, recompute=recompute, name=f"scale_{numbers[1]}", **steps.common)
    return [
        *members,
        Squeeze(name=f"{name}_unsqueeze", **steps.common),
        tfb.Invert(Squeeze("ordered", name=f"{name}_ordered_squeeze", **steps.common)),
        FactorOut(below, validate_args=steps.common["validate_args"], name=f"{name}_factor_out"),
        Squeeze("ordered", name=f"{name}_ordered_unsqueeze", **steps.common),
    ]


def _couplings(steps, shape, numbers, name, filters, network, is_by_channel=False):
    """Makes steps that keep the two parts of a checkerboard, or of the channels, in turn."""
    mask_of, network_class = (
        (channel_mask, ChannelNetwork) if is_by_channel else (checkerboard_mask, CheckerboardNetwork)
    )
    members = []
    for i in numbers:
        odd = i % 2 == 1
        config = {"channels": shape[-1], "invert": odd, "filters": filters, **network}
        members += steps.step(shape, mask_of(shape, odd), network_class, f"{name}_coupling_{i}", **config)
    return members
