"""The examples, by their command lines."""

import concurrent.futures
import contextlib
import importlib.util
import json
import re

import keras
import numpy as np
import pytest
from mock_images import mocked
from places import EXAMPLES, TESTS
from run_example import run_example

from tfp_realnvp import pretrained

NUMBER = r"(-?\d+\.?\d*)"


def run(script, *flags, mock=False):
    """What the script prints; with mock images where they are of TFDS."""
    with mocked(num_train=80, num_test=20) if mock else contextlib.nullcontext():
        return run_example(script, *flags)


def numbers(printed, pattern):
    """The numbers in the one line that begins with `pattern`, where `#` stands for a number."""
    found = re.findall(rf"^ *{pattern.replace('#', NUMBER)}", printed, re.MULTILINE)
    assert len(found) == 1, (pattern, printed)
    return np.array(found, float).ravel()


def picture(path):
    return keras.utils.img_to_array(keras.utils.load_img(path))


@pytest.mark.slow
def test_two_moons(tmp_path):
    out = tmp_path / "moons.png"
    printed = run("two_moons.py", "--steps=300", "--num_test=2000", "--num_samples=500", f"--out={out}")
    gaussian, flow, truth = (numbers(printed, rf"{name} +# \+- #") for name in ("Gaussian", "flow", "truth"))
    assert gaussian[0] + 0.2 < flow[0] < truth[0]
    assert all(0 < error < 0.1 for _, error in (gaussian, flow, truth))
    data, samples, density = np.split(picture(out)[:, :1650], 3, axis=1)
    assert np.unique(data).size > 20 and np.unique(samples).size > 20
    assert np.mean(density < 50) > 0.3  # Its background is dark.


# Of the eight schools, by quadrature: all but mu and tau integrates in closed form.
LOG_EVIDENCE = -31.311
EXACT = (4.397, 3.318), (3.598, 3.220)  # Posterior mean and standard deviation of mu and tau.


@pytest.mark.slow
def test_surrogate_posterior():
    printed = run("surrogate_posterior.py", "--steps=300", "--num_samples=100", "--num_chains=4")
    elbo, error = numbers(printed, r"ELBO of the flow: # \+- #")
    assert 0 < error < 0.2
    assert -32 < elbo < LOG_EVIDENCE + 4 * error
    assert 1 <= numbers(printed, ".* chains: #")[0] < 1.2
    names = ["mu", "tau", *(f"school {letter}" for letter in "ABCDEFGH")]
    flow, nuts = (
        np.array([numbers(printed, f"{name} +# +# +# +#") for name in names]).reshape(-1, 2, 2).swapaxes(0, 1)
    )
    for (mean, sd), exact in zip(flow, EXACT, strict=False):
        np.testing.assert_allclose((mean, sd), exact, atol=0.25 * exact[1])
    largest = numbers(
        printed, r"Largest disagreement.*: # \(.*\) of a mean, # \(.*\) of a standard deviation"
    )
    np.testing.assert_allclose(largest, np.max(np.abs(flow - nuts) / nuts[:, 1:], axis=0), atol=0.01)
    assert largest.max() < 0.6


@pytest.mark.slow
def test_flow_hmc():
    flags = (
        "--steps=800",
        "--num_samples=300",
        "--num_chains=4",
        "--dimensions=3",
        "--plain_steps_per_draw=1",
    )
    printed = run("flow_hmc.py", *flags)
    columns = "mean", "sd", "moved", "r_hat", "ess", "per_second", "per_second_in_all"
    plain, flow = (
        dict(zip(columns, numbers(printed, name + len(columns) * " +#"), strict=True))
        for name in ("plain", "in flow")
    )
    for row in (plain, flow):
        assert 0.6 < row["moved"] <= 1
        assert 0 < row["per_second_in_all"] < row["per_second"]
    assert flow["mean"] == pytest.approx(0, abs=0.8)
    assert flow["sd"] == pytest.approx(3, abs=0.6)
    assert 1 <= flow["r_hat"] < 1.1
    assert plain["ess"] < flow["ess"] <= 1200
    assert numbers(printed, "The flow was fitted in # s")[0] > 0


@pytest.mark.slow
@pytest.mark.parametrize("conditioner", ["attention", "conv"])
def test_own_conditioner(conditioner):
    printed = run("own_conditioner.py", f"--conditioner={conditioner}", "--steps=400")
    gaussian, flow = (numbers(printed, rf"{name} +# \+- #") for name in ("Gaussian", conditioner))
    assert gaussian[0] + 0.05 < flow[0] < 0.884  # The negative entropy of the noise alone.
    assert 0 < flow[1] < 0.05


@pytest.mark.slow
def test_conditional_digits(tmp_path):
    out = tmp_path / "digits.png"
    training = ("--epochs=2", "--steps_per_epoch=80", "--base_filters=8", "--learning_rate=5e-3")
    printed = run("conditional_digits.py", *training, "--num_samples=10", "--rows=3", f"--out={out}")
    bits, error = numbers(printed, r"Test bits/dim: # \+- #")
    assert 1.9 < bits < 3.5
    assert 0 < error < 0.1
    drawn, real = numbers(
        printed, "Read as their class by a support vector machine: #% of samples, #% of test"
    )
    assert 20 < drawn <= 100
    assert 97 < real <= 100
    assert 60 < numbers(printed, "Read as their class by the flow itself: #% of test digits")[0] <= 100
    height, width, _ = picture(out).shape
    assert height / width == pytest.approx(3 / 10)


@pytest.mark.slow
def test_mixed_precision():
    policies = "float32", "mixed_bfloat16"
    printed = run("mixed_precision.py", "--steps=40", "--num_test=64")
    full, mixed = (numbers(printed, f"{name} +# +[+]?# +#e-0# +#") for name in policies)
    assert 1.9 < full[0] < 4.2
    assert full[1] == 0
    assert mixed[1] == pytest.approx(mixed[0] - full[0], abs=2e-4)
    assert abs(mixed[1]) < 0.1
    assert min(full[3], mixed[3]) >= 4  # The round trip is exact to 1e-4 of a level, or better.
    assert min(full[4], mixed[4]) > 0


TINY = (
    "--num_scales=2",
    "--num_residual_blocks=1",
    "--base_filters=8",
    "--steps_per_epoch=2",
    "--epochs=1",
)
ALL_FIGURES = (
    "samples",
    "beside_data",
    "reconstructions",
    "manifold",
    "manifold_animation",
    "compression",
    "noise",
    "larger",
    "mosaic",
    "conditions",
    "interpolations",
    "arithmetic",
    "learning_curves",
    "histogram",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs of two steps, made once for each set of flags."""
    made = {}

    def train(*flags, mock=False):
        if flags not in made:
            made[flags] = tmp_path_factory.mktemp("run")
            run("train_cifar.py", *TINY, *flags, f"--out={made[flags]}", mock=mock)
        return made[flags]

    return train


@pytest.mark.slow
def test_evaluate(trained):
    runs = [trained("--preset=tiny", f"--seed={seed}") for seed in (0, 1)]
    flags = ("--num_draws=2", "--num_images=100", "--batch_size=50")
    printed = run("evaluate.py", *(f"--run={path}" for path in runs), *flags)
    table = [line for line in printed.splitlines() if line.startswith("|")]  # Progress is printed too.
    header, _, of_seeds = rows = [line.strip("| \n").split(" | ") for line in table]
    assert header[:3] == ["data set", "paper (train)", "test bits/dim"]
    means = []
    for path in runs:
        assert [
            line.strip("| \n").split(" | ") for line in (path / "table.md").read_text().splitlines()
        ] == rows
        kept = json.loads((path / "results.json").read_text())
        found = kept["evaluation"]
        for split in ("test", "train"):
            bits, weighted = found[split]["bits_per_dim"], found[split]["importance_weighted"]
            assert 2 < weighted["mean"] < bits["mean"] < 9
            assert 0 < bits["standard_error"] < 0.5
        assert found["test"] != found["train"]
        assert 0 < found["inversion_error"] < 1e-3
        assert (found["num_images"], found["num_draws"]) == (100, 2)
        assert kept["steps"] == 2  # What training wrote stays.
        means.append(found["test"]["bits_per_dim"]["mean"])
    spread = np.std(means, ddof=1) / 2**0.5
    assert of_seeds[:3] == ["digits", "-", f"{np.mean(means):.3f} ± {spread:.3f}"]
    assert (of_seeds[-1], kept["over_runs"]["runs"]) == ("2", 2)
    expected = pytest.approx({"mean": np.mean(means), "standard_error": spread})
    assert kept["over_runs"]["test"]["bits_per_dim"] == expected


@pytest.mark.slow
def test_evaluate_names_the_papers_figure(trained):
    path = trained("--preset=imagenet32_small", "--num_scales=2", mock=True)
    printed = run("evaluate.py", f"--run={path}", "--num_draws=1", mock=True)
    assert printed.splitlines()[-1].startswith("| imagenet32 | 4.28 (4.26) | ")
    bits = json.loads((path / "results.json").read_text())["evaluation"]["test"]["bits_per_dim"]
    assert f"| {bits['mean']:.3f} ± {bits['standard_error']:.3f} |" in printed
    assert printed.strip().endswith(" | 1 | 1 |")


OF_LABELS = "samples", "conditions", "arithmetic", "histogram"
"""Figures that depend on whether images have classes, attributes or neither; others are drawn alike."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags, chosen, skipped, mock",
    [
        (("--preset=tiny", "--seed=0"), ALL_FIGURES, {"arithmetic"}, False),
        (("--preset=tiny", "--noconditional"), ALL_FIGURES, {"conditions"}, False),
        (
            ("--preset=celeba_small", "--conditional", "--num_scales=2"),
            OF_LABELS,
            {"arithmetic", "histogram"},
            True,
        ),
        (
            ("--preset=imagenet32_small", "--num_scales=2"),
            (*OF_LABELS, "larger"),
            {"conditions", "arithmetic"},
            True,
        ),
    ],
    ids=["classes", "plain", "attributes", "unlabelled"],
)
def test_figures(trained, flags, chosen, skipped, mock):
    path = trained(*flags, mock=mock)
    smaller = ("--num_angles=4", "--num_images=360", "--classifier_steps=2", "--factor=2", "--factor=5")
    printed = run("figures.py", f"--run={path}", *smaller, *(f"--figure={f}" for f in chosen), mock=mock)
    lines = [line for line in printed.splitlines() if ": " in line]
    drawn = list(chosen)
    assert [line.split(":")[0] for line in lines] == drawn
    assert {line.split(":")[0] for line in lines if "skipped" in line} == skipped
    larger = {"larger_2", "larger_5"} if "larger" in drawn else set()
    names = {*drawn} - skipped - {"manifold_animation", "larger"} | larger
    found = {p.name for p in (path / "figures").iterdir()}
    animation = {"manifold.gif"} if "manifold_animation" in drawn else set()
    assert found == {f"{name}.png" for name in names} | animation | {"figures.json"}
    side, *_ = json.loads((path / "config.json").read_text())["event_shape"]
    if larger:
        height, width, _ = picture(path / "figures" / "larger_5.png").shape
        assert height == width and height % (5 * side + 1) == 0
    for name in names:
        assert np.unique(picture(path / "figures" / f"{name}.png")).size > 5
    found = json.loads((path / "figures" / "figures.json").read_text())
    assert set(found) == {*drawn} - skipped
    if not mock:  # Mock images are noise.
        assert all(0 < found[name]["round_trip_error"] < 1e-2 for name in ("manifold", "interpolations"))
    if "conditions" not in skipped:
        assert all(
            0 <= found["conditions"][f"classifier_reads_{x}"] <= 1 for x in ("changed_images", "samples")
        )


def test_figures_of_few_images(tmp_path):
    flags = (f"--run={pretrained.model_path('digits').parent}", f"--out={tmp_path}", "--first=355")
    printed = run("figures.py", *flags, "--figure=beside_data", "--figure=reconstructions")
    skipped, drawn, _ = printed.splitlines()[-3:]
    assert skipped == "beside_data: skipped, it needs 8 test images, and there are 5."
    assert drawn.startswith("reconstructions: ")
    assert {p.name for p in tmp_path.iterdir()} == {"reconstructions.png", "figures.json"}


@pytest.mark.slow
def test_what_the_digits_model_draws_is_read_as_its_class(tmp_path):
    path = pretrained.model_path("digits").parent
    run("figures.py", f"--run={path}", f"--out={tmp_path}", "--figure=conditions")
    found = json.loads((tmp_path / "figures.json").read_text())["conditions"]
    assert found["classifier_reads_test_images"] > 0.95
    assert found["classifier_reads_samples"] > 0.8
    assert found["classifier_reads_changed_images"] > 0.8
    assert found["round_trip_error"] < 1e-3


def test_input_pipeline():
    printed = run("input_pipeline.py", "--epochs=2")
    rates = [numbers(printed, f"{name}: #")[0] for name in ("first pass", "pass 2", "pass 3")]
    assert all(rate > 0 for rate in rates)


def test_list_presets():
    printed = run("list_presets.py", "--preset=tiny")
    header, _, *rows = [line.strip("| ").split(" | ") for line in printed.splitlines()]
    (digits,) = (dict(zip(header, row, strict=True)) for row in rows)
    assert (digits["preset"], digits["images"], digits["scales"]) == ("tiny", "8x8", "2")
    assert (digits["filters"], digits["paper's bits/dim, full size"]) == ("24", "-")
    assert int(digits["parameters"].replace(",", "")) > 10_000


def test_every_example_is_tested():
    tests = "".join(path.read_text() for path in TESTS.rglob("test_*.py"))
    scripts = [path.name for path in EXAMPLES.glob("*.py") if "app.run(main" in path.read_text()]
    assert len(scripts) > 10
    assert [name for name in scripts if f'"{name}"' not in tests] == []


@pytest.mark.slow
def test_benchmark(tmp_path):
    out = tmp_path / "new" / "benchmark.json"
    tables = check_tables(run("benchmark.py", "--quick", f"--out={out}"), out)
    assert sorted(tables) == ["curves", "floor", "graphs", "peers", "recompute", "start"]
    without_peer = [row for row in tables["peers"] if None in row.values()]
    assert len(without_peer) == (1 if importlib.util.find_spec("normflows") is None else 0)
    small, large = (r for r in tables["graphs"] if not r["recompute"])
    assert small["operations a coupling"] == pytest.approx(large["operations a coupling"], rel=0.05)


def check_tables(printed, out):
    """The tables in the file; what was printed is the same, rounded."""
    record = json.loads(out.read_text())
    assert record["minutes"] > 0 and record["machine"]["tensorflow"]
    lines = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith("| ")]
    for rows in record["tables"].values():
        for row in (list(rows[0]), *(row.values() for row in rows)):
            for shown, value in zip(lines.pop(0), row, strict=True):
                if isinstance(value, float):
                    assert value > 0
                    assert float(shown.replace(",", "")) == pytest.approx(value, rel=0.006)
                else:
                    assert shown == ("not measured" if value is None else str(value))
    assert not lines
    return record["tables"]


def test_what_is_compared_takes_turns(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from benchmarked.subject import Subject, medians

    calls = []

    class Fake:
        def call(self, name):
            calls.append(name)
            return float(len(calls)), None

        def later(self, name):
            future = concurrent.futures.Future()
            future.set_result(self.call(name))
            return future

    fake = Fake()
    seconds = medians({"first": (fake, "a"), "second": (fake, "b")}, rounds=3)
    assert "".join(calls) == "aabb" + 3 * "ab"
    assert seconds == {"first": 7, "second": 8}
    with Subject("no_module.maker") as subject, pytest.raises(ModuleNotFoundError):
        subject.call("step")
