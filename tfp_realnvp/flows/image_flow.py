"""The multi-scale architecture of the paper's image flow (sections 3.6 and 4.1)."""

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from tfp_realnvp.bijectors import Chain, FactorOut, Squeeze
from tfp_realnvp.bijectors.masks import channel_mask, checkerboard_mask
from tfp_realnvp.flows.steps import Couplings
from tfp_realnvp.networks.coupling_network import ChannelNetwork, CheckerboardNetwork
from tfp_realnvp.utils.hints import Shape

tfb = tfp.bijectors


def multi_scale(
    couplings: Couplings,
    shape: Shape,
    scale: int,
    num_scales: int,
    filters: int,
    network: dict[str, Any],
    rescale_latents: bool,
    recompute: bool,
) -> list[tfp.bijectors.Bijector]:
    """Members of a scale of an image flow and all below it, from data to latents."""
    height, width, channels = shape
    network = {**network, "conditional_channels": couplings.condition and couplings.condition[-1]}
    name = f"scale_{scale}"
    last = scale == num_scales - 1
    member, members = couplings.member, []
    for i in range(4 if last else 3):
        odd = i % 2 == 1
        members += couplings(
            shape,
            checkerboard_mask(shape, invert=odd),
            CheckerboardNetwork,
            f"{name}_coupling_{i}",
            channels=channels,
            invert=odd,
            filters=filters,
            **network,
        )
    if last:
        if rescale_latents:  # Of checkerboard couplings' batch norms they have a variance of 2.
            factor, validate_args = tf.constant(2**0.5, member["dtype"]), member["validate_args"]
            members.append(tfb.Scale(factor, validate_args=validate_args, name=f"{name}_rescaling"))
        return members
    squeezed = height // 2, width // 2, 4 * channels
    members.append(tfb.Invert(Squeeze(name=f"{name}_squeeze", **member)))
    for i in (4, 5, 6):
        odd = i % 2 == 1
        members += couplings(
            squeezed,
            channel_mask(squeezed, invert=odd),
            ChannelNetwork,
            f"{name}_coupling_{i}",
            channels=4 * channels,
            invert=odd,
            filters=2 * filters,
            **network,
        )
    half = height // 2, width // 2, 2 * channels
    below = multi_scale(
        couplings, half, scale + 1, num_scales, 2 * filters, network, rescale_latents, recompute
    )
    below = Chain(below, recompute=recompute, name=f"scale_{scale + 1}", **member)
    return [
        *members,
        Squeeze(name=f"{name}_unsqueeze", **member),
        tfb.Invert(Squeeze("ordered", name=f"{name}_ordered_squeeze", **member)),
        FactorOut(below, validate_args=member["validate_args"], name=f"{name}_factor_out"),
        Squeeze("ordered", name=f"{name}_ordered_unsqueeze", **member),
    ]


def default_num_scales(shape: Shape) -> int:
    """Scales down to 4 x 4 pixels, or to where a side is odd."""
    height, width, _ = shape
    num_scales = 1
    while min(height, width) > 4 and height % 2 == width % 2 == 0:
        height, width, num_scales = height // 2, width // 2, num_scales + 1
    return num_scales


def check_num_scales(shape: Shape, num_scales: int) -> None:
    factor = 2 ** (num_scales - 1)
    height, width, _ = shape
    if height % factor or width % factor or min(height, width) // factor < 2:
        raise ValueError(
            f"`num_scales` is too many for the image: for {num_scales} scales, height and width must be "
            f"multiples of {factor} and at least {2 * factor}; got `event_shape` {tuple(shape)}."
        )
