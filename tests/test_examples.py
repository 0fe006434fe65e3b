"""The smaller examples, by their command lines."""

import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
NUMBER = r"(-?\d+\.?\d*)"


def run(script, *flags):
    """What the script prints, if it succeeds."""
    process = subprocess.run([sys.executable, str(EXAMPLES / script), *flags], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def numbers(printed, pattern):
    """The numbers in the one line that begins with `pattern`, where `#` stands for a number."""
    found = re.findall(rf"^ *{pattern.replace('#', NUMBER)}", printed, re.MULTILINE)
    assert len(found) == 1, (pattern, printed)
    return np.array(found, float).ravel()


def picture(path):
    return keras.utils.img_to_array(keras.utils.load_img(path))


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


@pytest.mark.parametrize("conditioner", ["attention", "conv"])
def test_own_conditioner(conditioner):
    printed = run("own_conditioner.py", f"--conditioner={conditioner}", "--steps=400")
    gaussian, flow = (numbers(printed, rf"{name} +# \+- #") for name in ("Gaussian", conditioner))
    assert gaussian[0] + 0.05 < flow[0] < 0.884  # The negative entropy of the noise alone.
    assert 0 < flow[1] < 0.05


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


SMALLER = (
    "conditional_digits",
    "flow_hmc",
    "mixed_precision",
    "own_conditioner",
    "surrogate_posterior",
    "two_moons",
)


@pytest.mark.parametrize("name", SMALLER)
def test_unexpected_arguments(name, tmp_path):
    process = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py"), "steps=3"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert process.returncode != 0
    assert "Unexpected arguments: ['steps=3']" in process.stdout + process.stderr
    assert not list(tmp_path.iterdir())


def test_every_example_is_tested():
    tests = "".join(path.read_text() for path in pathlib.Path(__file__).parent.glob("test_*.py"))
    scripts = [path.name for path in EXAMPLES.glob("*.py")]
    assert len(scripts) > len(SMALLER)
    assert [name for name in scripts if f'"{name}"' not in tests] == []
