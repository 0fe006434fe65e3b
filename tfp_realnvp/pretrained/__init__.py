"""Trained models in this package: one folder for each, with the model and its card."""

import pathlib

FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Returns the sorted names of the models."""
    return sorted(path.parent.name for path in FOLDER.glob("*/model.keras"))


def model_path(name: str) -> pathlib.Path:
    """Returns the path of a model's `.keras` file.

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
