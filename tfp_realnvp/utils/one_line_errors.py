"""Bad input of a command line, told in one line."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Within, an `OSError` or a `ValueError` ends the program with a line in place of a traceback."""
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
