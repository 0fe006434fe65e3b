"""Flows of normflows, in PyTorch, to measure."""

import normflows
import torch

normal = normflows.distributions.DiagGaussian


def dense_couplings(dimensions, width, couplings, batch):
    """Couplings of dense networks with swaps between."""
    half = dimensions // 2
    flows = []
    for _ in range(couplings):
        network = normflows.nets.MLP([half, width, width, dimensions])
        flows += [normflows.flows.AffineCouplingBlock(network), normflows.flows.Permute(dimensions, "swap")]
    model = normflows.NormalizingFlow(normal(dimensions, trainable=False), flows)
    return _functions(model, torch.randn(batch, dimensions))


def glow(blocks, steps, width, batch):
    """`normflows.MultiscaleFlow` of `GlowBlock`s."""
    bases, merges, flows = [], [], []
    for i in range(blocks):
        level = [
            normflows.flows.GlowBlock(3 * 2 ** (blocks + 1 - i), width, split_mode="channel", scale=True)
            for _ in range(steps)
        ]
        flows.append([*level, normflows.flows.Squeeze()])
        side = 32 // 2 ** (blocks - i)
        if i > 0:
            merges.append(normflows.flows.Merge())
            bases.append(normal((3 * 2 ** (blocks - i), side, side), trainable=False))
        else:
            bases.append(normal((3 * 2 ** (blocks + 1), side, side), trainable=False))
    return _functions(normflows.MultiscaleFlow(bases, flows, merges), torch.randn(batch, 3, 32, 32))


def _functions(model, x):
    parameters = list(model.parameters())
    call = {"y": None} if isinstance(model, normflows.MultiscaleFlow) else {}  # `y` has no default.
    model.log_prob(x, **call)  # Initialises actnorm.

    def step():
        torch.autograd.grad(-model.log_prob(x, **call).mean(), parameters, allow_unused=True)

    @torch.no_grad()
    def log_prob():
        model.log_prob(x, **call)

    @torch.no_grad()
    def sample():
        model.sample(len(x))

    return {"step": step, "log_prob": log_prob, "sample": sample}
