"""Flows of this package, to measure."""

import contextlib
import dataclasses
import math

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from benchmarked.timed import functions, normal

import tfp_realnvp as rnvp
from tfp_realnvp.bijectors.conditioning.precision import full_precision
from tfp_realnvp.training.presets import PRESETS

tfb, tfd = tfp.bijectors, tfp.distributions


def real_nvp(event_shape, batch, jit=False, policy="float32", **options):
    """A `RealNVP`, and its bare networks."""
    flow = rnvp.RealNVP(event_shape, dtype_policy=policy, **options)
    measured = functions(flow, event_shape, batch, jit, rnvp.bijector_kwargs(flow, True))
    couplings = [b for b in flow.submodules if isinstance(b, rnvp.AffineCoupling)]
    return {**measured, **bare_networks(couplings, normal(batch, event_shape), flow.trainable_variables, jit)}


def bare_networks(couplings, x, variables, jit):
    """The networks without couplings: each takes the shift from the one before as its input."""

    def outputs(x, training):
        log_scales = []
        for coupling in couplings:
            event_shape = coupling.mask.shape
            x = tf.reshape(x, [len(x), -1])[:, : math.prod(event_shape)]
            x = tf.reshape(x, [-1, *event_shape])
            # A flow computes in full precision outside of training.
            with contextlib.nullcontext() if training else full_precision(coupling.conditioner):
                x, log_scale = coupling.conditioner(x, training=training)
            x, log_scale = tf.cast(x, tf.float32), tf.cast(log_scale, tf.float32)
            log_scales.append(log_scale)
        return x, log_scales

    @tf.function(jit_compile=jit)
    def step(x):
        with tf.GradientTape() as tape:
            x, log_scales = outputs(x, True)
            loss = tf.add_n([tf.reduce_sum(y) for y in (x, *log_scales)])
        return tape.gradient(loss, variables)

    forward = tf.function(lambda x: outputs(x, False), jit_compile=jit)
    return {"bare step": lambda: step(x), "bare forward": lambda: forward(x)}


def dense_couplings(dimensions, width, couplings, batch, jit=False):
    """Couplings with the same networks as `stock.dense_couplings`."""
    members = []
    for i in range(couplings):
        network = OfHalf(dense(dimensions // 2, width, dimensions), keeps_first=i % 2 == 0)
        members.append(rnvp.AffineCoupling(network.mask((dimensions,)), network, name=f"coupling_{i}"))
    return functions(rnvp.Chain(members), (dimensions,), batch, jit)


class OfHalf(keras.layers.Layer):
    """A conditioner that sees only the kept half of the channels and returns only the other half."""

    def __init__(self, network, keeps_first):
        super().__init__()
        self.network, self.keeps_first = network, keeps_first
        self.built = True

    def mask(self, event_shape):
        return rnvp.channel_mask(event_shape, invert=not self.keeps_first)

    def call(self, x):
        first, second = tf.split(x, 2, axis=-1)
        half = first.shape[-1]
        around = [[0, 0]] * (x.shape.rank - 1) + [[half, 0] if self.keeps_first else [0, half]]
        outputs = tf.split(self.network(first if self.keeps_first else second), 2, axis=-1)
        return [tf.pad(output, around) for output in outputs]


def dense(inputs, width, outputs):
    layers = [
        keras.layers.Dense(width, "relu"),
        keras.layers.Dense(width, "relu"),
        keras.layers.Dense(outputs),
    ]
    network = keras.Sequential(layers)
    network.build((None, inputs))
    return network


def like_glow(blocks, steps, width, batch, jit=False):
    """Glow from our bijectors and `stock.glow`'s networks; batch norm for actnorm, no permutations."""
    flow = rnvp.Chain(_glow_block((32, 32, 3), blocks, steps, width))
    return functions(flow, (32, 32, 3), batch, jit, rnvp.bijector_kwargs(flow, True))


def _glow_block(shape, blocks, steps, width):
    height, width_, channels = shape[0] // 2, shape[1] // 2, 4 * shape[2]
    members = [tfb.Invert(rnvp.Squeeze())]
    for i in range(steps):
        network = OfHalf(convolutions(channels // 2, width, kernels=(3, 1, 3)), keeps_first=i % 2 == 0)
        mask = network.mask((height, width_, channels))
        members += [
            rnvp.BatchNormalization((height, width_, channels)),
            rnvp.AffineCoupling(mask, network, name=f"coupling_{blocks}_{i}"),
        ]
    if blocks > 1:
        below = rnvp.Chain(_glow_block((height, width_, channels // 2), blocks - 1, steps, width))
        members.append(rnvp.FactorOut(below))
    return [*members, rnvp.Squeeze()]


def convolutions(channels, width, kernels=(3, 3, 3, 3), batch_norm=False):
    *hidden, last = kernels
    layers = []
    for kernel in hidden:
        layers.append(keras.layers.Conv2D(width, kernel, padding="same", use_bias=not batch_norm))
        layers += [keras.layers.BatchNormalization(momentum=0.9)] if batch_norm else []
        layers.append(keras.layers.ReLU())
    layers.append(keras.layers.Conv2D(2 * channels, last, padding="same", kernel_initializer="zeros"))
    network = keras.Sequential(layers)
    network.build((None, None, None, channels))
    return network


def deep_chain(couplings, batch, recompute=False, width=64, shape=(16, 16, 12)):
    """Couplings with batch norm inside and outside, trained by Adam in a `FlowModel`."""
    members = []
    for i in range(couplings):
        mask = rnvp.channel_mask(shape, invert=i % 2 == 1)
        network = convolutions(shape[-1], width, batch_norm=True)
        members += [
            rnvp.AffineCoupling(mask, network, name=f"coupling_{i}"),
            rnvp.BatchNormalization(shape, mask, name=f"norm_{i}"),
        ]
    flow = rnvp.Chain(members, recompute=recompute)
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), shape), flow))
    model.compile(keras.optimizers.Adam(1e-4))
    return _training(model, normal(batch, shape).numpy())


def preset(name, batch, side, recompute=False):
    """The model that `train_cifar.py --preset=NAME` trains, on noise."""
    config = dataclasses.replace(PRESETS[name], recompute=recompute, steps_per_epoch=1)
    model = config.for_images(_Noise(side)).build()
    return _training(model, np.random.default_rng(0).integers(0, 256, (batch, side, side, 3)).astype("uint8"))


@dataclasses.dataclass(frozen=True)
class _Noise:
    """The attributes of images that a `Configuration` needs."""

    side: int
    num_levels = 256
    num_conditions = None

    @property
    def event_shape(self):
        return (self.side, self.side, 3)


def _training(model, x):
    specs = tf.TensorSpec(x.shape, x.dtype)

    def trace():
        """Operations in the graph of a training step and in the functions that it calls."""
        graph = tf.function(model.train_step).get_concrete_function((specs,)).graph
        definition = graph.as_graph_def()
        return len(definition.node) + sum(len(f.node_def) for f in definition.library.function)

    return {
        "train": lambda: model.train_on_batch(x),
        "log_prob": lambda: model.predict_on_batch(x),
        "trace": trace,
    }
