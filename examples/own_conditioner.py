"""Trains couplings over sequences with your own networks: self-attention or convolutions.

python examples/own_conditioner.py --conditioner=attention
python examples/own_conditioner.py --conditioner=conv
"""

import fast_start  # noqa: F401  # isort: skip

import keras
import numpy as np
import tensorflow_probability as tfp
from absl import app, flags
from keras import ops
from sklearn.mixture import GaussianMixture

import tfp_realnvp as rnvp

tfd = tfp.distributions

flags.DEFINE_enum("conditioner", "attention", ["attention", "conv"], "Kind of network in the couplings.")
flags.DEFINE_integer("length", 16, "Positions of a sequence.", lower_bound=2)
flags.DEFINE_integer(
    "num_couplings", 4, "Couplings, which keep even and odd positions in turn.", lower_bound=1
)
flags.DEFINE_integer("width", 32, "Channels inside the networks.", lower_bound=4)
flags.DEFINE_integer("steps", 1500, "Training batches, each of new sequences.", lower_bound=1)
flags.DEFINE_integer("batch_size", 64, "Sequences in a batch.", lower_bound=1)
flags.DEFINE_float("learning_rate", 6e-3, "Initial learning rate of Adam; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Seed of sequences and weights.")
FLAGS = flags.FLAGS


class TransformerBlock(keras.layers.Layer):
    """Self-attention between positions and a dense layer at each, both residual."""

    def __init__(self, num_heads=4, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads

    def build(self, input_shape):
        _, length, width = input_shape
        self.position = self.add_weight(shape=(length, width), initializer="random_normal", name="position")
        self.attention = keras.layers.MultiHeadAttention(self.num_heads, width // self.num_heads)
        self.attention.build(input_shape, input_shape)
        self.norms = [keras.layers.LayerNormalization() for _ in range(2)]
        self.dense = keras.Sequential([keras.layers.Dense(2 * width, "relu"), keras.layers.Dense(width)])
        for layer in (*self.norms, self.dense):
            layer.build(input_shape)

    def call(self, x):
        y = self.norms[0](x + self.position)
        x = x + self.attention(y, y)
        return x + self.dense(self.norms[1](x))


class Conditioner(keras.layers.Layer):
    """Computes shift and bounded log-scale of each position from the positions a coupling keeps."""

    def __init__(self, channels, width, blocks, **kwargs):
        super().__init__(**kwargs)
        out = keras.layers.Dense(2 * channels, kernel_initializer="zeros")  # A flow starts as the identity.
        self.network = keras.Sequential([keras.layers.Dense(width), *blocks, out])

    def build(self, input_shape):
        self.network.build(input_shape)

    def call(self, x):
        shift, log_scale = ops.split(self.network(x), 2, axis=-1)
        return shift, 2 * ops.tanh(log_scale / 2)


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    train, test = sine_waves(FLAGS.steps * FLAGS.batch_size), sine_waves(2000)
    shape = train.shape[1:]

    members = []  # From data to latents.
    for i in range(FLAGS.num_couplings):
        mask = rnvp.checkerboard_mask(shape, invert=i % 2 == 1)
        members += [rnvp.AffineCoupling(mask, conditioner(shape[-1])), rnvp.BatchNormalization(shape, mask)]
    base = tfd.Sample(tfd.Normal(0.0, 1.0), shape)
    model = rnvp.FlowModel(tfd.TransformedDistribution(base, rnvp.Chain(members)))
    learning_rate = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps)
    model.compile(keras.optimizers.Adam(learning_rate, global_clipnorm=10.0))
    model.fit(train, batch_size=FLAGS.batch_size, verbose=2)

    gaussian = GaussianMixture(n_components=1).fit(train.reshape(len(train), -1))
    print(
        f"Test log-density in nats per dimension, {len(test)} sequences of {shape}, mean +- standard error:"
    )
    for name, log_prob in {
        "Gaussian": gaussian.score_samples(test.reshape(len(test), -1)),
        FLAGS.conditioner: model.predict(test, verbose=0),
    }.items():
        per_dim = log_prob / np.prod(shape)
        print(f"{name:>10}  {per_dim.mean():7.3f} +- {per_dim.std(ddof=1) / len(test) ** 0.5:.3f}")


def sine_waves(n):
    """Sines and cosines with noise; every sequence has its own frequency and phase."""
    frequency = np.random.uniform(0.2, 1.2, size=(n, 1))
    phase = np.random.uniform(0, 2 * np.pi, size=(n, 1))
    angle = frequency * np.arange(FLAGS.length) + phase
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    return np.float32(waves + 0.1 * np.random.normal(size=waves.shape))


def conditioner(channels):
    """Makes a network of the kind in `--conditioner`."""
    if FLAGS.conditioner == "attention":
        blocks = [TransformerBlock()]
    else:
        blocks = [keras.layers.Conv1D(FLAGS.width, 7, padding="same", activation="relu") for _ in range(2)]
    return Conditioner(channels, FLAGS.width, blocks)


if __name__ == "__main__":
    app.run(main)
