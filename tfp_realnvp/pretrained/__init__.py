"""Trained models that come with the package: a folder each, with the model and its card."""

import pathlib

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Sorted list of the names of the models."""
    return sorted(path.parent.name for path in FOLDER.glob("*/model.keras"))


def model_path(name: str) -> pathlib.Path:
    """The `.keras` file of a model.

    Args:
      name: One of `names()`.

    Returns:
      `pathlib.Path`.

    Raises:
      ValueError: if there is no such model.
    """
    if name not in names():
        raise ValueError(f"`name` must be one of {', '.join(names())}; got {name!r}.")
    return FOLDER / name / "model.keras"
