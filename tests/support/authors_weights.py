"""The authors' names for the variables of a `RealNVP`, and loading their weights."""

import re

from tfp_realnvp.bijectors import AffineCoupling, BatchNormalization, FactorOut
from tfp_realnvp.networks.coupling_network import CheckerboardNetwork


def named_variables(flow):
    """Returns a dictionary from the authors' names to the `tf.Variable`s of a `RealNVP`."""
    names = {}
    for bijector in _members(flow):
        if isinstance(bijector, AffineCoupling):
            names |= coupling_names(f"{_prefix(bijector.name)}/", bijector.conditioner)
        elif isinstance(bijector, BatchNormalization):
            names |= moment_names(f"{_prefix(bijector.name)}/bn_out/", bijector.layer)
    return {name: v._value for name, v in names.items()}


def assign(flow, weights):
    """Sets the variables of `flow` from the authors' arrays.

    Args:
      flow: A `RealNVP` for images.
      weights: Dictionary from the authors' names to arrays, of which those that end in
        `/step` are ignored.

    Raises:
      ValueError: if a name is left over on either side.
    """
    variables = named_variables(flow)
    weights = {name: value for name, value in weights.items() if not name.endswith("/step")}
    odd = sorted(variables.keys() ^ weights.keys())
    if odd:
        raise ValueError(f"Names on one side only: {odd[:10]} ({len(odd)} in all).")
    for name, variable in variables.items():
        variable.assign(weights[name].astype(variable.dtype.as_numpy_dtype))


def _members(chain):
    for bijector in chain.bijectors:
        if isinstance(bijector, FactorOut):
            yield from _members(bijector.bijector)
        else:
            yield bijector


def _prefix(name):
    scale, coupling = re.match(r"scale_(\d+)_coupling_(\d+)", name).groups()
    return f"model/scale_{scale}/coupling_{coupling}"


def coupling_names(prefix, network):
    checkerboard = isinstance(network, CheckerboardNetwork)
    names = {prefix + ("rescaling_scale" if checkerboard else "scale"): network.gain}
    if network.use_batch_norm:
        names |= _norm(f"{prefix}bn_in/", network.bn_in)
    else:
        names[f"{prefix}scale_shift"] = network.offset
    return names | resnet_names(f"{prefix}resnet/", network.resnet)


def resnet_names(prefix, resnet):
    if not resnet.blocks:
        names = conv_names(f"{prefix}h_0/", resnet.h_in)
        return names | _pre_activated(prefix, "bn_0", "out", resnet.out)
    names = conv_names(f"{prefix}h_in/", resnet.h_in)
    for i, skip in enumerate(resnet.skips):
        names |= conv_names(f"{prefix}skip_{i - 1 if i else 'in'}/", skip)
    for i, block in enumerate(resnet.blocks):
        plain = range(len(block.convs) - 1)
        norms = ["bn_in", *(f"bn_{j}" for j in plain)]
        convs = [*(f"h_{j}" for j in plain), "out"]
        for norm, conv, layer in zip(norms, convs, block.convs, strict=True):
            names |= _pre_activated(f"{prefix}block_{i}/", norm, conv, layer)
    return names | _pre_activated(prefix, "bn_pre_out", "out", resnet.out)


def _pre_activated(prefix, norm, conv, layer):
    norms = _norm(f"{prefix}{norm}/", layer.norm) if layer.norm else {}
    return norms | conv_names(f"{prefix}{conv}/", layer.conv)


def conv_names(prefix, layer):
    names = {f"{prefix}weights": layer.kernel}
    if layer.use_magnitude:
        names[f"{prefix}magnitude"] = layer.magnitude
    if layer.use_bias:
        names[f"{prefix}biases"] = layer.bias
    return names


def _norm(prefix, layer):
    return moment_names(prefix, layer) | {f"{prefix}beta": layer.beta}


def moment_names(prefix, layer):
    return {f"{prefix}mean": layer.moving_mean, f"{prefix}var": layer.moving_variance}
