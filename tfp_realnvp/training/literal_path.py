"""Names of folders that TensorFlow takes as they are."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator

from tfp_realnvp.utils.hints import Path


@contextlib.contextmanager
def literal_path(folder: Path) -> Iterator[str]:
    r"""Gives a name of `folder` without characters that stand for others.

    TensorFlow looks for checkpoints, and deletes them, by patterns: `seed[1]` is `seed1` to it. Where
    there is one of `*?[]{}\` in a name, this gives that of a link to the folder.

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
