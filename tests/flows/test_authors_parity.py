"""Agreement with the authors' released code, number by number."""

import authors_weights
import golden
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

import tfp_realnvp as rnvp
from tfp_realnvp.networks.coupling_network import ChannelNetwork, CheckerboardNetwork
from tfp_realnvp.networks.inner_batch_norm import InnerBatchNorm
from tfp_realnvp.networks.residual_network import ResidualNetwork
from tfp_realnvp.networks.weight_norm_conv import WeightNormConv2D

both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def suffix(dtype):
    return "" if dtype == "float32" else "_f64"


each_model = pytest.mark.parametrize(
    "name, dtype",
    [
        (golden.MODELS[0], "float32"),
        (golden.MODELS[0], "float64"),
        (golden.MODELS[1], "float64"),
        pytest.param(golden.MODELS[1], "float32", marks=pytest.mark.slow),
    ],
)


@each_model
def test_encodes(name, dtype):
    arrays, deviation = golden.load(name), golden.DEVIATION[name]
    flow = golden.flow(name, dtype)
    x = tf.constant(arrays["x" + suffix(dtype)])
    golden.assert_close(flow.inverse(x), arrays, "eval_z", dtype, deviation["eval_z"])
    log_det = flow.inverse_log_det_jacobian(x, 3)
    golden.assert_close(log_det, arrays, "eval_log_det", dtype, deviation["eval_log_det"])


@each_model
def test_decodes(name, dtype):
    arrays, deviation = golden.load(name), golden.DEVIATION[name]
    flow = golden.flow(name, dtype)
    z = tf.constant(arrays["dec_z"], dtype)
    golden.assert_close(flow.forward(z), arrays, "dec_x", dtype, deviation["dec_x"])
    log_det = flow.forward_log_det_jacobian(z, 3)
    golden.assert_close(log_det, arrays, "dec_log_det", dtype, deviation["eval_log_det"])
    x = flow.forward(z, training=True)
    golden.assert_close(x, arrays, "dec_train_x", dtype, deviation["dec_x"])


@each_model
def test_trains(name, dtype):
    arrays, deviation = golden.load(name), golden.DEVIATION[name]
    flow = golden.flow(name, dtype)
    x = tf.constant(arrays["x" + suffix(dtype)])
    z = flow.inverse(x, training=True)
    golden.assert_close(z, arrays, "train_z", dtype, deviation["train_z"])
    log_det = flow.inverse_log_det_jacobian(x, 3, training=True)
    golden.assert_close(log_det, arrays, "train_log_det", dtype, deviation["train_log_det"])
    variables = authors_weights.named_variables(flow)
    moving = golden.below(arrays, "after_train/")
    for variable in moving:
        if not variable.endswith("/step"):
            golden.assert_close(
                variables[variable], arrays, f"after_train/{variable}", dtype, deviation["after_train"]
            )


@each_model
@pytest.mark.parametrize("training", [False, True])
def test_likelihood_of_pixels(name, dtype, training):
    arrays, deviation = golden.load(name), golden.DEVIATION[name]
    dist = rnvp.image_distribution(golden.flow(name, dtype))
    pixels = arrays["image_uint8"] + arrays["noise"].astype(dtype)
    log_prob = dist.log_prob(pixels, bijector_kwargs=rnvp.bijector_kwargs(dist.bijector, training=training))
    bits = rnvp.bits_per_dim(log_prob, dist.event_shape)
    mode = "train" if training else "eval"
    golden.assert_close(bits, arrays, f"{mode}_bits_per_dim", dtype, deviation["eval_bits_per_dim"])


@pytest.mark.parametrize(
    "name, dtype",
    [
        (golden.MODELS[0], "float32"),
        (golden.MODELS[0], "float64"),
        pytest.param(golden.MODELS[1], "float32", marks=pytest.mark.slow),
    ],
)
def test_gradients(name, dtype):
    arrays, deviation = golden.load(name), golden.DEVIATION[name]
    flow = golden.flow(name, dtype)
    model = rnvp.FlowModel(rnvp.image_distribution(flow))
    pixels = tf.constant(arrays["image_uint8"] + arrays["noise"].astype(dtype))
    variables = {n: v for n, v in authors_weights.named_variables(flow).items() if v.trainable}
    with tf.GradientTape() as tape:
        # The authors' density is over pixels divided by 256, which changes no gradient.
        cost = -tf.reduce_mean(model(pixels, training=True)) + tf.cast(tf.add_n(model.losses), dtype)
    gradients = tape.gradient(cost, list(variables.values()))
    l2 = sum(model.losses) / 5e-5
    np.testing.assert_allclose(l2, arrays["l2_reg"], rtol=1e-6)  # Keras adds losses up in float32.
    expected = golden.below(arrays, "grad/", "_f64" if dtype == "float64" else "")
    assert expected.keys() == variables.keys()
    norm = np.sqrt(sum((g**2).sum() for g in expected.values()))
    for variable, value in zip(variables, gradients, strict=True):
        largest = np.abs(expected[variable]).max()
        atol = 1e-9 * norm if dtype == "float64" else 5e-6 * largest + 10 * deviation["grad_norm"] * norm
        np.testing.assert_allclose(value, expected[variable], rtol=0, atol=atol, err_msg=variable)
    np.testing.assert_allclose(
        tf.linalg.global_norm(gradients),
        arrays["grad_norm" + suffix(dtype)],
        rtol=1e-5 if dtype == "float32" else 1e-9,
    )


def test_loader_names_what_is_left_over():
    arrays = golden.load(golden.MODELS[0])
    weights = golden.below(arrays, "weights/")
    flow = golden.flow(golden.MODELS[0], "float32")
    with pytest.raises(ValueError, match="unknown"):
        authors_weights.assign(flow, {**weights, "unknown": np.zeros(3)})
    missing = next(n for n in weights if not n.endswith("/step"))
    with pytest.raises(ValueError, match=missing):
        authors_weights.assign(flow, {n: w for n, w in weights.items() if n != missing})


@pytest.mark.parametrize(
    "order, theirs", [("channel_major", "squeeze_2x2"), ("ordered", "squeeze_2x2_ordered")]
)
@pytest.mark.parametrize("channels", ["", "_1ch"])
def test_squeezes(order, theirs, channels):
    ops = golden.load("ops")
    x = ops[f"squeeze/in{channels}"]
    squeezed = rnvp.Squeeze(order).forward(x)
    np.testing.assert_array_equal(squeezed, ops[f"squeeze/{theirs}{channels}"])
    np.testing.assert_array_equal(rnvp.Squeeze(order).inverse(tf.identity(squeezed)), x)


@both_dtypes
def test_logit_of_pixels(dtype):
    ops = golden.load("ops")
    identity = tfp.bijectors.Shift(tf.zeros([], dtype))
    dist = rnvp.image_distribution(identity, event_shape=ops["logit/x"].shape[1:])
    pixels = tf.constant(ops["logit/image_uint8"] + ops["logit/noise"].astype(dtype))
    golden.assert_close(dist.bijector.inverse(pixels), ops, "logit/x", dtype, 1e-6)
    volume = dist.bijector.inverse_log_det_jacobian(pixels, 3) + np.log(256.0) * np.prod(pixels.shape[1:])
    golden.assert_close(volume, ops, "logit/transform_cost", dtype, 1e-5)


def load_weights(names, ops, prefix):
    """Sets Keras variables by their authors' names below `weights/<prefix>`."""
    weights = {k: v for k, v in golden.below(ops, f"weights/{prefix}/").items() if not k.endswith("step")}
    assert names.keys() == weights.keys()
    for name, variable in names.items():
        variable.assign(weights[name])


def assert_moved(names, ops, prefix, dtype):
    for name, variable in names.items():
        if name.endswith(("mean", "var")):
            golden.assert_close(variable.numpy(), ops, f"after_train/{prefix}/{name}", dtype, 1e-6)


@both_dtypes
@pytest.mark.parametrize(
    "variant, kernel_size, magnitude, bias",
    [
        ("plain3x3", 3, False, False),
        ("bias3x3", 3, False, True),
        ("full3x3", 3, True, True),
        ("full1x1", 1, True, True),
    ],
)
def test_convolutions(variant, kernel_size, magnitude, bias, dtype):
    ops = golden.load("ops")
    layer = WeightNormConv2D(4, kernel_size, use_magnitude=magnitude, use_bias=bias, dtype=dtype)
    layer.build(ops["conv/in"].shape)
    load_weights(authors_weights.conv_names("", layer), ops, f"conv/{variant}")
    golden.assert_close(layer(tf.constant(ops["conv/in"], dtype)), ops, f"conv/{variant}_out", dtype, 1e-6)


@both_dtypes
def test_InnerBatchNorm(dtype):
    ops = golden.load("ops")
    layer = InnerBatchNorm(dtype=dtype)
    x = tf.constant(ops["batch_norm/in"], dtype)
    layer.build(x.shape)
    names = {"bn_in/" + k: v for k, v in authors_weights.moment_names("", layer).items()} | {
        "bn_in/beta": layer.beta
    }
    load_weights(names, ops, "bn")
    golden.assert_close(layer(x), ops, "batch_norm/layer_eval_out", dtype, 1e-6)
    golden.assert_close(layer(x, training=True), ops, "batch_norm/layer_train_out", dtype, 1e-6)
    assert_moved(names, ops, "bn", dtype)


@both_dtypes
@pytest.mark.parametrize(
    "variant, arguments",
    [
        ("resnet_b2_skip", {"num_residual_blocks": 2}),
        ("resnet_b1_noskip", {"num_residual_blocks": 1, "skip": False}),
        ("resnet_b1_bottleneck", {"num_residual_blocks": 1, "bottleneck": True}),
        ("resnet_b1_nobn", {"num_residual_blocks": 1, "use_batch_norm": False}),
        ("resnet_b0", {"num_residual_blocks": 0}),
    ],
)
def test_residual_networks(variant, arguments, dtype):
    ops = golden.load("ops")
    x = tf.constant(ops["resnet/in"], dtype)
    network = ResidualNetwork(6, 4, **arguments, dtype=dtype)
    network.build(x.shape)
    names = authors_weights.resnet_names("", network)
    load_weights(names, ops, variant)
    golden.assert_close(network(x), ops, f"resnet/{variant}/eval_out", dtype, 1e-6)
    golden.assert_close(network(x, training=True), ops, f"resnet/{variant}/train_out", dtype, 1e-6)


@both_dtypes
@pytest.mark.parametrize(
    "variant",
    ["masked_mask1", "masked_mask0", "masked_mask1_nobn"]
    + [f"channel_change_bottom_{x}" for x in ("true", "false", "true_nobn")],
)
def test_couplings(variant, dtype):
    ops = golden.load("ops")
    x = tf.constant(ops[f"coupling/{variant}/in"], dtype)
    event_shape = tuple(x.shape[1:])
    checkerboard, use_batch_norm = variant.startswith("masked"), not variant.endswith("nobn")
    network_class = CheckerboardNetwork if checkerboard else ChannelNetwork
    make_mask = rnvp.checkerboard_mask if checkerboard else rnvp.channel_mask
    invert = "mask0" in variant or "bottom_false" in variant
    mask = make_mask(event_shape, invert)
    network = network_class(
        event_shape[-1], invert, filters=4, num_residual_blocks=1, use_batch_norm=use_batch_norm, dtype=dtype
    )
    network.build(x.shape)
    names = authors_weights.coupling_names("", network)
    members = [rnvp.AffineCoupling(mask, network)]
    if use_batch_norm:
        members.append(rnvp.BatchNormalization(event_shape, mask, center=False, scale=False, dtype=dtype))
        names |= authors_weights.moment_names("bn_out/", members[-1].layer)
    load_weights(names, ops, variant)
    flow = rnvp.Chain(members)
    prefix = f"coupling/{variant}"

    def log_diff(name):
        return ops[f"{prefix}/{name}" + suffix(dtype)].sum(axis=(1, 2, 3))

    rtol = 1e-5 if dtype == "float32" else 1e-9
    golden.assert_close(flow.inverse(x), ops, f"{prefix}/eval_out", dtype, 1e-6)
    np.testing.assert_allclose(
        flow.inverse_log_det_jacobian(x, 3), log_diff("eval_log_diff"), rtol=rtol, atol=rtol
    )
    back = tf.constant(ops[f"{prefix}/reverse_in"], dtype)
    golden.assert_close(flow.forward(back), ops, f"{prefix}/reverse_out", dtype, 1e-6)
    np.testing.assert_allclose(
        flow.forward_log_det_jacobian(back, 3), log_diff("reverse_log_diff"), rtol=rtol, atol=rtol
    )
    z = flow.inverse(x, training=True)
    golden.assert_close(z, ops, f"{prefix}/train_out", dtype, 1e-6)
    log_det = flow.inverse_log_det_jacobian(x, 3, training=True)
    np.testing.assert_allclose(log_det, log_diff("train_log_diff"), rtol=rtol, atol=rtol)
    assert_moved(names, ops, variant, dtype)
    load_weights(names, ops, variant)
    golden.assert_close(flow.forward(back, training=True), ops, f"{prefix}/reverse_train_out", dtype, 1e-6)
