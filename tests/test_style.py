"""Lint, format and the shape of the package."""

import ast
import pathlib
import subprocess
import sys

import pytest

import tfp_realnvp as rnvp

ROOT = pathlib.Path(__file__).parents[1]
# Each may import what stands before it, and modules of its own line.
LAYERS = [
    {
        "arguments",
        "in_batches",
        "interrupts",
        "json_object",
        "one_line_errors",
        "pretrained",
        "replicas",
        "snapshot",
        "whole_file",
    },
    {"masks"},
    {"bijectors", "networks"},
    {"couplings", "multi_scale", "real_nvp"},
    {
        "events",
        "fingerprint",
        "flow_layers",
        "images",
        "keras_inputs",
        "recalibration",
        "serialization",
        "skip_non_finite",
    },
    {"flow_model"},
    {"data", "extrapolation", "image_grid", "latents", "plots"},
    {"checkpoints", "classifier", "configuration", "evaluation", "exploration", "figures"},
    {"callbacks", "presets", "run_folder"},
]


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff(command):
    process = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", str(ROOT)], capture_output=True, text=True
    )
    assert process.returncode == 0, process.stdout + process.stderr


def test_imports_point_downwards():
    level = {name: i for i, names in enumerate(LAYERS) for name in names}
    package = ROOT / "tfp_realnvp"
    for path in package.rglob("*.py"):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tfp_realnvp"):
                rest = node.module.split(".")[1:]
                for name in rest[:1] or [a.name for a in node.names]:
                    assert level[name] <= level[own], f"{path.name} imports {name}"


def test_every_public_name_is_documented():
    for name in rnvp.__all__:
        assert getattr(rnvp, name).__doc__, name
    assert sorted(rnvp.__all__) == rnvp.__all__
