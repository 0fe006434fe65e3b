"""Examples by their command lines, within this process: what they print, without the cost of a new one."""

import contextlib
import importlib.util
import io
import sys

import pytest
from absl import flags, logging
from places import EXAMPLES
from traced_memory import graphs_are_freed

FLAGS = flags.FLAGS


@contextlib.contextmanager
def loaded_example(script, *arguments):
    """The module of a script of `examples/`, with its flags as `python examples/SCRIPT ARGUMENTS` sets them.

    Yields:
      The module, and what is left of the command line.

    Raises:
      flags.Error: where it refuses its flags.
    """
    verbosity, before = logging.get_verbosity(), set(FLAGS)
    monkey = pytest.MonkeyPatch()
    monkey.syspath_prepend(EXAMPLES)
    name = f"example_{script.removesuffix('.py')}"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Where absl looks for the module of a flag.
    try:
        spec.loader.exec_module(module)
        yield module, FLAGS([script, *arguments])
    finally:
        monkey.undo()
        del sys.modules[name]
        for flag in set(FLAGS) - before:
            delattr(FLAGS, flag)
        logging.set_verbosity(verbosity)


def run_example(script, *arguments):
    """Runs a script of `examples/` as `python examples/SCRIPT ARGUMENTS` does.

    Returns:
      What it prints to `stdout`.

    Raises:
      SystemExit: where it refuses its input, with the reason.
      app.UsageError, flags.Error: where it refuses its command line.
    """
    printed = io.StringIO()
    program = loaded_example(script, *arguments)
    with graphs_are_freed(), program as (module, rest), contextlib.redirect_stdout(printed):
        module.main(rest)
    return printed.getvalue()
