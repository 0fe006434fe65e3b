"""Files whose errors name them."""

from collections.abc import Callable
from typing import Any

from tfp_realnvp.utils.hints import Path


def load_file(path: Path, load: Callable[[Path], Any]) -> Any:
    """Calls `load` on a file; raises a ValueError that names the file if that fails.

    Args:
      path: Name of the file.
      load: Function of `path`.

    Returns:
      The result of `load`.

    Raises:
      ValueError: if `load` raises anything.
    """
    try:
        return load(path)
    except Exception as error:  # Keras raises many kinds of errors.
        raise ValueError(f"`{path}` cannot be loaded: {' '.join(str(error).split())}") from error
