"""Compares a flow, as surrogate posterior of the eight schools, with the No-U-Turn sampler.

python examples/surrogate_posterior.py

Data: D. B. Rubin, Estimation in parallel randomized experiments, Journal of Educational
Statistics 6 (1981). Priors and the non-centred form: A. Gelman et al., Bayesian Data
Analysis, and the Stan project's example of it.
"""

import fast_start  # noqa: F401  # isort: skip

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfp_realnvp as rnvp

tfb, tfd = tfp.bijectors, tfp.distributions

flags.DEFINE_integer("steps", 3000, "Steps of variational inference.", lower_bound=1)
flags.DEFINE_integer("sample_size", 64, "Samples for the ELBO in a step.", lower_bound=1)
flags.DEFINE_float("learning_rate", 3e-3, "Initial learning rate of Adam; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("num_samples", 2000, "Draws per chain, after as many adaptation steps.", lower_bound=4)
flags.DEFINE_integer("num_chains", 8, "Chains of the No-U-Turn sampler.", lower_bound=2)
flags.DEFINE_integer("seed", 0, "Seed of weights and samples.")
FLAGS = flags.FLAGS

EFFECT = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
STANDARD_ERROR = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
NAMES = ["mu", "tau", *(f"school {letter}" for letter in "ABCDEFGH")]


@tfd.JointDistributionCoroutineAutoBatched
def eight_schools():
    """Effects of coaching on the test scores of eight schools."""
    mu = yield tfd.Normal(0.0, 5.0, name="mu")
    tau = yield tfd.HalfCauchy(0.0, 5.0, name="tau")
    eta = yield tfd.Sample(tfd.Normal(0.0, 1.0), len(EFFECT), name="eta")
    yield tfd.Normal(mu + tau * eta, STANDARD_ERROR, name="effect")


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    posterior = eight_schools.experimental_pin(effect=EFFECT)
    support, size = support_of(posterior)
    base = tfd.Sample(tfd.Normal(0.0, 1.0), [size])
    flow = rnvp.RealNVP([size], use_batch_norm=False)
    surrogate = tfd.TransformedDistribution(base, tfb.Chain([support, flow]))
    learning_rate = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps)
    tfp.vi.fit_surrogate_posterior(
        posterior.unnormalized_log_prob,
        surrogate,
        keras.optimizers.Adam(learning_rate, global_clipnorm=10.0),
        FLAGS.steps,
        sample_size=FLAGS.sample_size,
        seed=FLAGS.seed,
    )
    samples = surrogate.sample(FLAGS.num_samples * FLAGS.num_chains, seed=FLAGS.seed)
    elbo = posterior.unnormalized_log_prob(samples) - surrogate.log_prob(samples)
    print(f"ELBO of the flow: {np.mean(elbo):.3f} +- {np.std(elbo) / len(elbo) ** 0.5:.3f} nats")

    draws = support.forward(sample_nuts(posterior, support, base.sample(FLAGS.num_chains, seed=FLAGS.seed)))
    r_hat = np.max(tfp.mcmc.potential_scale_reduction(quantities(draws)))
    print(
        f"Largest potential scale reduction of the No-U-Turn sampler's {FLAGS.num_chains} chains: {r_hat:.4f}"
    )

    by_flow, by_nuts = (np.reshape(quantities(s), [-1, len(NAMES)]) for s in (samples, draws))
    table = np.stack([by_flow.mean(axis=0), by_flow.std(axis=0), by_nuts.mean(axis=0), by_nuts.std(axis=0)])
    print("              flow: mean      sd      NUTS: mean      sd")
    for name, row in zip(NAMES, table.T, strict=True):
        print("{:<14}{:10.2f}{:8.2f}{:16.2f}{:8.2f}".format(name, *row))
    disagreement = np.abs(table[:2] - table[2:]) / table[3]
    worst = [f"{d.max():.3f} ({NAMES[d.argmax()]})" for d in disagreement]
    print("Largest disagreement, in posterior standard deviations: ", end="")
    print(f"{worst[0]} of a mean, {worst[1]} of a standard deviation")


def quantities(sample):
    """`mu`, `tau` and the effects of the schools on one axis, the last."""
    mu, tau = sample.mu[..., None], sample.tau[..., None]
    return tf.concat([mu, tau, mu + tau * sample.eta], axis=-1)


def support_of(posterior):
    """A bijector from vectors to all variables that are not pinned, and the size of the vectors."""
    shapes = posterior.event_shape
    flat = tf.nest.flatten(shapes)
    sizes = [shape.num_elements() for shape in flat]
    members = [
        posterior.experimental_default_event_space_bijector(),
        tfb.Restructure(tf.nest.pack_sequence_as(shapes, range(len(flat)))),
        tfb.JointMap([tfb.Reshape(shape, [size]) for shape, size in zip(flat, sizes, strict=True)]),
        tfb.Split(sizes),
    ]
    return tfb.Chain(members), sum(sizes)


@tf.function(autograph=False, jit_compile=True)
def sample_nuts(posterior, support, init):
    """Draws of the No-U-Turn sampler, as vectors."""

    def target_log_prob(z):
        log_det = support.forward_log_det_jacobian(z, event_ndims=1)
        return posterior.unnormalized_log_prob(support.forward(z)) + log_det

    kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
        tfp.mcmc.NoUTurnSampler(target_log_prob, step_size=0.1), FLAGS.num_samples
    )
    return tfp.mcmc.sample_chain(
        FLAGS.num_samples,
        init,
        kernel=kernel,
        num_burnin_steps=FLAGS.num_samples,
        trace_fn=None,
        seed=(0, FLAGS.seed),
    )


if __name__ == "__main__":
    app.run(main)
