"""Reads objects from JSON files."""

import json
import pathlib
from typing import Any

from tfp_realnvp.utils.hints import Path


def read_json_object(path: Path) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
      path: Name of the file.

    Returns:
      Dictionary.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is not JSON, or holds no object.
    """
    try:
        value = json.loads(pathlib.Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"`{path}` must hold a JSON object; it is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ValueError(f"`{path}` must hold a JSON object; got {type(value).__name__}.")
    return value
