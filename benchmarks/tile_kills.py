"""Kill a run on one slide at random moments, go on with it, and spread it over processes.

    python benchmarks/tile_kills.py [--kills 20] [--edge 3000] [--workers 1 2 4] [--folder DIR]

A kill is SIGKILL to the whole process group. Before each kill the tiles that are done are listed
with the times of their files; a tile that is done twice has a newer file. Exits with 1 if a table
of a resumed or a shared run differs in a byte from that of an undisturbed one, or if a tile that
was done is done again.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from segment_machine import processor
from slides import whole_slide
from whole_slide import CODE

SMALL = ("--segment.tile-px", "512", "--measure.block-px", "512")


def command(slide: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-c", CODE, "run", str(slide), "-o", str(out), "-q", *SMALL, *more]


def tables(out: Path) -> dict[str, bytes]:
    """All tables of a result; the cells as text, for parquet keeps when it was written."""
    folder = next(p for p in out.iterdir() if not p.name.startswith("."))
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
    cells = pd.read_parquet(folder / "cells.parquet")
    return found | {"cells": cells.to_csv(float_format="%.17g").encode()}


def tiles(out: Path) -> dict[str, int]:
    """When each tile that is kept was done, in nanoseconds."""
    found = {}
    for path in out.glob(".*.tiles/*/*/*-*-*-*"):
        if path.parent.name == "flows" and path.parent.parent.name == "planes":
            continue
        if not path.name.startswith("."):
            try:
                found[str(path.relative_to(out))] = path.stat().st_mtime_ns
            except OSError:  # it went with a finished run
                continue
    return found


def killed(slide: Path, out: Path, seconds: float) -> tuple[bool, dict[str, int]]:
    """Run, kill after some seconds; tell whether it was still running, and the tiles it left."""
    process = subprocess.Popen(
        command(slide, out), start_new_session=True, stderr=subprocess.DEVNULL
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True, tiles(out)
    return False, {}


def stage_of(done: dict[str, int]) -> str:
    """Return the step that was under way: that of the newest tile."""
    return max(done, key=done.__getitem__).split("/")[2] if done else "before the first tile"


def differing(out: Path, expected: dict[str, bytes]) -> list[str]:
    found = tables(out)
    return sorted(n for n in found.keys() | expected.keys() if found.get(n) != expected.get(n))


def timed(slide: Path, out: Path, *more: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command(slide, out, *more), check=True)
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--edge", type=int, default=3000, help="of the slide in pixels")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keeps the slide for another time")
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    wrong: list[str] = []
    print(processor())
    with tempfile.TemporaryDirectory(prefix="immunescape-") as temporary:
        place = Path(temporary)
        slide = whole_slide(asked.folder or place, asked.edge)
        whole = timed(slide, place / "whole")
        expected = tables(place / "whole")
        print(f"undisturbed: {whole:.1f} s, {len(expected)} tables", flush=True)

        def check(name: str, out: Path) -> None:
            other = differing(out, expected)
            print(f"{name}: {'identical' if not other else f'DIFFERENT: {other}'}", flush=True)
            wrong.extend(other)

        kills = runs = twice = 0
        while kills < asked.kills:
            runs += 1
            out = place / f"killed{runs}"
            before: dict[str, int] = {}
            while kills < asked.kills:
                running, done = killed(slide, out, chance.uniform(0.25, 0.6) * whole)
                if not running:
                    break
                kills += 1
                again = [name for name, when in before.items() if done.get(name, when) != when]
                twice += len(again)
                print(
                    f"  kill {kills} in {stage_of(done)}: {len(done)} tiles are done, "
                    f"{len(again)} of them again", flush=True,
                )  # fmt: skip
                if done and done.keys() == before.keys():
                    break  # all tiles are done; another kill would only meet tables
                before = done
            timed(slide, out)
            check(f"run {runs}, killed and gone on with", out)
        for count in asked.workers:
            out = place / f"workers{count}"
            took = timed(slide, out, "--workers", str(count))
            check(f"{count} process(es), {took:.1f} s", out)
        print(f"{kills} kills, {twice} tiles done twice")
    return 1 if wrong or twice else 0


if __name__ == "__main__":
    sys.exit(main())
