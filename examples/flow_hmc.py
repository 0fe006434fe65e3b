"""Hamiltonian Monte Carlo in the latent space of a flow (NeuTra), compared with the plain one.

python examples/flow_hmc.py

The idea is that of M. Hoffman et al., NeuTra-lizing Bad Geometry in Hamiltonian Monte
Carlo Using Neural Transport (2019), arXiv 1903.03704.
"""

import time

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from absl import app, flags

import tfp_realnvp as rnvp

tfd = tfp.distributions

flags.DEFINE_integer("dimensions", 4, "Of the target, an even number.", lower_bound=2)
flags.DEFINE_float("ridge", 0.02, "Standard deviation of the target across its ridge.", lower_bound=1e-4)
flags.DEFINE_integer("steps", 3000, "Steps of variational inference.", lower_bound=1)
flags.DEFINE_integer("sample_size", 128, "Samples for the ELBO in a step.", lower_bound=1)
flags.DEFINE_float("learning_rate", 3e-3, "Of Adam at the start; it falls to 0.", lower_bound=0)
flags.DEFINE_integer("num_chains", 64, "Chains of either sampler.", lower_bound=2)
flags.DEFINE_integer("num_leapfrog_steps", 10, "Of either sampler.", lower_bound=1)
flags.DEFINE_integer("num_burnin_steps", 1000, "Steps in which the step size is adapted.", lower_bound=5)
flags.DEFINE_integer("num_samples", 1000, "Draws of each chain.", lower_bound=4)
flags.DEFINE_integer("num_couplings", 6, "")
flags.DEFINE_integer("hidden", 64, "")
flags.DEFINE_integer("seed", 0, "Of the target, weights and samples.")
FLAGS = flags.FLAGS


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    keras.utils.set_random_seed(FLAGS.seed)
    rotation = np.float32(np.linalg.qr(np.random.normal(size=[FLAGS.dimensions] * 2))[0])

    def target_log_prob(x):
        """Curved ridges in directions that are no coordinate's."""
        along, across = tf.split(tf.linalg.matvec(rotation, x), 2, axis=-1)
        log_prob = tfd.Normal(0.0, 1.0).log_prob(along) + tfd.Normal(along**2, FLAGS.ridge).log_prob(across)
        return tf.reduce_sum(log_prob, axis=-1)

    flow = rnvp.RealNVP(
        (FLAGS.dimensions,),
        use_batch_norm=False,
        num_couplings=FLAGS.num_couplings,
        hidden_units=(FLAGS.hidden,) * 2,
    )
    surrogate = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), flow.event_shape), flow)
    learning_rate = keras.optimizers.schedules.CosineDecay(FLAGS.learning_rate, FLAGS.steps)
    start = time.monotonic()
    losses = tfp.vi.fit_surrogate_posterior(
        target_log_prob,
        surrogate,
        keras.optimizers.Adam(learning_rate, global_clipnorm=10.0),
        FLAGS.steps,
        sample_size=FLAGS.sample_size,
        jit_compile=True,
        seed=FLAGS.seed,
    )
    fit = time.monotonic() - start
    print(fit, losses[::200])
    init = surrogate.sample(FLAGS.num_chains, seed=FLAGS.seed)
    true_mean = rotation.T @ np.repeat([0, 1], FLAGS.dimensions // 2)
    for name, bij in ("plain", None), ("flow", flow):
        k = tfp.mcmc.HamiltonianMonteCarlo(
            target_log_prob, step_size=0.1, num_leapfrog_steps=FLAGS.num_leapfrog_steps
        )
        if bij is not None:
            k = tfp.mcmc.TransformedTransitionKernel(k, bij)
        k = tfp.mcmc.DualAveragingStepSizeAdaptation(
            k, int(FLAGS.num_burnin_steps * 0.8), target_accept_prob=0.8
        )

        @tf.function(autograph=False, jit_compile=True)
        def burn(x, seed, k=k):
            return tfp.mcmc.sample_chain(
                FLAGS.num_burnin_steps,
                x,
                kernel=k,
                seed=seed,
                trace_fn=lambda x, r: r.new_step_size,
                return_final_kernel_results=True,
            )

        @tf.function(autograph=False, jit_compile=True)
        def run(x, res, seed, k=k):
            return tfp.mcmc.sample_chain(
                FLAGS.num_samples,
                x,
                previous_kernel_results=res,
                kernel=k,
                seed=seed,
                trace_fn=lambda x, r: (
                    tfp.python.internal.unnest.get_innermost(r, "log_accept_ratio") if 0 else r.new_step_size
                ),
            )

        t = time.monotonic()
        x, tr, res = burn(init, seed=(0, 1))
        x = x[-1]
        tb = time.monotonic() - t
        run(x, res, seed=(0, 2))
        t = time.monotonic()
        draws, tr = run(x, res, seed=(0, 2))
        draws.numpy()
        tb2 = time.monotonic() - t
        ess = tf.reduce_min(tfp.mcmc.effective_sample_size(draws, cross_chain_dims=1))
        ess2 = tf.reduce_min(tfp.mcmc.effective_sample_size(draws**2, cross_chain_dims=1))
        rhat = tf.reduce_max(tfp.mcmc.potential_scale_reduction(draws))
        d = draws.numpy().reshape(-1, FLAGS.dimensions)
        print(
            name,
            tr[-1].numpy(),
            "burn",
            tb,
            "t",
            tb2,
            "ess",
            ess.numpy(),
            ess2.numpy(),
            "per s",
            ess.numpy() / tb2,
            "rhat",
            rhat.numpy(),
            d.mean(0) - true_mean,
            d.std(0),
        )


if __name__ == "__main__":
    app.run(main)
