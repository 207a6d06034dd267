"""Time and memory of whole synthetic slides, from the file to tables and report.

    python benchmarks/whole_slide.py [--runs 3] [--edges 1000 2000 4000 8000 20000] [--folder DIR]

Each run is the command a user types, in a process of its own, on a slide made by `slides.py`
(six channels of 16 bits, 0.5 µm a pixel): nuclei found by the shipped network, the tumour region
derived from the cells, all tables and the page. The largest slide is run `--runs` times and the
median counts. Memory is the sum of what is resident in all processes of the tree. Exits with 1
where a bound is missed. The figures of every run are written to `whole_slide.csv` in the folder.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import psutil

mpl.use("agg")
import matplotlib.pyplot as plt

from segment_machine import processor
from slides import whole_slide

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
EDGES = (1000, 2000, 4000, 8000, 20000)
MOST_S, MOST_GB = 600.0, 6.0
GROWTH, MEMORY_GROWTH = 0.15, 0.20
CODE = "import sys; from immunescape.cli import main; sys.exit(main(sys.argv[1:]))"
INK, ACCENT, GREY = "#1f2933", "#0b6e4f", "#9aa5b1"
STEPS = {
    "segment": "nuclei and cells", "pyramid": "label pyramids", "measure": "measurement",
    "tissue": "tissue", "quality": "image quality", "contacts": "contacts",
    "inspect": "segmentation quality", "analyse": "gates, regions, statistics",
    "pictures": "pictures",
}  # fmt: skip


def size_of(folder: Path) -> int:
    """Return the bytes on the disk of all files of a folder, which may change meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            stat = path.stat()
        except OSError:
            continue
        total += stat.st_blocks * 512 if path.is_file() else 0
    return total


def resident(process: psutil.Process) -> int:
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_info().rss
        except psutil.Error:
            continue
    return total


def run(slide: Path, out: Path, *more: str) -> dict[str, float]:
    """Run the command on a slide and return what it took."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", CODE, "run", str(slide), "-o", str(out), "-q", *more]
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    watched = psutil.Process(process.pid)
    peak = disk = 0
    looked = begun
    while process.poll() is None:
        try:
            peak = max(peak, resident(watched))
        except psutil.Error:
            break
        if time.perf_counter() - looked > 3:
            disk, looked = max(disk, size_of(out)), time.perf_counter()
        time.sleep(0.05)
    if process.wait():
        sys.exit(f"the run on {slide.name} failed")
    wall = time.perf_counter() - begun
    folder = next(p for p in out.iterdir() if not p.name.startswith("."))
    provenance = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    steps = {row["step"]: row for row in provenance["steps"]}
    height, width = provenance["shape_px"]
    result = size_of(out)
    return {
        "mpx": height * width / 1e6,
        "cells": len(pd.read_parquet(folder / "cells.parquet", columns=["x_um"])),
        "wall_s": wall,
        "peak_gb": peak / 1e9,
        "disk_gb": max(disk, result) / 1e9,
        "result_gb": result / 1e9,
        "files": sum(p.is_file() for p in out.rglob("*")),
        "suspects": provenance["segmentation"]["tile_borders"]["suspects"],
        "crossing": provenance["segmentation"]["tile_borders"]["crossing"],
        **{f"{step}_s": row["wall_s"] for step, row in steps.items()},
        **{f"{step}_gb": row["peak_memory_mb"] * 2**20 / 1e9 for step, row in steps.items()},
    }


def tables(runs: pd.DataFrame) -> pd.DataFrame:
    """Print the medians by size, and the steps of the largest; return the medians."""
    sizes = runs.groupby("mpx").median()
    print("| Mpx | cells | time | s a Mpx | peak memory | disk while it runs | result, files |")
    print("|---|---|---|---|---|---|---|")
    for mpx, row in sizes.iterrows():
        print(
            f"| {mpx:g} | {row.cells:,.0f} | {row.wall_s:.0f} s | {row.wall_s / mpx:.2f} | "
            f"{row.peak_gb:.2f} GB | {row.disk_gb:.2f} GB | {row.result_gb:.2f} GB, "
            f"{row.files:.0f} |"
        )
    largest = sizes.iloc[-1]
    print(f"\n| step, {sizes.index[-1]:g} Mpx | time | peak memory |\n|---|---|---|")
    for step, title in STEPS.items():
        print(f"| {title} | {largest[f'{step}_s']:.1f} s | {largest[f'{step}_gb']:.2f} GB |")
    rest = largest.wall_s - sum(largest[f"{step}_s"] for step in STEPS)
    print(f"| starting, page and writing | {rest:.1f} s | |")
    print(
        f"\n{largest.crossing:.0f} nuclei lie across the borders of tiles; on "
        f"{largest.suspects:.0f} of them the tiles do not agree."
    )
    return sizes


def bounds(sizes: pd.DataFrame) -> bool:
    """Print what was asked for and whether it holds."""
    per = sizes.wall_s / sizes.index
    largest = sizes.iloc[-1]
    checks = []
    if sizes.index[-1] >= 400:
        checks += [
            (f"time {largest.wall_s:.0f} s, at most {MOST_S:g}", largest.wall_s <= MOST_S),
            (f"memory {largest.peak_gb:.2f} GB, at most {MOST_GB:g}", largest.peak_gb <= MOST_GB),
        ]
    if 16.0 in sizes.index and sizes.index[-1] > 16:
        grown = per.iloc[-1] / per[16.0] - 1
        checks.append((f"time a Mpx from 16 on {grown:+.0%}, at most +15 %", grown <= GROWTH))
    if 64.0 in sizes.index and sizes.index[-1] > 64:
        more = largest.peak_gb / sizes.peak_gb[64.0] - 1
        checks.append((f"memory from 64 on {more:+.0%}, within 20 %", abs(more) <= MEMORY_GROWTH))
    for text, holds in checks:
        print(f"{'holds ' if holds else 'MISSED'}  {text}")
    return all(holds for _, holds in checks)


def plot(sizes: pd.DataFrame) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    largest = sizes.iloc[-1]
    seconds = [largest[f"{step}_s"] for step in STEPS]
    places = np.arange(len(STEPS))[::-1]
    left.barh(places, seconds, color=ACCENT)
    left.set_yticks(places, list(STEPS.values()))
    for place, value in zip(places, seconds, strict=True):
        left.text(value, place, f" {value:.0f} s", va="center", color=INK, fontsize=9)
    left.set_xlim(0, max(seconds) * 1.15)
    left.set_xlabel("wall time in s")
    left.set_title(f"{sizes.index[-1]:g} Mpx, {largest.cells:,.0f} cells", fontsize=10)
    right.plot(sizes.index, sizes.wall_s, "o-", color=ACCENT, label="time, s")
    right.plot(sizes.index, sizes.peak_gb, "s--", color=INK, label="peak memory, GB")
    right.set_xscale("log")
    right.set_yscale("log")
    right.set_xticks(list(sizes.index), [f"{mpx:g}" for mpx in sizes.index])
    right.minorticks_off()
    right.set_xlabel("slide in Mpx (six channels)")
    right.set_title("growth with the slide", fontsize=10)
    right.grid(color=GREY, alpha=0.3)
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"immunescape run, {processor()}", fontsize=9, color=INK)
    figure.savefig(IMAGES / "bench_whole_slide.png", dpi=150)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="runs of the largest slide")
    parser.add_argument("--edges", type=int, nargs="+", default=list(EDGES), help="in pixels")
    parser.add_argument("--folder", type=Path, help="keeps the slides for another time")
    parser.add_argument("--quick", action="store_true", help="small slides, once each")
    parser.add_argument("--again", action="store_true", help="only print what the folder holds")
    asked = parser.parse_args()
    edges = sorted((1000, 2000) if asked.quick else asked.edges)
    with tempfile.TemporaryDirectory(prefix="immunescape-") as temporary:
        folder = asked.folder or Path(temporary)
        kept = folder / "whole_slide.csv"
        found = pd.read_csv(kept).to_dict("records") if asked.again else []
        if not asked.again:
            for edge in edges:
                slide = whole_slide(folder, edge)
                for _ in range(1 if asked.quick or edge < edges[-1] else asked.runs):
                    found.append(run(slide, folder / "out"))
                    print(f"{edge}: {found[-1]['wall_s']:.0f} s", file=sys.stderr, flush=True)
                    pd.DataFrame(found).to_csv(kept, index=False)
            shutil.rmtree(folder / "out", ignore_errors=True)
        print(f"{processor()}\n")
        sizes = tables(pd.DataFrame(found))
        print()
        hold = bounds(sizes)
        if not asked.quick:
            plot(sizes)
    return 0 if hold else 1


if __name__ == "__main__":
    sys.exit(main())
