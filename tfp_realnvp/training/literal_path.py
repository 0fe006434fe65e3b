"""Names of folders that TensorFlow takes literally."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

from tfp_realnvp.utils.hints import Path


@contextlib.contextmanager
def literal_path(folder: Path) -> Iterator[str]:
    r"""Yields a name of `folder` without wildcard characters.

    TensorFlow finds and deletes checkpoints by patterns: it takes `seed[1]` for `seed1`. If a name has
    one of `*?[]{}\`, this yields the name of a link to the folder.

    Args:
      folder: Name of a folder, which need not exist.
    """
    name = os.path.abspath(folder)
    if not re.search(r"[*?\[\]{}]", name) and "\\" not in name.replace(os.sep, "/"):
        yield name
        return
    with tempfile.TemporaryDirectory() as place:
        link = os.path.join(place, "folder")
        os.symlink(name, link, target_is_directory=True)
        yield link
