"""Learns the density of scikit-learn's two moons; compares it with a Gaussian and the true density.

python examples/two_moons.py --out=two_moons.png
"""

import fast_start  # noqa: F401  # isort: skip

import keras
import matplotlib
import numpy as np
import tensorflow_probability as tfp
from absl import app, flags
from sklearn.datasets import make_moons
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KernelDensity

import tfp_realnvp as rnvp

tfd = tfp.distributions

flags.DEFINE_integer("steps", 6000, "Training batches, each of new points.", lower_bound=1)
flags.DEFINE_integer("batch_size", 256, "Points in a batch.", lower_bound=1)
flags.DEFINE_integer("num_test", 10_000, "Points to evaluate on.", lower_bound=2)
flags.DEFINE_integer("num_samples", 5000, "Points to draw.", lower_bound=1)
flags.DEFINE_float("noise", 0.1, "Standard deviation of points around their moon.", lower_bound=0.01)
flags.DEFINE_float("learning_rate", 3e-3, "Initial learning rate of Adam; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("seed", 0, "Seed of points, weights and samples.")
flags.DEFINE_string("out", "two_moons.png", "PNG file for the picture.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    train, _ = make_moons(FLAGS.steps * FLAGS.batch_size, noise=FLAGS.noise)
    test, _ = make_moons(FLAGS.num_test, noise=FLAGS.noise)

    flow = rnvp.RealNVP((2,), use_batch_norm=False)
    model = rnvp.FlowModel(tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), flow))
    learning_rate = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps)
    model.compile(keras.optimizers.Adam(learning_rate))
    model.fit(train, batch_size=FLAGS.batch_size, verbose=2)

    gaussian = GaussianMixture(n_components=1).fit(train)
    truth = KernelDensity(bandwidth=FLAGS.noise).fit(
        make_moons(2000)[0]
    )  # Noise around each point of a moon.
    print(f"Test log-density of {FLAGS.num_test} points in nats, mean +- standard error:")
    for name, log_prob in {
        "Gaussian": gaussian.score_samples(test),
        "flow": model.predict(test, batch_size=1024, verbose=0),
        "truth": truth.score_samples(test),
    }.items():
        print(f"{name:>8}  {log_prob.mean():7.3f} +- {log_prob.std(ddof=1) / FLAGS.num_test**0.5:.3f}")
    draw(FLAGS.out, test[: FLAGS.num_samples], model.sample(FLAGS.num_samples, FLAGS.seed), model)
    print(f"The picture is {FLAGS.out}.")


def draw(path, data, samples, model):
    """Writes data, samples and the density of a model side by side."""
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    left, right, bottom, top = extent = (-1.6, 2.6, -1.1, 1.6)
    x, y = np.meshgrid(np.linspace(left, right, 420), np.linspace(bottom, top, 270))
    grid = np.stack([x, y], axis=-1).reshape(-1, 2)
    density = np.exp(model.predict(grid, batch_size=4096, verbose=0)).reshape(x.shape)

    figure, axes = plt.subplots(1, 3, figsize=(12, 3), sharex=True, sharey=True, layout="compressed")
    for axis, points, title in zip(axes, (data, samples), ("Data", "Samples of the flow"), strict=False):
        axis.scatter(*np.transpose(points), s=2, alpha=0.5, linewidths=0)
        axis.set_title(title)
    picture = axes[2].imshow(density, extent=extent, origin="lower", cmap="magma")
    axes[2].set_title("Density of the flow")
    figure.colorbar(picture, ax=axes[2])
    for axis in axes:
        axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal", xticks=[], yticks=[])
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    app.run(main)
