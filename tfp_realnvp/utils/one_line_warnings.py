"""Reports failures of optional parts of training in one line."""

import contextlib
from collections.abc import Iterator, MutableSet

from absl import logging


@contextlib.contextmanager
def one_line_warnings(what: str, told: MutableSet[str] | None = None) -> Iterator[None]:
    """Turns an error in its block into a logged warning; interrupts still pass.

    Args:
      what: Python `str`, start of the warning; says what is missing now.
      told: Set of warnings not to repeat, to which this one is added, or None.
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
