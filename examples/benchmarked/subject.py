"""Something to measure, in a process of its own."""

import concurrent.futures
import importlib
import multiprocessing
import resource
import statistics
import sys
import time

_functions = {}  # Of the subject that lives in this process.


class Subject:
    """A maker's functions, built in a new process, where each call of one is timed.

    Args:
      maker: Name of a function, "module.function" in this package, which returns a
        dictionary of functions without arguments.
      **options: Arguments of it.

    Raises:
      ModuleNotFoundError: if the maker needs a package that is not there.
    """

    def __init__(self, maker, **options):
        context = multiprocessing.get_context("spawn")
        self._process = concurrent.futures.ProcessPoolExecutor(1, context)
        try:
            self.seconds_to_build = self._process.submit(_make, maker, options).result()
        except Exception:
            self._process.shutdown()
            raise

    def call(self, name):
        """Seconds that one call takes, and what it returns if that is a number."""
        return self._process.submit(_call, name).result()

    def peak(self, name, calls=3):
        """Peak resident memory of the process in MiB, once it has made some calls."""
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
    for subject, name in functions.values():
        subject.call(name), subject.call(name)
    seconds = {key: [] for key in functions}
    for _ in range(rounds):
        for key, (subject, name) in functions.items():
            seconds[key].append(subject.call(name)[0])
    return {key: statistics.median(values) for key, values in seconds.items()}


def _make(maker, options):
    module, name = maker.split(".")
    start = time.perf_counter()
    _functions.update(getattr(importlib.import_module(f"benchmarked.{module}"), name)(**options))
    return time.perf_counter() - start


def _call(name):
    start = time.perf_counter()
    result = _functions[name]()
    return time.perf_counter() - start, result if isinstance(result, int) else None


def _peak():
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
