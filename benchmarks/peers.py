"""What the comparisons with other tools share: one method a process, tables and plots."""

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segment_machine import peak_gib, processor

ROOT = Path(__file__).resolve().parents[1]
OURS = "#0b6e4f"
"""Colour of our own in every plot."""
COLOURS = {
    "numpy": "#d55e00",
    "scikit-image": "#0072b2",
    "steinbock": "#cc79a7",
    "squidpy": "#56b4e9",
    "scikit-learn": "#8c6d00",
    "scipy": "#e69f00",
    "expand_labels": "#003f66",
    "BallTree": "#555555",
    "nyxus": "#8c6d00",
}
"""Colour of each tool's line; the last part of a name that stands here decides."""
GREY = "#5f6b7a"
_RUNS = 3
_LONG_S = 20.0


@dataclass(frozen=True)
class Result:
    """What a process of its own told of one method on one input.

    Parameters
    ----------
    seconds
        Median wall time of a run, once everything is loaded and compiled.
    runs
        Number of runs; slow ones run once.
    processor
        Processor time of a run, all threads together, at the median: what other work on the
        machine does not change.
    first
        Wall time of the first call, on a small input: what loading and compiling takes.
    peak_gib, start_gib
        Most memory that was resident in the process, and what was so before the first run:
        libraries and inputs held in memory.
    problem
        Why there is no figure; empty if there is one.
    """

    seconds: float = np.nan
    runs: int = 0
    processor: float = np.nan
    first: float = np.nan
    peak_gib: float = np.nan
    start_gib: float = np.nan
    problem: str = ""

    def __bool__(self) -> bool:
        return not self.problem


def run_alone(script: str, arguments: Iterable[object], limit_s: float) -> Result:
    """Run ``script --alone ...`` in a process of its own, which ends with :func:`report`."""
    command = [sys.executable, script, "--alone", *(str(a) for a in arguments)]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(problem=f"over {limit_s:.0f} s")
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()]
        return Result(problem=f"failed: {last[-1][:80] if last else f'code {done.returncode}'}")
    return Result(**json.loads(done.stdout.splitlines()[-1]))


def report(prepare: Callable[[], Any], method: Callable[[], Any]) -> Any:
    """Time a method in this process, print what :func:`run_alone` reads, and return its result.

    ``prepare`` runs the method on something small: what is loaded or compiled at first use is not
    timed. Runs that take less than 20 s are repeated three times.
    """
    start = time.perf_counter()
    prepare()
    first = time.perf_counter() - start
    start_gib = peak_gib()
    times: list[float] = []
    busy: list[float] = []
    result: Any = None
    while len(times) < _RUNS and sum(times) < _LONG_S:
        result = None
        start, began = time.perf_counter(), time.process_time()
        result = method()
        times.append(time.perf_counter() - start)
        busy.append(time.process_time() - began)
    middle = float(np.median(times)), len(times), float(np.median(busy))
    told = Result(*middle, first, peak_gib(), start_gib)
    print(json.dumps(told.__dict__))
    return result


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def duration(seconds: float) -> str:
    """Write seconds with three digits."""
    return (
        ""
        if not np.isfinite(seconds)
        else f"{seconds:.3g} s"
        if seconds < 100
        else f"{seconds:.0f} s"
    )


def times(ratio: float) -> str:
    """Write a ratio with two digits, or all before the point."""
    return f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"


def machine() -> str:
    """Say on what the figures were measured, and what else ran."""
    load = f"; load {os.getloadavg()[0]:.1f} as it began" if hasattr(os, "getloadavg") else ""
    return f"{processor()}, Python {sys.version.split()[0]}{load}"


def versions(*names: str) -> str:
    """Name packages with their versions."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def parser(text: str | None) -> argparse.ArgumentParser:
    """Return the options that all comparisons share."""
    made = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--quick", action="store_true", help="small inputs, bounds not judged")
    made.add_argument(
        "--images", type=Path, help="folder of the plot (docs/images; .out/bench if --quick)"
    )
    made.add_argument("--alone", nargs="*", help=argparse.SUPPRESS)
    return made


def save_plot(figure: Any, name: str, options: argparse.Namespace) -> None:
    """Save a figure as ``bench_<name>.png`` and say where."""
    folder = options.images or (ROOT / ".out" / "bench" if options.quick else ROOT / "docs/images")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"bench_{name}.png"
    figure.savefig(path, dpi=130, bbox_inches="tight", facecolor="white")
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    print(f"\nplot: {shown}")


def judge(bounds: Iterable[tuple[str, float, float, bool]], options: argparse.Namespace) -> int:
    """Print which bounds hold; return 1 if one is missed and the inputs were not small.

    Each is what was measured, its value, the bound, and whether more is better.
    """
    missed = 0
    print()
    for what, value, bound, more in bounds:
        holds = bool(value >= bound if more else value <= bound)
        missed += not holds
        word = "at least" if more else "at most"
        print(f"{'holds ' if holds else 'MISSED'} {what}: {value:.3g}, asked {word} {bound:g}")
    return int(missed > 0 and not options.quick)


def colour_of(name: str) -> str:
    """Return the colour of a method by its name."""
    found = [colour for tool, colour in COLOURS.items() if tool in name]
    return OURS if name.startswith("immunescape") else found[-1] if found else GREY


def dots(axes: Any, rows: Sequence[tuple[str, float, str, str]]) -> None:
    """Draw values one below the other on a logarithmic scale: name, value, text and colour."""
    values = [value for _, value, _, _ in rows]
    left = min(values) / 1.6
    for at, (_, value, text, colour) in enumerate(reversed(rows)):
        axes.plot([left, value], [at, at], "-", color=colour, linewidth=1, alpha=0.35)
        axes.plot(value, at, "o", color=colour, markersize=8)
        axes.annotate(
            text, (value, at), (9, 0), textcoords="offset points", va="center", fontsize=8.5
        )
    axes.set_yticks(range(len(rows)), [name for name, _, _, _ in reversed(rows)], fontsize=8.5)
    axes.set(xscale="log", xlim=(left, max(values) * (max(values) / left) ** 0.5))
    bare(axes)
    axes.grid(visible=False, axis="y")


def bare(axes: Any) -> None:
    """Take away the frame that a reader does not need."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(which="major", color="#e5e5e5", linewidth=0.7)
    axes.set_axisbelow(True)
