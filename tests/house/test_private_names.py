"""The private names of libraries that the package uses are all listed, and are there."""

import ast

import keras
import tensorflow as tf
import tensorflow_probability as tfp
from places import ROOT

from tfp_realnvp.utils.private_names import PRIVATE_NAMES

PACKAGE = ROOT / "tfp_realnvp"
ROOTS = {"keras": keras, "tf": tf, "tfp": tfp}
PUBLIC_IN_SPITE_OF_THEIR_NAMES = {"sys._getframe", "os._exit"}


def trees():
    return {path: ast.parse(path.read_text()) for path in PACKAGE.rglob("*.py")}


def instances():
    """Instances of the classes whose private names are set by their constructors, by class."""
    adam = keras.optimizers.Adam(use_ema=True)
    layer = keras.layers.Dense(1)
    layer.build((None, 1))
    adam.build(layer.trainable_variables)
    return {
        "keras.optimizers.Optimizer": [adam, keras.optimizers.LossScaleOptimizer],
        "keras.layers.Layer": [layer],
        "keras.Model": [keras.Model()],
        "keras.utils.Progbar": [keras.utils.Progbar(1)],
        "keras.callbacks.ProgbarLogger": [keras.callbacks.ProgbarLogger()],
        "keras.KerasTensor": [keras.KerasTensor((1,))],
        "keras.Variable": [keras.Variable(0.0)],
        "tf.Variable": [tf.Variable(0.0)],
    }


def test_every_name_is_in_what_is_installed():
    known = instances()
    for owner, names in PRIVATE_NAMES.items():
        root, *path = owner.split(".")
        value = ROOTS[root]
        for part in path:
            value = getattr(value, part)
        for name in names:
            places = [value, *known.get(owner, [])]
            assert any(hasattr(place, name) for place in places), f"{owner}.{name}"


def test_every_private_name_is_listed():
    own = set()
    for tree in trees().values():
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                own.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                own.add(node.attr)
    listed = {name for names in PRIVATE_NAMES.values() for name in names}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[:2] != "__":
                name = ast.unparse(node)
                is_known = node.attr in own | listed or name in PUBLIC_IN_SPITE_OF_THEIR_NAMES
                assert is_known, f"{path}:{node.lineno}: {name}"


def test_private_modules_are_imported_in_one_place():
    for path, tree in trees().items():
        modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
        modules += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
        private = [m for m in modules if m.startswith(("keras.src", "tensorflow.python"))]
        assert not private or path.name == "private_names.py", path
