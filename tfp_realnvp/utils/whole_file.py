"""Writes files whole or not at all."""

import contextlib
import os
from collections.abc import Iterator

from tfp_realnvp.utils.hints import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[str]:
    """Yields the name of a temporary file beside `path`, which replaces `path` after the block.

    Until then, and after an error, `path` stays unchanged.

    Args:
      path: Name of a file. The temporary name has the same ending.
    """
    folder, name = os.path.split(os.path.realpath(path))
    partial = os.path.join(folder, f".partial_{os.getpid()}_{name}")
    try:
        yield partial
        os.replace(partial, os.path.join(folder, name))
    finally:
        if os.path.exists(partial):
            os.remove(partial)
