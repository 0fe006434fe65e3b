"""Lint, format and the shape of the package."""

import ast
import configparser
import graphlib
import subprocess
import sys

from places import ROOT

import tfp_realnvp as rnvp

PACKAGE = ROOT / "tfp_realnvp"
SETTINGS = configparser.ConfigParser()
SETTINGS.read(ROOT / "setup.cfg")
OWN_FILES = SETTINGS["mypy"]["files"].split(", ")
# Each may import what stands before it, and modules of its own folder.
FOLDERS = (
    "utils",
    "pretrained",
    "bijectors",
    "networks",
    "flows",
    "images",
    "models",
    "data",
    "analysis",
    "training",
)


def public_functions(body):
    """Public functions of a module, and methods and constructors of its public classes."""
    for node in body:
        is_public = isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")
        if isinstance(node, ast.ClassDef) and is_public:
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and (is_public or node.name == "__init__"):
            yield node


def test_every_public_function_has_hints():
    for path in PACKAGE.rglob("*.py"):
        for function in public_functions(ast.parse(path.read_text()).body):
            arguments = [node for node in ast.walk(function.args) if isinstance(node, ast.arg)]
            hints = [a.annotation for a in arguments if a.arg not in ("self", "cls")] + [function.returns]
            assert None not in hints, f"{function.name} of {path.name}"


USE = """
import numpy as np
import tensorflow as tf

import tfp_realnvp as rnvp

flow = rnvp.RealNVP((8, 8, 3), num_scales=2, dtype="float64")
model = rnvp.FlowModel(rnvp.image_distribution(flow, event_shape=flow.event_shape), l2=0, seed=1)
model.compile("adam", skip_non_finite=True)
model.fit(np.zeros((4, 8, 8, 3), np.uint8), verbose=0)
bits: float = rnvp.bits_per_dim(-3.0, [8, 8, 3])
all_bits: np.ndarray = rnvp.bits_per_dim(model.predict(np.zeros((4, 8, 8, 3))), (8, 8, 3))
samples: tf.Tensor = model.sample((2, 3), seed=0, temperature=0.7)
coupling = rnvp.AffineCoupling(rnvp.channel_mask((4,)), lambda x: (x, x), max_log_scale=2)
mask: np.ndarray = coupling.mask
chain = rnvp.Chain([coupling, rnvp.BatchNormalization([None, None, 3]), rnvp.Squeeze("ordered")])
chain.forward(tf.zeros([4]), **rnvp.bijector_kwargs(chain, training=True))
"""
MISUSE = {
    'rnvp.RealNVP((8, 8, 3), num_scales="two")': '"num_scales"',
    "rnvp.RealNVP(8)": "Argument 1",
    "rnvp.RealNVP((8,), hidden_units=64)": '"hidden_units"',
    "rnvp.RealNVP((8,), num_layers=2)": "Unexpected keyword",
    "rnvp.RealNVP((8,)).num_scales + 1": "Unsupported operand",
    "rnvp.Squeeze(2)": "Argument 1",
    "rnvp.AffineCoupling(rnvp.channel_mask((4,)), 3)": "Argument 2",
    'rnvp.Chain([rnvp.Squeeze()], recompute="yes")': '"recompute"',
    'rnvp.checkerboard_mask((4, 4, 1), invert="no")': '"invert"',
    'rnvp.image_distribution(rnvp.RealNVP((4, 4, 1)), num_levels="all")': '"num_levels"',
    'rnvp.FlowModel(None).sample("three")': "Argument 1",
    "rnvp.FlowModel(None).encode([0], batch_size=2.5)": '"batch_size"',
}


def check(*command):
    return subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=ROOT)


def test_lint_format_and_types(tmp_path):
    """As `ruff check`, `ruff format --check` and `mypy` do; with one call of mypy also what users do."""
    for command in (["check"], ["format", "--check"]):
        process = check("ruff", *command, "--no-cache", str(ROOT))
        assert process.returncode == 0, process.stdout + process.stderr
    assert (PACKAGE / "py.typed").exists()
    use, misuse = tmp_path / "use.py", tmp_path / "misuse.py"
    use.write_text(USE)
    misuse.write_text("\n".join(["import tfp_realnvp as rnvp", *MISUSE]))
    process = check("mypy", "--cache-dir", str(tmp_path / "cache"), *OWN_FILES, str(use), str(misuse))
    errors = [line for line in process.stdout.splitlines() if ": error: " in line]
    assert len(errors) == len(MISUSE), process.stdout + process.stderr
    for number, (error, expected) in enumerate(zip(errors, MISUSE.values(), strict=True), start=2):
        assert error.startswith(f"{misuse}:{number}: "), error
        assert expected in error


def imported_modules(path):
    """Modules of the package that a module imports, by their paths."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tfp_realnvp":
            module = ROOT / node.module.replace(".", "/")
            for name in node.names:
                named = module / name.name
                places = named.with_suffix(".py"), named, module.with_suffix(".py"), module
                found = next(place for place in places if place.exists())
                yield found / "__init__.py" if found.is_dir() else found


def test_imports_point_downwards():
    modules = {path: set(imported_modules(path)) for path in PACKAGE.rglob("*.py")}
    assert {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"} == set(FOLDERS)
    for path, imported in modules.items():
        own, *inner = path.relative_to(PACKAGE).parts
        for other in imported if inner else ():
            assert FOLDERS.index(other.relative_to(PACKAGE).parts[0]) <= FOLDERS.index(own), (path, other)
    graphlib.TopologicalSorter(modules).prepare()  # Raises where there is a circle.


def test_folders_can_be_taken_in_at_a_glance():
    for folder in (PACKAGE, *PACKAGE.rglob("*/")):
        entries = [path for path in folder.iterdir() if path.name not in ("__pycache__", "__init__.py")]
        assert len(entries) <= 13, folder


def test_every_public_name_is_documented():
    for name in rnvp.__all__:
        assert getattr(rnvp, name).__doc__, name
    assert sorted(rnvp.__all__) == rnvp.__all__
