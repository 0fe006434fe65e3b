"""Keras's own test of a layer, on each of ours; and that layers honour the arguments they take."""

import keras
import numpy as np
import pytest
from keras.src import testing

from tfp_realnvp.networks.coupling_network import ChannelNetwork, CheckerboardNetwork
from tfp_realnvp.networks.inner_batch_norm import InnerBatchNorm
from tfp_realnvp.networks.mlp import MLP
from tfp_realnvp.networks.residual_network import PreActivatedConv, ResidualBlock, ResidualNetwork
from tfp_realnvp.networks.weight_norm_conv import WeightNormConv2D

pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")  # By Keras's test itself.
NETWORK = {"filters": 2, "num_residual_blocks": 1}
COUPLING = {"channels": 2, "invert": False, **NETWORK}
PAIR = ((2, 4, 4, 2), (2, 4, 4, 2))
LAYERS = {
    "conv": (WeightNormConv2D, {"filters": 3, "kernel_size": 3}, (2, 4, 4, 3)),
    "conv_plain": (
        WeightNormConv2D,
        {"filters": 3, "kernel_size": 1, "use_magnitude": False, "use_bias": False},
        (2, 4, 4, 3),
    ),
    "norm": (InnerBatchNorm, {}, (2, 4, 4, 2)),
    "norm_with_scale": (InnerBatchNorm, {"scale": True}, (2, 4, 4, 2)),
    "norm_without_center": (InnerBatchNorm, {"center": False}, (2, 4, 4, 2)),
    "pre_activated_conv": (
        PreActivatedConv,
        {"filters": 3, "kernel_size": 3, "use_batch_norm": True},
        (2, 4, 4, 3),
    ),
    "block": (
        ResidualBlock,
        {"filters": 2, "bottleneck": True, "use_batch_norm": True},
        (2, 4, 4, 2),
    ),
    "residual_network": (ResidualNetwork, {"outputs": 3, **NETWORK}, (2, 4, 4, 3)),
    "residual_network_plain": (
        ResidualNetwork,
        {"outputs": 3, **NETWORK, "num_residual_blocks": 0, "use_batch_norm": False},
        (2, 4, 4, 3),
    ),
    "checkerboard_network": (CheckerboardNetwork, COUPLING, PAIR),
    "channel_network": (ChannelNetwork, {**COUPLING, "use_batch_norm": False}, PAIR),
}


@pytest.mark.parametrize(("cls", "arguments", "shape"), LAYERS.values(), ids=LAYERS)
def test_as_keras_tests_layers(cls, arguments, shape):
    testing.TestCase().run_layer_test(
        cls,
        init_kwargs=arguments,
        input_shape=(2, 4, 4, 2),
        expected_output_shape=shape,
        run_training_check="center" not in arguments,  # It has nothing to train.
    )


def test_mlp_as_keras_tests_layers():
    testing.TestCase().run_layer_test(
        MLP,
        init_kwargs={"event_size": 4, "hidden_units": (3,)},
        input_shape=(2, 4),
        expected_output_shape=((2, 4), (2, 4)),
    )


@pytest.mark.parametrize(
    "arguments",
    [
        {"scale": True},
        {"center": False},
        {"axis": 1},
        {"epsilon": 1e-7},
        {"momentum": 0.5, "gamma_initializer": "zeros", "scale": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_inner_batch_norm_honours_the_arguments_of_keras(arguments, policy):
    ours = InnerBatchNorm(dtype=policy, **arguments)
    keras_s = keras.layers.BatchNormalization(
        dtype=policy, **{"scale": False, "momentum": 0.9, "epsilon": 1e-4, **arguments}
    )
    x = np.random.default_rng(0).normal(2.0, 3e-3, (3, 4, 4, 2)).astype("float32")
    for layer in (ours, keras_s):
        layer.build(x.shape)
        for i, v in enumerate(layer.trainable_variables):
            v.assign(v + np.arange(v.shape[0]) + i)
    for training in (True, False):
        a, b = (np.asarray(layer(x, training=training), "float32") for layer in (ours, keras_s))
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=1e-3)
    for a, b in zip(ours.variables, keras_s.variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_inner_batch_norm_takes_a_mask():
    layer = InnerBatchNorm(momentum=0.0)
    x = np.float32([[[[1.0]], [[3.0]]]])
    layer(x, training=True, mask=np.array([[[True], [False]]]))
    np.testing.assert_allclose(layer.moving_mean, [1.0], rtol=1e-6)


def test_in_low_precision_a_convolution_says_what_it_gives():
    layer = WeightNormConv2D(3, 3, dtype="mixed_float16")
    x = keras.Input((4, 4, 2), dtype="float16")
    assert layer(x).dtype == layer(np.ones((1, 4, 4, 2), "float16")).dtype == "float16"
