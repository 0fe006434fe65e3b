"""Makes a small float32 model, without its optimizer, from a training run, to share.

python examples/make_pretrained.py --run=runs/digits --out=pretrained/digits

Kernels of convolutions are stored in float16, all other variables as they are. Prints the cost in
bits per dimension on the first test images. `--out` is a folder like the run's, with its
`history.csv` and `results.json`: `examples/evaluate.py` and `examples/figures.py` take it as
`--run`. An existing model is replaced.
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses
import io
import pathlib
import shutil
import tempfile
import zipfile

import h5py
import keras
import numpy as np
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils.one_line_errors import one_line_errors
from tfp_realnvp.utils.whole_file import whole_file

flags.DEFINE_string("run", None, "Folder of a training run that has ended.", required=True)
flags.DEFINE_string("out", None, "Folder for the model.", required=True)
flags.DEFINE_string("data_dir", None, "Location of the images, if it is not the one in training.")
flags.DEFINE_integer("num_images", 1024, "Test images to measure the cost on.", lower_bound=1)
FLAGS = flags.FLAGS

WEIGHTS = "model.weights.h5"
"""Name of the weights inside a `.keras` file."""


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    run, out = RunFolder(FLAGS.run), RunFolder(FLAGS.out)
    with one_line_errors():
        config, trained = run.configuration(), run.model()
        images = config.images(FLAGS.data_dir)
        if out.path.resolve() == run.path.resolve():
            raise ValueError(f"`out` must be another folder than `run`; got {FLAGS.out} for both.")
        check_fits_float16(trained)
        out.check_can_be_written()
    config = dataclasses.replace(config, dtype_policy="float32", data_dir=None, init_from=None)
    model = rnvp.FlowModel.from_config(config.build().get_config())  # The same, but not compiled.
    model.set_weights(trained.get_weights())
    with one_line_errors():
        out.path.mkdir(parents=True, exist_ok=True)
        config.write(out.config_path)
        with tempfile.TemporaryDirectory() as folder:
            model.save(pathlib.Path(folder, "model.keras"))
            with whole_file(out.model_path) as partial:
                save_smaller(pathlib.Path(folder, "model.keras"), partial)
        for old, new in ((run.history_path, out.history_path), (run.results_path, out.results_path)):
            new.unlink(missing_ok=True)  # An existing file belongs to an earlier model.
            if old.exists():
                shutil.copy(old, new)
    batches = data.evaluation_batches(images, 64, config.conditional, FLAGS.num_images)
    before, after = (
        np.mean(rnvp.bits_per_dim(m.predict(batches, verbose=0), config.event_shape))
        for m in (model, keras.models.load_model(out.model_path))
    )
    num_images = min(FLAGS.num_images, images.num_test)
    print(f"{after:.4f} bits/dim, {after - before:+.4f} for float16 kernels ({num_images} test images).")
    print(f"{out.model_path} has {out.model_path.stat().st_size / 1e6:.2f} MB.")


def check_fits_float16(model):
    """Raises a ValueError if a kernel has a value that is infinite in float16, or not a number."""
    for variable in model.weights:
        values = variable.numpy()
        if values.ndim > 1 and not np.isfinite(values.astype(np.float16)).all():
            raise ValueError(
                f"`run` must have kernels of at most {np.finfo(np.float16).max:.0f}, float16's largest; "
                f"{variable.path} has {np.abs(values).max():.3g}."
            )


def save_smaller(source, path):
    """Copies a `.keras` file with its kernels in float16."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, smaller(old.read(name)) if name == WEIGHTS else old.read(name))


def smaller(weights):
    """Converts an HDF5 file, as bytes: float32 arrays with several axes become float16."""
    copied = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as old, h5py.File(copied, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Group):
                other = new.require_group(name)
            else:
                is_kernel = item.ndim > 1 and item.dtype == np.float32
                other = new.create_dataset(name, data=item[()].astype(np.float16) if is_kernel else item[()])
            other.attrs.update(item.attrs)

        old.visititems(copy)
    return copied.getvalue()


if __name__ == "__main__":
    app.run(main)
