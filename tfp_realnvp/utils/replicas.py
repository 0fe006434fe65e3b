"""Training on several devices or machines, and the values that they share."""

import json
import os
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfp_realnvp.utils.hints import TensorLike

STRATEGIES = {
    "one_device": tf.distribute.get_strategy,
    "mirrored": tf.distribute.MirroredStrategy,
    "multi_worker": tf.distribute.MultiWorkerMirroredStrategy,
}


def strategy(name: str | None = None) -> tf.distribute.Strategy:
    """Makes the `tf.distribute.Strategy` to train with. Call it before anything else in TensorFlow.

    Args:
      name: Key of `STRATEGIES`. By default several machines if the environment variable
        `TF_CONFIG` names them, else all GPUs if there is more than one.
    """
    if name is None:
        cluster = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        several_gpus = len(tf.config.list_physical_devices("GPU")) > 1
        name = "multi_worker" if cluster else "mirrored" if several_gpus else "one_device"
    return STRATEGIES[name]()


def reducible(logs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Reshapes a step's metrics so that Keras can reduce them over several machines.

    Keras sums over the first axis, which scalars lack: keras-team/keras#20585.
    """
    if are_machines(tf.distribute.get_strategy()):
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}
    return logs


def mean_of_all_replicas(x: tf.Tensor, axes: TensorLike) -> tf.Tensor:
    """Computes `tf.reduce_mean` of `x` over all replicas."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return tf.reduce_mean(x, axes)
    total = tf.reduce_sum(x, axes)
    count = tf.cast(tf.size(x), x.dtype) / tf.cast(tf.size(total), x.dtype)
    return replica.all_reduce("SUM", total) / replica.all_reduce("SUM", count)


def sum_of_all_replicas(count: int | tf.Tensor) -> int | tf.Tensor:
    """Sums `count` over all replicas: a Python `int`, equal on each, or a scalar `Tensor`."""
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return count
    if isinstance(count, int):
        return replica.num_replicas_in_sync * count
    return replica.all_reduce("SUM", count)


def rows_of_this_replica(
    draw: Callable[..., tf.Tensor], shape: tf.Tensor, *args: Any, **kwargs: Any
) -> tf.Tensor:
    """Draws the rows of all replicas by `draw(shape_of_all, ...)` and returns this replica's.

    So the noise of a batch is the same on one device and on many.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return draw(shape, *args, **kwargs)
    replicas = replica.num_replicas_in_sync
    rows = draw(tf.concat([replicas * shape[:1], shape[1:]], 0), *args, **kwargs)
    return tf.reshape(rows, tf.concat([[replicas], shape], 0))[replica.replica_id_in_sync_group]


def are_machines(strategy: tf.distribute.Strategy) -> bool:
    """True if `strategy` trains on several machines or processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """True if this process writes the files: it is the first of several, or the only one."""
    resolver = strategy.cluster_resolver if are_machines(strategy) else None
    return resolver is None or (resolver.task_type, resolver.task_id) in (("chief", 0), ("worker", 0))


def agreed(flag: bool, strategy: tf.distribute.Strategy) -> bool:
    """True if `flag`, a Python `bool`, is set in any process. All processes must call this."""
    if not are_machines(strategy):
        return flag
    flags = strategy.run(lambda: tf.constant(float(flag)))
    return bool(strategy.reduce("SUM", flags, axis=None) > 0)
