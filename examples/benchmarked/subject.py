"""Runs functions to measure in a process of their own."""

import concurrent.futures
import importlib
import multiprocessing
import resource
import statistics
import sys
import time

from quiet_tensorflow import import_tensorflow

_functions = {}  # Of the subject in this process.


class Subject:
    """Builds the functions of a maker in a new process, and times their calls there.

    Args:
      maker: Name of a function, "module.function" in this package, which returns a
        dictionary of functions without arguments.
      **options: Arguments of the maker.

    A call raises a `ModuleNotFoundError` if the maker needs a package that is not installed.
    """

    def __init__(self, maker, **options):
        context = multiprocessing.get_context("spawn")
        self._process = concurrent.futures.ProcessPoolExecutor(1, context)
        self._seconds_to_build = self._process.submit(_make, maker, options)

    @property
    def seconds_to_build(self):
        """Seconds that the maker took; waits for its end. Subjects that start together build in parallel."""
        return self._seconds_to_build.result()

    def call(self, name):
        """Seconds that one call takes, and its result if that is an integer, else None."""
        return self.later(name).result()

    def later(self, name):
        """Like `call`, but returns a `Future`: the process makes the call next."""
        self.seconds_to_build  # noqa: B018  # Raises the error of the maker, if any.
        return self._process.submit(_call, name)

    def peak(self, name, calls=3):
        """Peak resident memory of the process in MiB, after some calls."""
        for _ in range(calls):
            self.call(name)
        return self._process.submit(_peak).result()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.shutdown()


def medians(functions, rounds):
    """Median seconds of functions that take turns, A B A B, after two calls of each.

    Args:
      functions: Dictionary of pairs of a `Subject` and the name of a function of it.
      rounds: Python `int`, how often each is timed.

    Returns:
      Dictionary of Python `float`s.
    """
    for future in [subject.later(name) for subject, name in functions.values() for _ in range(2)]:
        future.result()  # They are compiled side by side; nothing is timed yet.
    seconds = {key: [] for key in functions}
    for _ in range(rounds):
        for key, (subject, name) in functions.items():
            seconds[key].append(subject.call(name)[0])
    return {key: statistics.median(values) for key, values in seconds.items()}


def _make(maker, options):
    module, name = maker.split(".")
    start = time.perf_counter()
    if module != "torch_flows":
        import_tensorflow()
    _functions.update(getattr(importlib.import_module(f"benchmarked.{module}"), name)(**options))
    return time.perf_counter() - start


def _call(name):
    start = time.perf_counter()
    result = _functions[name]()
    return time.perf_counter() - start, result if isinstance(result, int) else None


def _peak():
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
