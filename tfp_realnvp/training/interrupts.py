"""Defers interrupts until the current work is done."""

import contextlib
import signal


class Interrupts(contextlib.AbstractContextManager):
    """A context in which the first Ctrl-C or request to terminate is noted; a second one acts at once.

    Attributes:
      received: The `signal.Signals` that was noted, or None.
    """

    SIGNALS = signal.SIGINT, signal.SIGTERM

    def __init__(self) -> None:
        self.received: signal.Signals | None = None

    def __enter__(self) -> "Interrupts":
        self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number, frame):
        self.received = signal.Signals(number)
        self.__exit__()
        print(f"\n{self.received.name}: training ends with this batch; once more to end at once.", flush=True)
