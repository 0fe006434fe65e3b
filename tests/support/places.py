"""Folders that tests look into."""

import pathlib

ROOT = pathlib.Path(__file__).parents[2]
TESTS = ROOT / "tests"
SUPPORT = TESTS / "support"
EXAMPLES = ROOT / "examples"
TFDS = ROOT.parent / "shared" / "tfds"
"""CIFAR-10 as TensorFlow Datasets prepares it, beside the checkout if anywhere."""
