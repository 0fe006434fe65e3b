"""What `help` shows of everything public names each argument and says what comes back."""

import importlib
import inspect
import re

import pytest

import tfp_realnvp as rnvp
from tfp_realnvp import callbacks, data

MODULES = [
    importlib.import_module(f"tfp_realnvp.{name}")
    for name in (
        "checkpoints",
        "classifier",
        "data.array_file",
        "data.celeba",
        "data.cifar10",
        "data.digits",
        "data.elsewhere",
        "data.folder",
        "data.image_data",
        "data.imagenet",
        "data.lsun",
        "evaluation",
        "extrapolation",
        "figures",
        "image_grid",
        "latents",
        "plots",
        "run_folder",
    )
]


def members(owner):
    """Public functions and classes that a module or a class defines, by name."""
    names = getattr(owner, "__all__", None) or [name for name in vars(owner) if not name.startswith("_")]
    for name in names:
        value = getattr(owner, name)
        if not (inspect.isroutine(value) or inspect.isclass(value)):
            continue
        if hasattr(owner, "__all__") or value.__module__ == getattr(owner, "__module__", owner.__name__):
            yield name, value


def is_override(owner, name):
    """Whether a class that is not ours, and has its own documentation, has the method too."""
    return any(name in vars(c) for c in owner.__mro__ if not c.__module__.startswith("tfp_realnvp"))


def functions():
    """Pairs of a name and a public function or method that is no override."""
    for owner in (rnvp, callbacks, data, *MODULES):
        for name, value in members(owner):
            if not inspect.isclass(value):
                yield f"{value.__module__}.{name}", value
                continue
            for method, function in members(value):
                if not is_override(value, method):
                    yield f"{value.__module__}.{name}.{method}", function


def classes():
    for owner in (rnvp, callbacks, data, *MODULES):
        for name, value in members(owner):
            if inspect.isclass(value):
                yield f"{value.__module__}.{name}", value


def parameters(function):
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def names_in(documentation, section):
    """The names that `Args:` or `Attributes:` tells of."""
    text = inspect.cleandoc(documentation or "")
    found = re.search(rf"^{section}:\n((?:(?: .*)?\n?)*)", text, re.MULTILINE)
    entries = re.findall(r"^  (\S[^:]*):", found.group(1), re.MULTILINE) if found else []
    return [name.strip("* ") for entry in entries for name in entry.split(",")]


def cases(found):
    named = dict(found)
    return pytest.mark.parametrize("function", named.values(), ids=named)


@cases(functions())
def test_arguments_and_results_of_functions(function):
    assert names_in(function.__doc__, "Args") == parameters(function)
    has_result = inspect.signature(function).return_annotation is not None
    says_so = "\nReturns:\n" in inspect.cleandoc(function.__doc__)
    # Without arguments a function is like a property: its first line says what it is.
    assert says_so == has_result or not (says_so or parameters(function))


@cases(classes())
def test_every_member_is_documented(function):
    for name, value in vars(function).items():
        if not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property)):
            assert inspect.getdoc(getattr(function, name)), name


@cases(classes())
def test_arguments_of_constructors(function):
    documented = [
        names_in(text, section)
        for text in (function.__doc__, function.__init__.__doc__)
        for section in ("Args", "Attributes")
    ]
    assert parameters(function) in documented
