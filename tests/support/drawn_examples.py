"""Runs a check on random examples."""

from hypothesis import HealthCheck, given, settings


def for_examples(examples, *strategies):
    """Runs a function on that many draws, the same ones each time."""

    def run(function):
        given(*strategies)(
            settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(function)
        )()

    return run
