"""Files that are written whole or not at all."""

import contextlib
import os
from collections.abc import Iterator

from tfp_realnvp.utils.hints import Path


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[str]:
    """Gives the name of a file beside `path`, which takes its place once it is written.

    Until then, and if an error comes, whatever is at `path` stays.

    Args:
      path: Name of a file, whose ending the other name has as well.
    """
    folder, name = os.path.split(os.path.realpath(path))
    partial = os.path.join(folder, f".partial_{os.getpid()}_{name}")
    try:
        yield partial
        os.replace(partial, os.path.join(folder, name))
    finally:
        if os.path.exists(partial):
            os.remove(partial)
