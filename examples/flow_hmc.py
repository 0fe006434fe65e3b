"""Compares Hamiltonian Monte Carlo in the latent space of a flow with plain HMC on Neal's funnel.

python examples/flow_hmc.py

The flow is fitted to the target by variational inference, as in M. Hoffman et al. (2019),
NeuTra-lizing Bad Geometry in Hamiltonian Monte Carlo Using Neural Transport, arXiv
1903.03704; the funnel is from section 8 of R. Neal (2003), Slice Sampling.

Both samplers get about the same time, so the plain one takes more steps per draw that it keeps.
R-hat and effective sample size (ESS) reflect only where chains have been: look at v as well.
"""

import fast_start  # noqa: F401  # isort: skip

import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfp_realnvp as rnvp

tfd = tfp.distributions

flags.DEFINE_integer("dimensions", 10, "Dimensions of the funnel.", lower_bound=2)
flags.DEFINE_integer("steps", 5000, "Steps of variational inference.", lower_bound=1)
flags.DEFINE_integer("sample_size", 128, "Samples for the ELBO in a step.", lower_bound=1)
flags.DEFINE_float("learning_rate", 3e-3, "Initial learning rate of Adam; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("num_chains", 16, "Chains of each sampler.", lower_bound=2)
flags.DEFINE_integer("num_leapfrog_steps", 10, "Leapfrog steps of each sampler.", lower_bound=1)
flags.DEFINE_integer("num_samples", 5000, "Draws per chain, after as many adaptation steps.", lower_bound=4)
flags.DEFINE_integer(
    "plain_steps_per_draw", 40, "Steps per draw of the plain sampler, which are cheaper.", lower_bound=1
)
flags.DEFINE_float(
    "target_accept_prob", 0.9, "Acceptance probability to which step sizes are adapted.", lower_bound=0
)
flags.DEFINE_integer("seed", 0, "Seed of weights and samples.")
FLAGS = flags.FLAGS


def funnel_log_prob(x):
    """Log-density where `v = x[0]` is the log-variance of all other coordinates."""
    v, rest = tf.split(x, [1, FLAGS.dimensions - 1], axis=-1)
    log_probs = [tfd.Normal(0.0, 3.0).log_prob(v), tfd.Normal(0.0, tf.exp(v / 2)).log_prob(rest)]
    return tf.reduce_sum(tf.concat(log_probs, axis=-1), axis=-1)


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    start = time.monotonic()
    flow = fit_flow()
    fit_seconds = time.monotonic() - start

    plain = tfp.mcmc.HamiltonianMonteCarlo(
        funnel_log_prob, step_size=0.1, num_leapfrog_steps=FLAGS.num_leapfrog_steps
    )
    in_latents = tfp.mcmc.TransformedTransitionKernel(plain, flow)
    print(f"{'HMC':<8}{'v: mean':>8}{'sd':>7}{'moved':>7}{'R-hat':>8}{'min ESS':>9}", end="")
    print(f"{'ESS/s of sampling':>19}{'ESS/s in all':>14}")
    for name, kernel, steps_per_draw, seconds in (
        ("plain", plain, FLAGS.plain_steps_per_draw, 0.0),
        ("in flow", in_latents, 1, fit_seconds),
    ):
        draws, tuning_seconds, sampling_seconds = sample(kernel, steps_per_draw)
        v = draws[..., 0]
        moved = np.mean(np.any(np.diff(draws, axis=0), axis=-1))
        r_hat = np.max(tfp.mcmc.potential_scale_reduction(draws))
        ess = np.min(tfp.mcmc.effective_sample_size(draws, cross_chain_dims=1))
        print(f"{name:<8}{v.mean():8.2f}{v.std():7.2f}{moved:7.2f}{r_hat:8.3f}{ess:9.0f}", end="")
        print(f"{ess / sampling_seconds:19.1f}{ess / (seconds + tuning_seconds + sampling_seconds):14.1f}")
    print("truth       0.00   3.00")
    print(f"The flow was fitted in {fit_seconds:.1f} s, which count in all, as do compiling and adaptation.")


def fit_flow():
    """Fits a flow from a standard normal distribution to the funnel."""
    flow = rnvp.RealNVP((FLAGS.dimensions,), hidden_units=(32, 32), use_batch_norm=False)
    base = tfd.Sample(tfd.Normal(0.0, 1.0), flow.event_shape)
    learning_rate = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps)
    tfp.vi.fit_surrogate_posterior(
        funnel_log_prob,
        tfd.TransformedDistribution(base, flow),
        keras.optimizers.Adam(learning_rate, global_clipnorm=10.0),
        FLAGS.steps,
        sample_size=FLAGS.sample_size,
        jit_compile=True,
        seed=FLAGS.seed,
    )
    return flow


def sample(kernel, steps_per_draw):
    """Returns draws `[num_samples, num_chains, dimensions]`, seconds of tuning and of sampling."""
    kernel = tfp.mcmc.DualAveragingStepSizeAdaptation(
        kernel, FLAGS.num_samples * steps_per_draw, target_accept_prob=FLAGS.target_accept_prob
    )

    @tf.function(autograph=False, jit_compile=True)
    def run(state, results, seed):
        return tfp.mcmc.sample_chain(
            FLAGS.num_samples,
            state,
            results,
            kernel,
            num_steps_between_results=steps_per_draw - 1,
            trace_fn=None,
            return_final_kernel_results=True,
            seed=seed,
        )

    seconds, state = [], tf.random.stateless_normal([FLAGS.num_chains, FLAGS.dimensions], (0, FLAGS.seed))
    results = kernel.bootstrap_results(state)
    for run_seed in (1, 2):  # Adaptation, which also compiles, then draws to keep.
        start = time.monotonic()
        draws, _, results = run(state, results, tf.constant([run_seed, FLAGS.seed]))
        draws = draws.numpy()
        seconds.append(time.monotonic() - start)
        state = draws[-1]
    return draws, *seconds


if __name__ == "__main__":
    app.run(main)
