"""Measures time, memory and graphs of flows, beside their bare networks and other packages.

python examples/benchmark.py --quick
pip install ".[benchmark]" && python examples/benchmark.py

Every flow runs in a process of its own, so that its peak memory is its own. Compared flows take
turns, A B A B; ratios are of medians. Nothing else should run meanwhile. Prints tables, ratios
first, and writes all results to `--out`.
"""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import subprocess
import sys
import time

from absl import app, flags
from benchmarked.subject import Subject, medians

TABLES = {}  # Functions that yield rows, by name.

flags.DEFINE_bool("quick", False, "Small flows, few rounds, a few minutes.")
flags.DEFINE_multi_string("table", None, "Tables to make; all by default.")
flags.DEFINE_string("out", "benchmark.json", "File for the results.")
FLAGS = flags.FLAGS

CIFAR10_SMALL = {
    "event_shape": (32, 32, 3),
    "batch": 64,
    "num_scales": 2,
    "num_residual_blocks": 4,
    "base_filters": 32,
}
TINY = {"event_shape": (8, 8, 3), "batch": 64, "num_residual_blocks": 1, "base_filters": 16}
VECTORS = [
    {"event_shape": (64,), "batch": 1024, "hidden_units": (512, 512), "num_couplings": 8},
    {"event_shape": (32,), "batch": 512, "hidden_units": (256, 256), "num_couplings": 8},
    {"event_shape": (16,), "batch": 256, "hidden_units": (64, 64), "num_couplings": 8},
]
# Keras's dtype policy, and whether XLA compiles.
MODES = [("float32", False), ("mixed_bfloat16", False), ("float32", True)]


def table(function):
    TABLES[function.__name__] = function
    return function


def main(argv):
    if argv[1:]:
        raise app.UsageError(f"Unexpected arguments: {argv[1:]}")
    names = FLAGS.table or list(TABLES)
    if unknown := set(names) - set(TABLES):
        raise app.UsageError(f"--table must be of {sorted(TABLES)}; got {sorted(unknown)}.")
    out = pathlib.Path(FLAGS.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    start, tables = time.monotonic(), {}
    for name in names:
        print(f"\n{TABLES[name].__doc__}\n", flush=True)
        tables[name] = rows = []
        for row in TABLES[name](FLAGS.quick):
            rows.append(row)
            print_row(row, with_head=len(rows) == 1)
        record = {"machine": machine(), "minutes": (time.monotonic() - start) / 60, "tables": tables}
        out.write_text(json.dumps(record, indent=2) + "\n")


def print_row(row, with_head):
    if with_head:
        print("| " + " | ".join(row) + " |\n" + "|---" * len(row) + "|")
    print("| " + " | ".join(text(value) for value in row.values()) + " |", flush=True)


def text(value):
    if value is None:
        return "not measured"
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def machine():
    packages = "tensorflow", "tensorflow-probability", "keras", "torch", "normflows"
    return {
        "quick": FLAGS.quick,
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@table
def floor(quick):
    """A flow beside its bare networks: a training step without optimizer, `log_prob` and `forward`."""
    image = TINY if quick else CIFAR10_SMALL
    for flow in [image, *VECTORS[2 if quick else 0 :]]:
        modes = MODES if flow is image else MODES[::2]  # bfloat16 is for convolutions.
        rounds = (5 if quick else 15) if flow is image else (50 if quick else 200)
        yield from beside_bare_networks(flow, modes[:1] if quick else modes, rounds)


def beside_bare_networks(flow, modes, rounds):
    names = "step", "log_prob", "forward", "bare step", "bare forward"
    with contextlib.ExitStack() as stack:
        subjects = {
            (policy, jit): stack.enter_context(Subject("flows.real_nvp", policy=policy, jit=jit, **flow))
            for policy, jit in modes
        }
        seconds = medians(
            {(m, name): (subject, name) for m, subject in subjects.items() for name in names}, rounds
        )
    for m in modes:
        step, log_prob, forward, bare_step, bare_forward = (seconds[m, name] for name in names)
        yield {
            "flow": "x".join(map(str, flow["event_shape"])),
            "batch": flow["batch"],
            "mode": m[0] + (", jit" if m[1] else ""),
            "step / bare": step / bare_step,
            "log_prob / bare": log_prob / bare_forward,
            "forward / bare": forward / bare_forward,
            "forward / log_prob": forward / log_prob,
            "step / float32 step": step / seconds[modes[0], "step"],
            "step, s": step,
        }


@table
def peers(quick):
    """This package beside others, ours / theirs: below 1 we are faster, or need less memory."""
    dense = {"dimensions": 64, "width": 512, "couplings": 8, "batch": 1024}
    glow = {"blocks": 3, "steps": 4, "width": 64, "batch": 64}
    if quick:
        dense |= {"width": 128, "batch": 256}
    pairs = [("flows.dense_couplings", "dense_couplings", dense), ("flows.like_glow", "glow", glow)]
    pairs = pairs[:1] if quick else pairs
    for ours, theirs, options in pairs:
        for jit in (False, True)[: 1 if quick else 2]:
            yield against(ours, f"stock.{theirs}", {**options, "jit": jit}, rounds=5 if quick else 15)
        yield against(ours, f"torch_flows.{theirs}", options, rounds=5 if quick else 15)


def against(ours, theirs, options, rounds):
    module, flow = theirs.split(".")
    package = {"stock": "TFP", "torch_flows": "normflows"}[module]
    row = {"flow": flow + (", jit" if options.get("jit") else ""), "beside": package}
    ratios = [f"{name}, ours / theirs" for name in ("step", "log_prob", "sample", "peak memory")]
    if package == "normflows" and version(package) is None:
        return {**row, **dict.fromkeys([*ratios, "step, s, ours", "step, s, theirs"])}
    with Subject(ours, **options) as a, Subject(theirs, **options) as b:
        peaks = a.peak("step"), b.peak("step")
        seconds = [
            medians({subject: (subject, name) for subject in (a, b)}, rounds)
            for name in ("step", "log_prob", "sample")
        ]
        values = [*(s[a] / s[b] for s in seconds), peaks[0] / peaks[1]]
        return {
            **row,
            **dict(zip(ratios, values, strict=True)),
            "step, s, ours": seconds[0][a],
            "step, s, theirs": seconds[0][b],
        }


@table
def recompute(quick):
    """`recompute=True` / False, training with Adam; activations are the peak less the peak at batch 1."""
    for couplings in (2,) if quick else (8, 16, 32):
        row = stored_and_rebuilt(
            "flows.deep_chain", {"couplings": couplings}, batch=64, rounds=3 if quick else 7
        )
        yield {"flow": f"{couplings} couplings", "batch": 64, **row}
    for name in () if quick else ("imagenet64_small", "imagenet64"):
        row = stored_and_rebuilt("flows.preset", {"name": name, "side": 64}, batch=64, rounds=3)
        yield {"flow": name, "batch": 64, **row}


def stored_and_rebuilt(maker, options, batch, rounds):
    peaks = {}
    for r in (False, True):
        with Subject(maker, **options, batch=1, recompute=r) as flow:
            peaks[r, 1] = flow.peak("train", calls=2)
    with contextlib.ExitStack() as stack:
        both = {
            r: stack.enter_context(Subject(maker, **options, batch=batch, recompute=r)) for r in (False, True)
        }
        peaks |= {(r, batch): flow.peak("train", calls=2) for r, flow in both.items()}
        seconds = medians({r: (flow, "train") for r, flow in both.items()}, rounds)
    stored, rebuilt = (peaks[r, batch] - peaks[r, 1] for r in (False, True))
    return {
        "activations": ratio(rebuilt, stored),
        "whole process": peaks[True, batch] / peaks[False, batch],
        "time": seconds[True] / seconds[False],
        "MiB stored": peaks[False, batch],
        "MiB rebuilt": peaks[True, batch],
        "s stored": seconds[False],
    }


@table
def graphs(quick):
    """Operations in the graph of a training step with Adam and in the functions that it calls."""
    for recompute in (False, True):
        for couplings in ((2, 4), (2,))[recompute] if quick else (8, 16, 32):
            with Subject("flows.deep_chain", couplings=couplings, batch=1, recompute=recompute) as flow:
                yield graph_row(f"{couplings} couplings", recompute, flow, couplings)
    for recompute in () if quick else (False, True):
        with Subject("flows.preset", name="imagenet64", batch=1, side=64, recompute=recompute) as flow:
            yield graph_row("imagenet64", recompute, flow, 7 * 4 + 4)


def graph_row(name, recompute, flow, couplings):
    seconds, operations = flow.call("trace")
    return {
        "flow": name,
        "recompute": recompute,
        "operations a coupling": operations / couplings,
        "operations": operations,
        "to build, s": flow.seconds_to_build,
        "to trace, s": seconds,
    }


@table
def start(quick):
    """From the return key to the end of the first training step on noise; beside loss and gradient alone.

    The first two columns are of the whole training step: trace and first step together, and a later
    step. Data are two batches of noise in memory; a data set of files takes longer.
    """
    for name in ("tiny",) if quick else ("tiny", "cifar10_small", "cifar10", "imagenet64"):
        step, gradient = (started(name, part) for part in ("step", "gradient"))
        for i, clock in enumerate(("wall", "CPU")):
            first = [part["trace"][i] + part["first step"][i] for part in (step, gradient)]
            parts = {part: step[part][i] for part in ("import", "data", "build", "trace", "first step")}
            yield {
                "preset": name,
                "start / gradient alone": first[0] / first[1],
                "step / gradient alone": step["step"] / gradient["step"],
                "seconds of": clock,
                "all": sum(parts.values()),
                **parts,
                "variables": step["variables"],
            }


def started(preset, part):
    """Seconds of each part of a start in a new process."""
    line = [sys.executable, "-m", "benchmarked.start", preset, part, str(time.time())]
    examples = pathlib.Path(__file__).parent
    process = subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, cwd=examples)
    return json.loads(process.stdout)


@table
def curves(quick):
    """How time and memory grow, relative to the first row of each: training with Adam, and `log_prob`."""
    standard = {"couplings": 2 if quick else 8, "batch": 16, "width": 32, "side": 16}
    varied: dict[str, tuple[int, ...]] = {"batch": (16, 64)}
    if not quick:
        varied = {
            "batch": (16, 32, 64, 128),
            "side": (16, 32, 64),
            "couplings": (8, 16, 32),
            "width": (32, 64, 128),
        }
    for name, values in varied.items():
        first = least = None
        for value in values:
            options = {**standard, name: value}
            if least is None or name != "batch":
                least = least_peak(options)
            seconds, peaks = cost(least, **options, rounds=3 if quick else 5)
            activations = max(peaks[1] - peaks[0], 0) or None
            row = [seconds["train"], seconds["log_prob"], activations]
            first = first or row
            yield {
                "varied": name,
                "value": value,
                "relative": relative(name, value / values[0]),
                "step": row[0] / first[0],
                "log_prob": row[1] / first[1],
                "activations": ratio(row[2], first[2]),
                "step, s": row[0],
                "activations, MiB": activations,
                "peak, MiB": peaks[1],
            }


def ratio(a, b):
    """`a / b`, or None if one of them is too small to see beside the memory of a start."""
    return a / b if a and b and a > 0 and b > 0 else None


def relative(name, factor):
    """Amount of arithmetic in the convolutions, relative to the first row."""
    return float(factor**2 if name in ("side", "width") else factor)


def chain_options(options):
    side, kept = options["side"], ("couplings", "width")
    return {"shape": (side, side, 12), **{name: options[name] for name in kept}}


def least_peak(options):
    """Peak memory of training at batch 1, hardly more than the process itself needs."""
    with Subject("flows.deep_chain", batch=1, **chain_options(options)) as flow:
        return flow.peak("train")


def cost(least, rounds, **options):
    with Subject("flows.deep_chain", batch=options["batch"], **chain_options(options)) as flow:
        peak = flow.peak("train")
        return medians({name: (flow, name) for name in ("train", "log_prob")}, rounds), (least, peak)


if __name__ == "__main__":
    app.run(main)
