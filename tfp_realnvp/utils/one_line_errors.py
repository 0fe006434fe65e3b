"""Reports bad input of a command line in one line."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the program with one line, without a traceback, if its block raises OSError or ValueError."""
    try:
        yield
    except (OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
