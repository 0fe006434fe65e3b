"""Evaluates training runs, and compares their bits/dim with the paper's.

python examples/evaluate.py --run=runs/digits
python examples/evaluate.py --run=runs/seed0 --run=runs/seed1 --run=runs/seed2
python examples/evaluate.py --run=tfp_realnvp/pretrained/digits --out=digits

Bits per dimension are means over images and draws of the dequantisation noise, with the standard
error over images. For runs that differ only in their seed, they are means over runs, with the
standard error over runs. Results go to `results.json` and `table.md` in the folder of each run, or to
`--out` for a single run.
"""

import fast_start  # noqa: F401  # isort: skip

import dataclasses

import keras
from absl import app, flags

from tfp_realnvp import data
from tfp_realnvp.analysis.evaluation import (
    Estimate,
    importance_weighted_bits,
    inversion_error,
    log_prob_draws,
    mean_bits,
)
from tfp_realnvp.training.run_folder import RunFolder
from tfp_realnvp.utils.one_line_errors import one_line_errors

flags.DEFINE_multi_string("run", None, "Folder of a training run; may be given several times.", required=True)
flags.DEFINE_string("out", None, "Folder for the results of a single run; by default its own.")
flags.DEFINE_string("data_dir", None, "Location of the images, if it is not the one in training.")
flags.DEFINE_integer(
    "num_images",
    None,
    "Images from each split; by default as many as the test split has.",
    lower_bound=2,
)
flags.DEFINE_integer("num_draws", 4, "Draws of noise for each image.", lower_bound=1)
flags.DEFINE_integer("batch_size", 64, "Images in a batch.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed of the noise.")
FLAGS = flags.FLAGS

HEADER = (
    "data set",
    "paper (train)",
    "test bits/dim",
    "train",
    "test, importance-weighted",
    "largest inversion error",
    "images",
    "draws",
    "runs",
)


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    runs = [RunFolder(path) for path in FLAGS.run]
    if FLAGS.out and len(runs) > 1:
        raise app.UsageError(f"--out is for a single --run; got {len(runs)}.")
    with one_line_errors():
        configurations = [run.configuration() for run in runs]
        for run in runs:
            run.check_has_ended()  # Evaluates none unless all have ended and all images are there.
            run.results()
        images = [config.images(FLAGS.data_dir) for config in configurations]
    groups = {}  # Runs that differ only in their seed, each with its results.
    for run, config, data_set in zip(runs, configurations, images, strict=True):
        with one_line_errors():
            model = run.model()
        results = evaluate(model, config, data_set)
        place_of(run).add_results(evaluation=results)
        groups.setdefault(dataclasses.replace(config, seed=None), []).append((run, results))
    lines = [line(HEADER), line(["---"] * len(HEADER))]
    for config, evaluated in groups.items():
        summary = over_runs([results for _, results in evaluated])
        lines.append(line(cells(config, summary)))
        for run, _ in evaluated:
            place_of(run).add_results(over_runs=summary)
    table = "\n".join(lines)
    for run in runs:
        (place_of(run).path / "table.md").write_text(table + "\n")
    print(table)


def place_of(run):
    """The folder for the results of a run."""
    place = RunFolder(FLAGS.out) if FLAGS.out else run
    place.path.mkdir(parents=True, exist_ok=True)
    return place


def evaluate(model, config, images):
    """Evaluates one run; returns the results as they are saved."""
    num_images = min(FLAGS.num_images or images.num_test, images.num_test)
    options = {"conditional": config.conditional, "num_images": num_images, "batch_size": FLAGS.batch_size}
    results = {"num_images": num_images, "num_draws": FLAGS.num_draws, "seed": FLAGS.seed}
    for split in ("test", "train"):
        print(f"The {split} split, {FLAGS.num_draws} draws of noise:")
        log_prob = log_prob_draws(
            model, images, FLAGS.num_draws, FLAGS.seed, split=split, verbose=1, **options
        )
        results[split] = {
            "bits_per_dim": dataclasses.asdict(Estimate.of(mean_bits(log_prob, config.event_shape))),
            "importance_weighted": dataclasses.asdict(
                Estimate.of(importance_weighted_bits(log_prob, config.event_shape))
            ),
        }
    noisy = data.evaluation_batches(images, noise_seed=FLAGS.seed, **options)
    print("Inversion:")
    results["inversion_error"] = inversion_error(model, with_progress(noisy))
    return results


def with_progress(batches):
    """The batches, with a progress bar."""
    bar = keras.utils.Progbar(int(batches.cardinality()), unit_name="batch")
    for batch in batches:
        yield batch
        bar.add(1)


def over_runs(results):
    """Averages the results of `evaluate` over runs; a single run's results stay as they are."""
    summary = {
        **results[0],
        "runs": len(results),
        "inversion_error": max(r["inversion_error"] for r in results),
    }
    if len(results) > 1:
        for split in ("test", "train"):
            summary[split] = {
                name: dataclasses.asdict(Estimate.of([r[split][name]["mean"] for r in results]))
                for name in results[0][split]
            }
    return summary


def cells(config, summary):
    """A row of the table."""
    paper = "-" if config.paper_bits_per_dim is None else f"{config.paper_bits_per_dim:.2f}"
    if config.paper_train_bits_per_dim is not None:
        paper += f" ({config.paper_train_bits_per_dim:.2f})"
    return (
        config.dataset,
        paper,
        Estimate(**summary["test"]["bits_per_dim"]),
        Estimate(**summary["train"]["bits_per_dim"]),
        Estimate(**summary["test"]["importance_weighted"]),
        f"{summary['inversion_error']:.1e}",
        summary["num_images"],
        summary["num_draws"],
        summary["runs"],
    )


def line(cells):
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    app.run(main)
