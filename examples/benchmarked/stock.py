"""Flows of TensorFlow Probability itself, to measure."""

import tensorflow as tf
import tensorflow_probability as tfp
from benchmarked.flows import dense
from benchmarked.timed import functions

tfb = tfp.bijectors


def dense_couplings(dimensions, width, couplings, batch, jit=False):
    """`tfb.RealNVP` with permutations between."""
    half = dimensions // 2
    networks = [dense(half, width, dimensions) for _ in range(couplings)]
    members = []
    for network in networks:
        members += [tfb.RealNVP(half, shift_and_log_scale_fn=_split(network)), _swap(dimensions)]
    variables = [v.value for network in networks for v in network.trainable_variables]
    return functions(tfb.Chain(members), (dimensions,), batch, jit, variables=variables)


def _split(network):
    return lambda x, output_units, **kwargs: tf.split(network(x), 2, axis=-1)


def _swap(dimensions):
    half = dimensions // 2
    return tfb.Permute([*range(half, dimensions), *range(half)])


def glow(blocks, steps, width, batch, jit=False):
    """`tfb.Glow` with its own networks; its latents have one axis."""
    flow = tfb.Glow(
        (32, 32, 3),
        num_glow_blocks=blocks,
        num_steps_per_block=steps,
        coupling_bijector_fn=lambda shape: tfb.GlowDefaultNetwork(shape, num_hidden=width),
        exit_bijector_fn=tfb.GlowDefaultExitNetwork,
    )
    return functions(tfb.Chain([flow, tfb.Reshape([3072], [32, 32, 3])]), (32, 32, 3), batch, jit)
