"""Trains models of some kinds on one virtual device or on two, as a process of its own.

TensorFlow allows for one `MirroredStrategy` in a process.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp
from tiny_models import images, scatter, vectors

import tfp_realnvp as rnvp

BATCH = 16
tfd = tfp.distributions


def model_of(kind, **compile_kwargs):
    keras.utils.set_random_seed(0)
    norm = {"synchronized": "synchronized" in kind, "use_batch_norm": "plain" not in kind}
    if "vector" in kind:
        flow = rnvp.RealNVP((2,), num_couplings=2, hidden_units=(4,), **norm)
        distribution = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [2]), flow)
    else:
        flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=1, base_filters=2, **norm)
        distribution = rnvp.image_distribution(flow, num_levels=16)
    model = rnvp.FlowModel(distribution, seed=1)
    scatter(model)
    averages = {"use_ema": True, "ema_momentum": 0.9}
    adam = rnvp.FusedAdam(1e-2, epsilon=1e-3, global_clipnorm=1.0, **averages)
    model.compile(adam if "fused" in kind else keras.optimizers.SGD(1e-2), **compile_kwargs)
    return model


def main(devices, folder, *kinds):
    tf.config.optimizer.set_experimental_options(
        {"disable_meta_optimizer": True}
    )  # It takes longer than steps.
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.get_strategy()
    if devices == "2":
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for kind in kinds:
        np.savez(f"{folder}/{kind}_{devices}.npz", **trained(kind, strategy))


def trained(kind, strategy):
    """Losses, weights and moving statistics of each replica, after three epochs."""
    with strategy.scope():
        model = model_of(kind, skip_non_finite="skip" in kind)
    x = vectors(64) if "vector" in kind else images(64)
    if "integer" in kind:
        x = x.astype(np.uint8)
    validation = tf.data.Dataset.from_tensor_slices(x[:24]).batch(BATCH)
    x = x.copy()
    if "skip" in kind:
        x[30] = np.nan  # In the second part of the second batch.
    data = tf.data.Dataset.from_tensor_slices(x).batch(BATCH)
    history = model.fit(data, validation_data=validation, epochs=3, verbose=0).history
    several = strategy.num_replicas_in_sync > 1
    replicas = [
        np.array(local)
        for v in model.distribution.non_trainable_variables
        for local in (strategy.experimental_local_results(v) if several else (v, v))
    ]
    return {
        **{f"history_{name}": values for name, values in history.items()},
        **{f"weights_{i:03}": np.array(v) for i, v in enumerate(model.distribution.variables)},
        **{f"replica_{i % 2}_{i // 2:03}": value for i, value in enumerate(replicas)},
        **{f"optimizer_{i:03}": np.array(v) for i, v in enumerate(model.optimizer.variables)},
        "skipped": np.array(getattr(model.optimizer, "skipped", 0)),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
