"""Writes the files beside it, with version 0.1.0 installed: what it saves, and what its models gave then.

python make.py FOLDER

The run folder is of that version's `examples/train_cifar.py`:

    python examples/train_cifar.py --preset=tiny --base_filters=2 --epochs=2 --steps_per_epoch=2 \
        --num_validation=8 --seed=3 --out=FOLDER/run
"""

import pathlib
import sys

import keras
import numpy as np
import tensorflow_probability as tfp

import tfp_realnvp as rnvp

tfd = tfp.distributions
KINDS = "image", "conditional_vector"


def made(kind):
    """A model, compiled, and 24 events and conditions for it."""
    keras.utils.set_random_seed(3)
    draw = np.random.default_rng(3)
    if kind == "image":
        flow = rnvp.RealNVP((4, 4, 1), num_scales=1, num_residual_blocks=1, base_filters=2)
        distribution = rnvp.image_distribution(flow, num_levels=16)
        data = draw.integers(0, 16, (24, 4, 4, 1)).astype(np.uint8), None
    else:
        flow = rnvp.RealNVP((3,), num_couplings=2, hidden_units=(4,), conditional_event_shape=(2,))
        distribution = tfd.TransformedDistribution(tfd.Sample(tfd.Normal(0.0, 1.0), [3]), flow)
        data = draw.normal(2, 3, (24, 3)).astype(np.float32), draw.normal(0, 1, (24, 2)).astype(np.float32)
    model = rnvp.FlowModel(distribution, seed=5)
    averages = {"use_ema": True, "ema_momentum": 0.9}
    model.compile(keras.optimizers.Adam(1e-2, **averages), skip_non_finite=True)
    return model, data


def main(folder):
    from tfp_realnvp.checkpoints import Checkpoints, Progress  # Where they are in 0.1.0.

    for kind in KINDS:
        model, (x, condition) = made(kind)
        model.fit(x, condition, batch_size=8, epochs=2, verbose=0)
        bad = x.astype(np.float32)
        bad[0] = np.nan
        model.fit(bad, condition, batch_size=24, verbose=0)  # One step that is left out.
        place = pathlib.Path(folder) / kind
        place.mkdir(parents=True, exist_ok=True)
        model.save(place / "model.keras")
        model.save_weights(place / "model.weights.h5")
        Checkpoints(place / "checkpoints", model, {"kind": kind}).save(Progress(epoch=2, batches=6))
        shown = x if condition is None else (x, condition)
        noisy = x + np.float32(0.5)
        np.savez_compressed(
            place / "expected.npz",
            predicted=model.predict(shown, verbose=0),
            of_floats=model.predict(noisy if condition is None else (noisy, condition), verbose=0),
            skipped=model.optimizer.skipped,
            iterations=model.optimizer.iterations,
            **{f"weights_{i:03}": v for i, v in enumerate(model.variables)},
            **{f"optimizer_{i:03}": v for i, v in enumerate(model.optimizer.variables)},
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
