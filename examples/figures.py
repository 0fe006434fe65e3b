"""Draws the paper's figures from a training run, with measurements where possible.

python examples/figures.py --run=runs/digits
python examples/figures.py --run=runs/cifar10 --figure=manifold --figure=larger
python examples/figures.py --run=tfp_realnvp/pretrained/digits --out=digits

Pictures go to `--out`, the numbers to `figures.json` there.
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses

import keras
import numpy as np
import tensorflow_probability as tfp
from absl import app, flags

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.analysis import figures, plots
from tfp_realnvp.analysis.classifier import accuracy, read_conditions, trained_classifier
from tfp_realnvp.analysis.evaluation import log_prob_of_conditions
from tfp_realnvp.analysis.image_grid import save_animation, save_image_grid
from tfp_realnvp.analysis.latents import round_trip_error
from tfp_realnvp.data.other_images import other_images
from tfp_realnvp.images.image_distribution import flow_of
from tfp_realnvp.training.configuration import Configuration
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils.one_line_errors import one_line_errors

DRAW = {}  # Functions that draw a figure, by its name.

flags.DEFINE_string("run", None, "Folder of a training run.", required=True)
flags.DEFINE_string("out", None, "Folder for the figures; by default `figures` in the run's folder.")
flags.DEFINE_string("data_dir", None, "Location of the images, if it is not the one in training.")
flags.DEFINE_multi_string("figure", None, "Figures to draw; all by default.")
flags.DEFINE_multi_float(
    "temperature", [0.6, 0.7, 0.8, 0.9, 1.0], "Temperatures of samples, one per row.", lower_bound=0
)
flags.DEFINE_integer("first", 0, "Number of the first test image to use.", lower_bound=0)
flags.DEFINE_integer(
    "num_images", 512, "Images for the histogram, the classifier and arithmetic.", lower_bound=16
)
flags.DEFINE_list(
    "attributes",
    ["Bangs", "Blond_Hair", "Eyeglasses", "Male", "Mustache", "Pale_Skin", "Smiling", "Young"],
    "Attributes to change, for images with attributes.",
)
flags.DEFINE_integer("direction", 0, "Class or attribute towards which arithmetic goes.", lower_bound=0)
flags.DEFINE_integer(
    "num_angles",
    8,
    "Rows and columns of a manifold; its animation has 5 times as many frames.",
    lower_bound=2,
)
flags.DEFINE_multi_integer(
    "factor", [2, 10], "Factors by which samples are larger than in training.", lower_bound=2
)
flags.DEFINE_integer("classifier_steps", 1500, "Training batches of the classifier.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of samples and the classifier.", lower_bound=0, upper_bound=2**31 - 1)
FLAGS = flags.FLAGS


class Skipped(Exception):
    """The run lacks something that a figure needs."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run, and some test images."""

    run: RunFolder
    config: Configuration
    model: rnvp.FlowModel
    data: data.ImageData
    images: np.ndarray
    labels: np.ndarray | None  # As conditions, whether the model takes them or not.

    @property
    def conditions(self):
        """Conditions of the images, if the model takes them."""
        return self.labels if self.config.conditional else None

    def of_one_class(self, n):
        """`n` images and, for a conditional model, their conditions; all have the same class."""
        same = np.ones(len(self.images), bool)
        if self.config.conditional:
            same = self.data.has_same_class(self.labels)
        if same.sum() < n:
            raise Skipped(f"it needs {n} such test images, and there are {same.sum()}; see --num_images")
        return self.images[same][:n], self.conditions if self.conditions is None else self.labels[same][:n]

    def columns(self, most=None):
        """Columns of samples: one for each class, or with the attributes of an image."""
        conditions = data.conditions_to_draw(self.data)[:most] if self.config.conditional else None
        return {
            "columns": most or 8 if conditions is None else len(conditions),
            "conditional_input": conditions,
        }

    def save(self, name, figure):
        """Writes a figure; returns a dictionary of its numbers."""
        save_image_grid(self.run.figures_path / f"{name}.png", figure.images, self.config.num_levels)
        if figure.latents is None:
            return {}
        error = round_trip_error(self.model, figure.latents, figure.conditional_input)
        return {"round_trip_error": error, "num_latents": len(figure.latents)}


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    names = FLAGS.figure or list(DRAW)
    for name in names:
        if name not in DRAW:
            raise app.UsageError(f"--figure must be one of {', '.join(DRAW)}; got {name}.")
    keras.utils.set_random_seed(FLAGS.seed)
    run = RunFolder(FLAGS.run, FLAGS.out)
    with one_line_errors():
        config, model = run.configuration(), run.model()
        images = config.images(FLAGS.data_dir)
    unknown = set(FLAGS.attributes) - set(images.attributes or FLAGS.attributes)
    if unknown:
        raise app.UsageError(
            f"--attributes must be of {', '.join(images.attributes)}; got {sorted(unknown)}."
        )
    x, labels = (
        None if part is None else part[FLAGS.first :]
        for part in data.first_images(images, FLAGS.first + FLAGS.num_images)
    )
    if not len(x):
        raise app.UsageError(
            f"--first must be less than the {images.num_test} test images; got {FLAGS.first}."
        )
    trained = Trained(run, config, model, images, x, labels)
    with one_line_errors():
        run.figures_path.mkdir(parents=True, exist_ok=True)
    bar = keras.utils.Progbar(len(names), unit_name="figure")
    bar.update(0)
    lines = []
    for name in names:
        try:
            numbers = DRAW[name](trained)
        except Skipped as reason:
            lines.append(f"{name}: skipped, {reason}.")
        else:
            with one_line_errors():
                run.add_figure(name, numbers)
            lines.append(f"{name}: {', '.join(f'{k} {v:.4g}' for k, v in numbers.items()) or 'drawn'}")
        bar.add(1)
    print("\n".join(lines))
    print(f"The figures are in {run.figures_path}.")


def draws(function):
    DRAW[function.__name__] = function
    return function


@draws
def samples(trained):
    rows = FLAGS.temperature
    return trained.save(
        "samples",
        figures.samples(trained.model, len(rows), temperature=rows, seed=FLAGS.seed, **trained.columns()),
    )


@draws
def beside_data(trained):
    """Figure 5: test images on the left, samples on the right."""
    columns = 8
    n = min(8, len(trained.images) // columns) * columns
    if not n:
        raise Skipped(f"it needs {columns} test images, and there are {len(trained.images)}")
    conditions = None if trained.conditions is None else trained.conditions[:n]
    return trained.save(
        "beside_data",
        figures.beside_data(
            trained.model, trained.images[:n], columns, trained.config.temperature, FLAGS.seed, conditions
        ),
    )


@draws
def reconstructions(trained):
    conditions = None if trained.conditions is None else trained.conditions[:8]
    return trained.save(
        "reconstructions", figures.reconstructions(trained.model, trained.images[:8], conditions)
    )


@draws
def manifold(trained):
    """Equation 19."""
    images, conditions = trained.of_one_class(4)
    return trained.save("manifold", figures.manifold(trained.model, images, conditions, FLAGS.num_angles))


@draws
def manifold_animation(trained):
    """With eight images and a third angle."""
    images, conditions = trained.of_one_class(8)
    figure = figures.manifold(trained.model, images, conditions, FLAGS.num_angles)
    save_animation(trained.run.figures_path / "manifold.gif", figure.images, trained.config.num_levels)
    return {"frames": len(figure.images)}


@draws
def compression(trained):
    """Appendix D: the finer scales are zero."""
    return coarsest_scales(trained, "compression", None)


@draws
def noise(trained):
    """Appendix D: the finer scales are noise."""
    return coarsest_scales(trained, "noise", FLAGS.seed)


def coarsest_scales(trained, name, noise_seed):
    conditions = None if trained.conditions is None else trained.conditions[:8]
    num_scales = flow_of(trained.model.distribution).num_scales
    return trained.save(
        name, figures.coarsest_scales(trained.model, trained.images[:8], num_scales, conditions, noise_seed)
    )


@draws
def larger(trained):
    """Appendix C: samples larger than in training."""
    for factor in FLAGS.factor:
        rows = 5 if factor < 5 else 1
        figure = figures.larger_samples(
            trained.model,
            factor,
            rows,
            temperature=trained.config.temperature,
            seed=FLAGS.seed,
            **trained.columns(rows),
        )
        trained.save(f"larger_{factor}", figure)
    return {}


@draws
def mosaic(trained):
    """Latents side by side, decoded as one image."""
    images, conditions = trained.of_one_class(16)
    return trained.save("mosaic", figures.mosaic(trained.model, images, 4, conditions))


@draws
def conditions(trained):
    """Appendix F: the latent under the true condition, decoded under others."""
    if not trained.config.conditional:
        raise Skipped("the run is not conditional")
    count = min(len(trained.images), 64)
    images, before = trained.images[:count], trained.conditions[:count]
    if trained.data.attributes is None:
        new = np.tile(np.eye(before.shape[-1], dtype=np.float32), (count, 1, 1))
    else:
        chosen = [trained.data.attributes.index(name) for name in FLAGS.attributes]
        new = np.repeat(before[:, None], len(chosen), axis=1)
        for column, attribute in enumerate(chosen):
            new[:, column, attribute] = 1 - new[:, column, attribute]
    figure = figures.changed_conditions(trained.model, images, before, new)
    numbers = trained.save("conditions", dataclasses.replace(figure, images=figure.images[:8]))

    drawn = np.tile(trained.columns()["conditional_input"], (40, 1)).astype(np.float32)
    temperature = trained.config.temperature
    samples = trained.model.sample(len(drawn), FLAGS.seed, temperature, drawn, batch_size=64)
    classifier = trained_classifier(trained.data, FLAGS.classifier_steps, seed=FLAGS.seed)
    changed = figure.images[:, 1:].reshape(-1, *trained.config.event_shape)
    read = {
        "changed_images": (changed, figure.conditional_input, np.repeat(before, new.shape[1], axis=0)),
        "samples": (samples, drawn, None),
        "test_images": (trained.images, trained.conditions, None),
    }
    for name, (pixels, right, earlier) in read.items():
        found = read_conditions(classifier, pixels, trained.config.num_levels)
        numbers[f"classifier_reads_{name}"] = accuracy(found, right, trained.data.attributes is None, earlier)
    return numbers


@draws
def interpolations(trained):
    images, conditions = trained.of_one_class(16)
    return trained.save("interpolations", figures.interpolations(trained.model, images, 8, conditions))


@draws
def arithmetic(trained):
    """Adds the mean latent of images with a label, less the mean of images without it, to others."""
    if trained.labels is None:
        raise Skipped("its images have no labels")
    if trained.config.conditional:
        raise Skipped("the run is conditional on what would be added; see conditions")
    if FLAGS.direction >= trained.labels.shape[-1]:
        raise Skipped(f"--direction must be less than {trained.labels.shape[-1]}")
    with_it = trained.labels[:, FLAGS.direction] == 1
    there, others = trained.images[with_it], trained.images[~with_it]
    if not (len(there) and len(others)):
        raise Skipped(f"{len(there)} of {len(with_it)} images have the label of --direction")
    return trained.save("arithmetic", figures.arithmetic(trained.model, others[:8], there, others))


@draws
def learning_curves(trained):
    with one_line_errors():
        history = trained.run.history()
    if not history:
        raise Skipped("there is no history.csv")
    path = trained.run.figures_path / "learning_curves.png"
    plots.learning_curves(path, history, trained.config.paper_bits_per_dim)
    return {"last_validation": history["val_bits_per_dim"][-1]}


@draws
def histogram(trained):
    """Bits per dimension of single images, of the data set and from elsewhere."""
    if trained.config.conditional and trained.data.attributes is not None:
        raise Skipped("images from elsewhere have no attributes")
    n = len(trained.images)
    others = other_images(trained.data, n, FLAGS.seed)
    if trained.config.dataset == "digits":
        del others["handwritten digits"]  # They belong to this data set.
    sets = {"test": trained.images, "training": data.first_images(trained.data, n, "train")[0], **others}
    bits = {name: bits_of(trained, images) for name, images in sets.items()}
    plots.histograms(trained.run.figures_path / "histogram.png", bits)
    return {name: float(values.mean()) for name, values in bits.items()}


def bits_of(trained, images):
    """Bits per dimension of each image; a class-conditional model averages over all classes."""
    if trained.config.conditional:
        classes = np.eye(trained.config.num_conditions, dtype=np.float32)
        of_classes = log_prob_of_conditions(trained.model, images, classes)
        log_prob = tfp.math.reduce_logmeanexp(of_classes.astype(np.float64), axis=-1).numpy()
    else:
        log_prob = trained.model.predict(images, verbose=0)
    return rnvp.bits_per_dim(log_prob, trained.config.event_shape)


if __name__ == "__main__":
    app.run(main)
