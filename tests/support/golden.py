"""Arrays made with the authors' released code; see `golden/README.md`."""

import functools
import pathlib

import numpy as np

import tfp_realnvp as rnvp

FOLDER = pathlib.Path(__file__).parent / "golden"
MODELS = ["realnvp_8x8_scale2", "realnvp_16x16_scale3"]
# Largest difference between the float32 arrays and their float64 twins (golden/README.md).
DEVIATION = {
    "realnvp_8x8_scale2": {
        "eval_z": 5e-6, "eval_log_det": 1e-5, "eval_bits_per_dim": 1e-6, "train_z": 4e-6,
        "train_log_det": 2e-5, "dec_x": 4e-6, "after_train": 3e-7, "grad_norm": 7e-7,
    },
    "realnvp_16x16_scale3": {
        "eval_z": 7e-5, "eval_log_det": 4e-5, "eval_bits_per_dim": 5e-6, "train_z": 9e-6,
        "train_log_det": 8e-5, "dec_x": 1e-5, "after_train": 1e-6, "grad_norm": 5e-7,
    },
}  # fmt: skip


@functools.cache
def load(name):
    """All arrays of a file, by name."""
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def below(arrays, prefix, suffix=""):
    """The arrays whose names start with `prefix`, without it, of the float type of `suffix`."""
    return {
        name.removeprefix(prefix).removesuffix("_f64"): array
        for name, array in arrays.items()
        if name.startswith(prefix)
        and (not suffix or name.endswith(suffix))
        and (suffix or "_f64" not in name)
    }


def flow(name, dtype):
    """The flow of a model file, with its weights: the same one each time, as the authors' code leaves it."""
    import authors_weights

    flow = _made(name, dtype)
    authors_weights.assign(flow, below(load(name), "weights/"))
    return flow


@functools.cache
def _made(name, dtype):
    hp = {k: int(value) for k, value in below(load(name), "hp/").items() if value.dtype.kind == "i"}
    return rnvp.RealNVP(
        (hp["image_size"], hp["image_size"], hp["channels"]),
        num_scales=hp["n_scale"],
        num_residual_blocks=hp["residual_blocks"],
        base_filters=hp["base_dim"],
        skip=bool(hp["skip"]),
        bottleneck=bool(hp["bottleneck"]),
        rescale_latents=False,
        use_batch_norm=bool(hp["use_batch_norm"]),
        dtype=dtype,
    )


def assert_close(actual, arrays, name, dtype, deviation=0.0):
    """Compares with an array at the tolerance the fixtures' README suggests."""
    expected = arrays[name if dtype == "float32" else f"{name}_f64"]
    largest = np.abs(expected).max()
    relative = 5e-6 if dtype == "float32" else 1e-9
    atol = relative * largest + (10 * deviation if dtype == "float32" else 0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=atol, err_msg=name)
