"""What training can do without: where it fails, that is told in one line."""

import contextlib
from collections.abc import Iterator, MutableSet

from absl import logging


@contextlib.contextmanager
def one_line_warnings(what: str, told: MutableSet[str] | None = None) -> Iterator[None]:
    """Within, an error is a warning and nothing more; an interrupt is still one.

    Args:
      what: Python `str`, the beginning of the warning, which says what is missing now.
      told: Set of warnings that are not repeated, which gets this one, or None.
    """
    told = set() if told is None else told
    try:
        yield
    except Exception as error:
        cause = str(error).strip().splitlines() or [type(error).__name__]
        warning = f"{what}: {cause[0]}"
        if warning not in told:
            logging.warning("%s", warning)
        told.add(warning)
