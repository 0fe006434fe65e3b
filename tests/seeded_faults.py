"""Puts one mistake at a time into a copy of the checkout, and says which of them the tests see.

python tests/seeded_faults.py                       # All of them, with the default suite's tests.
python tests/seeded_faults.py coupling_inverse_log_det masks_checkerboard
python tests/seeded_faults.py --module=data         # Those in files whose name has it.
python tests/seeded_faults.py --suite=all           # Slow tests as well.
python tests/seeded_faults.py --unchanged           # The same tests must pass without a fault.

The mistakes stand in `seeded_faults.txt`, each with the tests that should see it, which run until the first
one fails. The status is 0 if every fault is seen. A fault whose text no longer occurs exactly once in its
file is an error, and so is one whose tests no longer exist.

The table is written by hand: mutmut and cosmic-ray make thousands of mutants of a package of this size, most
of them equivalent or in the text of an error, and each costs seconds of traced graphs.
"""

import argparse
import collections
import dataclasses
import multiprocessing
import os
import pathlib
import re
import shlex
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
TABLE = pathlib.Path(__file__).with_suffix(".txt")
MARKS = {"default": "not slow", "slow": "slow", "all": ""}
SEEN, MISSED, NO_TEST = "seen", "SURVIVED", "no test of this suite"


@dataclasses.dataclass(frozen=True)
class Fault:
    """One mistake.

    Attributes:
      name: Python `str`.
      reason: Python `str`, what is wrong.
      file: Python `str`, path from the root of the checkout.
      old: Python `str`, occurs once in the file.
      new: Python `str`, what stands there instead.
      tests: Tuple of Python `str`s, arguments of pytest that select the tests that should see it.
      slow: Python `bool`, whether only slow tests are expected to.
      hangs: Python `bool`, whether the tests are expected not to end.
    """

    name: str
    reason: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    slow: bool = False
    hangs: bool = False

    def changed(self, root: pathlib.Path = ROOT) -> str:
        """The text of its file with the mistake in it, or a ValueError."""
        text = (root / self.file).read_text()
        times = text.count(self.old)
        if times != 1:
            raise ValueError(
                f"{self.name}: its text occurs {times} times in {self.file}, and must once: {self.old!r}"
            )
        return text.replace(self.old, self.new)


def read_table(path: pathlib.Path = TABLE) -> dict[str, Fault]:
    """The faults by name; `seeded_faults.txt` says how they are written."""
    groups, faults, file = {}, {}, None
    for block in re.split(r"\n\s*\n", path.read_text()):
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        if not lines:
            continue
        if lines[0].startswith("group "):
            for line in lines:
                name, tests = line.removeprefix("group ").split(": ", 1)
                groups[f"@{name}"] = shlex.split(tests)
            continue
        if lines[0].startswith("file "):
            file = lines.pop(0).removeprefix("file ").strip()
            if not lines:
                continue
        head, *rest = lines
        name, reason = head.split(": ", 1)
        options = dict(line.split(": ", 1) for line in rest if line[:2] not in ("- ", "+ ", "-", "+"))
        old, new = ("\n".join(line[2:] for line in rest if line[0] == sign) for sign in "-+")
        tests = tuple(t for word in shlex.split(options.pop("tests")) for t in groups.get(word, [word]))
        if name in faults or not old or old == new or options.keys() - {"only"}:
            raise ValueError(f"{name} must be a new name, with lines `- ` and `+ ` that differ, of {path}.")
        only = options.get("only", "").split()
        faults[name] = Fault(name, reason, file, old, new, tests, "slow" in only, "timeout" in only)
    return faults


def is_test(word: str) -> bool:
    """Whether an argument of pytest is a file of tests."""
    return re.match(r"[a-z]+/test_\w+\.py", word) is not None


class Run:
    """The tests of one fault in a process of their own, on a copy of their own.

    The process is a fork of this one, which has imported TensorFlow and nothing of the package: that saves
    several seconds a fault.
    """

    def __init__(self, name, tests, files, suite, timeout):
        self.name, self.begin, self.timeout = name, time.monotonic(), timeout
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"fault_{name}_"))
        copy = self.folder / ROOT.name
        without = (".git", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "runs")
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*without))
        (self.folder / "tmp").mkdir()
        for sibling in ROOT.parent.glob("shared"):  # Files for tests that are beside the checkout.
            (self.folder / sibling.name).symlink_to(sibling)
        for file, text in files.items():
            (copy / file).write_text(text)
        arguments = [
            "-x",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "-o",
            "addopts=",
            "--no-header",
            "--tb=short",
        ]
        arguments += ["-m", MARKS[suite]] if MARKS[suite] else []
        arguments += [f"tests/{word}" if is_test(word) else word for word in tests]
        self.log = self.folder / "log.txt"
        self.process = multiprocessing.get_context("fork").Process(
            target=_run_pytest, args=(copy, arguments, self.log)
        )
        self.process.start()

    def result(self):
        """What became of it, or None while it runs."""
        if self.process.is_alive():
            if time.monotonic() < self.begin + self.timeout:
                return None
            self.stop()
            return "timeout"
        code = self.process.exitcode
        # 2 is an error where tests are collected, below 0 the signal that ended it.
        return {0: MISSED, 1: SEEN, 2: SEEN, 5: NO_TEST}.get(
            code, SEEN if code < 0 else f"pytest says {code}"
        )

    def stop(self):
        """Ends it, with all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.join()

    def close(self, keep_log):
        """Removes the copy; returns what the tests printed."""
        printed = self.log.read_text(errors="replace") if self.log.exists() else ""
        shutil.rmtree(self.folder, ignore_errors=True)
        if keep_log:
            pathlib.Path(keep_log).mkdir(parents=True, exist_ok=True)
            (pathlib.Path(keep_log) / f"{self.name}.txt").write_text(printed)
        return printed


def _run_pytest(copy, arguments, log):
    os.setsid()
    out = os.open(log, os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(copy)
    sys.dont_write_bytecode = True  # A file that is changed twice in a second has one time stamp.
    os.environ |= {
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(copy.parent / "tmp"),
    }
    tempfile.tempdir = None  # It is `TMPDIR` from now on.
    here = [pathlib.Path(path or ".").resolve() for path in sys.path]
    sys.path[:] = [str(copy)] + [str(path) for path in here if path != ROOT and ROOT not in path.parents]
    sys.argv = ["pytest", *arguments]
    import pytest

    code = pytest.main(arguments)
    package = sys.modules.get("tfp_realnvp")
    if package and copy not in pathlib.Path(package.__file__).parents:
        code = 99
    sys.stdout.flush()
    os._exit(code)


def run_all(jobs, suite, timeout, processes, keep_log=None):
    """Runs some at a time.

    Args:
      jobs: Sequence of pairs of a name and what `Run` needs.
      suite, timeout: As of `Run`.
      processes: Python `int`, how many at a time.
      keep_log: Folder for what tests printed, or None.

    Yields:
      Triples of a name, the result and the seconds it took, and what the tests printed.
    """
    waiting, running = collections.deque(jobs), []
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                running.append(Run(*waiting.popleft(), suite, timeout))
            time.sleep(0.1)
            for run in list(running):
                result = run.result()
                if result is not None:
                    running.remove(run)
                    yield run.name, result, time.monotonic() - run.begin, run.close(keep_log)
    finally:
        for run in running:
            run.stop()
            run.close(None)


def short(printed):
    """The test that failed, or the last line."""
    lines = printed.strip().splitlines() or [""]
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return (failed or lines)[-1][:150]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="Faults; by default all.")
    parser.add_argument("--suite", choices=list(MARKS), default="default")
    parser.add_argument("--module", action="append", help="Only faults in files whose path has this in it.")
    parser.add_argument("--list", action="store_true", help="Name them with their reasons, and run nothing.")
    parser.add_argument("--files-only", action="store_true", help="Only check the table against the source.")
    parser.add_argument("--unchanged", action="store_true", help="Run the tests without the faults.")
    parser.add_argument("--jobs", type=int, default=2, help="How many at a time.")
    parser.add_argument("--timeout", type=float, default=300, help="Seconds for each.")
    parser.add_argument("--logs", help="Folder for what the tests of each fault print.")
    given = parser.parse_args()
    faults = read_table()
    unknown = [name for name in given.names if name not in faults]
    if unknown:
        parser.error(f"there is no fault called {', '.join(unknown)}")
    chosen = [faults[name] for name in given.names] or list(faults.values())
    if given.module:
        chosen = [fault for fault in chosen if any(part in fault.file for part in given.module)]
    if given.list:
        for fault in chosen:
            print(f"{fault.name} ({fault.file}): {fault.reason}")
        return
    changed, errors = {}, []
    for fault in chosen:
        try:
            changed[fault.name] = fault.changed()
        except (OSError, ValueError) as error:
            errors.append(str(error))
    if errors:
        sys.exit("\n".join(errors))
    if given.files_only:
        print(f"The texts of {len(chosen)} faults occur once each.")
        return
    if given.unchanged:
        different = {fault.tests: fault.name for fault in chosen}
        jobs = [(name, tests, {}) for tests, name in different.items()]
    else:
        left = [fault.name for fault in chosen if fault.slow and given.suite == "default"]
        chosen = [fault for fault in chosen if fault.name not in left]
        jobs = [(f.name, f.tests, {f.file: changed[f.name]}) for f in chosen]
    _import_libraries()
    results = collections.defaultdict(list)
    for name, result, seconds, printed in run_all(jobs, given.suite, given.timeout, given.jobs, given.logs):
        if given.unchanged:
            result = {MISSED: "passed", SEEN: "FAILED", NO_TEST: "passed"}.get(result, result)
        elif result == "timeout" and faults[name].hangs:
            result = SEEN
        results[result].append(name)
        print(f"{result:10} {seconds:4.0f} s  {name}: {short(printed)}", flush=True)
    print("; ".join(f"{len(names)} {result}" for result, names in results.items()) + f" of {len(jobs)}.")
    if not given.unchanged and left:
        print(f"Left to the slow suite: {', '.join(left)}.")
    sys.exit(bool(results.keys() - {"passed" if given.unchanged else SEEN}))


def _import_libraries():
    """What every test needs, before the processes part."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    import keras  # noqa: F401
    import tensorflow_datasets  # noqa: F401
    import tensorflow_probability as tfp

    tfp.bijectors, tfp.distributions, tfp.util  # noqa: B018  # They are imported when asked for.


if __name__ == "__main__":
    main()
