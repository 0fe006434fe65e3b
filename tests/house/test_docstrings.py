"""What `help` shows of everything public names each argument and says what comes back."""

import dataclasses
import importlib
import inspect
import re

import pytest

import tfp_realnvp as rnvp
from tfp_realnvp import data
from tfp_realnvp.training import callbacks

MODULES = [
    importlib.import_module(f"tfp_realnvp.{name}")
    for name in (
        "training.checkpoints",
        "analysis.classifier",
        "training.configuration",
        "data.files.array_file",
        "data.datasets.celeba",
        "data.datasets.cifar10",
        "data.datasets.digits",
        "data.other_images",
        "data.files.folder",
        "data.image_data",
        "data.datasets.imagenet",
        "data.datasets.lsun",
        "analysis.evaluation",
        "analysis.exploration",
        "analysis.extrapolation",
        "analysis.figures",
        "analysis.image_grid",
        "analysis.latents",
        "analysis.plots",
        "pretrained",
        "training.run",
        "training.run_folder",
    )
]


def members(owner):
    """Public functions and classes that a module or a class defines, by name."""
    for name in getattr(owner, "__all__", vars(owner)):
        value = getattr(owner, name)
        if name.startswith("_") or not (inspect.isroutine(value) or inspect.isclass(value)):
            continue
        if hasattr(owner, "__all__") or value.__module__ == getattr(owner, "__module__", owner.__name__):
            yield name, value


def is_override(owner, name):
    """Whether a class of TFP's or Keras's has a method that one of ours has."""
    return any(name in vars(c) for c in owner.__mro__ if not c.__module__.startswith("tfp_realnvp"))


PUBLIC = {
    f"{value.__module__}.{name}": value
    for owner in (rnvp, callbacks, data, *MODULES)
    for name, value in members(owner)
}
CLASSES = {name: value for name, value in PUBLIC.items() if inspect.isclass(value)}
METHODS = {
    f"{owner}.{name}": value
    for owner, cls in CLASSES.items()
    for name, value in members(cls)
    if not is_override(cls, name)
}
FUNCTIONS = {name: value for name, value in PUBLIC.items() if name not in CLASSES} | METHODS
each_class = pytest.mark.parametrize("cls", CLASSES.values(), ids=CLASSES)
each_function = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def names_in(documentation, section):
    """The names that `Args:` or `Attributes:` tells of."""
    text = inspect.cleandoc(documentation or "") + "\n"
    found = re.search(rf"^{section}:\n((?: .*\n|\n)*)", text, re.MULTILINE)
    entries = re.findall(r"^  (\S[^:]*):", found.group(1), re.MULTILINE) if found else []
    return [name.strip("* ") for entry in entries for name in entry.split(",")]


@each_function
def test_arguments_and_results_of_functions(function):
    assert names_in(function.__doc__, "Args") == parameters(function)
    has_result = inspect.signature(function).return_annotation is not None
    says_so = "\nReturns:\n" in inspect.cleandoc(function.__doc__)
    # Without arguments a function is like a property: its first line says what it is.
    assert says_so == has_result or not (says_so or parameters(function))


@pytest.mark.parametrize("name", rnvp.__all__)
def test_the_package_tells_of_errors_and_of_the_source(name):
    text = f"{getattr(rnvp, name).__doc__}\n{getattr(rnvp, name).__init__.__doc__}"
    assert re.search(r"^ *Raises:$", text, re.MULTILINE)
    if name not in ("Chain", "bijector_kwargs", "keras_layers"):  # TFP's and Keras's, not the paper's.
        assert re.search(r"^ *#### References$", text, re.MULTILINE)


@each_class
def test_every_member_is_documented(cls):
    for name, value in vars(cls).items():
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(cls, name)), name


@each_class
def test_arguments_of_constructors(cls):
    if cls.__init__.__module__.startswith("keras."):  # Documented there.
        return
    documented = [
        names_in(text, section)
        for text in (cls.__doc__, cls.__init__.__doc__)
        for section in ("Args", "Attributes")
    ]
    bases = [c for c in cls.__bases__ if dataclasses.is_dataclass(c)]  # Documented there.
    own = [name for name in parameters(cls) if not any(name in parameters(c) for c in bases)]
    assert own + [c.__name__.lower() for c in bases] in documented
