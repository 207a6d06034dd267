"""How well nuclei are found: ``compact`` beside other ways, on pictures none of it was trained on.

    python benchmarks/segment.py DATA [--sources validation rendered inform heldout] [--quick]

DATA holds ``nuclei`` and ``inform``. Sources:

- ``validation``: the tenth of ``nuclei/train`` that training leaves out;
- ``rendered``: stains rendered onto the tissue fields that training leaves out (inForm's outlines);
- ``inform``: the real DAPI of a lymphoid field against inForm's own nuclei (not drawn by hand);
- ``heldout``: the test set of the same contest. For a last look, never for choosing anything.

The pixel size of ``nuclei`` is unknown. "Own scale" takes it from the drawn masks of each picture,
so that its median nucleus is 9 µm wide: what the pixel size of a slide tells. "One scale" gives
all pictures the one pixel size at which the median picture of ``nuclei/train`` has such nuclei.
The size of a picture stands for where it came from.

Every method runs in a process of its own, one after the other, on the same pictures. Rates are of
the nuclei pooled over pictures; intervals (95 %) draw the pictures anew. StarDist's own weights
were trained on most of ``nuclei/train``, so ``validation`` is no test of it; InstanSeg's were
trained on tissue alone. The two and Cellpose-SAM are left out, with the reason, where their weights
are not there.
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from immunescape.segment import SegmentParams
from segment_machine import peak_gib, processor
from segment_methods import METHODS, AbsentError, Setting
from segment_sources import (
    HELDOUT,
    INFORM,
    NAMES,
    RENDERED,
    VALIDATION,
    Picture,
    constant_um,
    pictures,
)
from segment_table import Row, grouped, markdown, pooled, score

MAIN = ("AP@0.5", "AP@0.75", "AP@0.9", "F1@0.5", "count", "split", "merged")
MIDDLES = (
    "middles F1", "middles precision", "middles recall", "F1@0.5", "AP@0.5", "count", "split",
    "merged",
)  # fmt: skip
PARTS = ("AP@0.5", "AP@0.75", "F1@0.5", "count", "split", "merged")
BOUNDS = (
    (VALIDATION, "AP@0.5", 0.88),
    (VALIDATION, "AP@0.75", 0.68),
    (RENDERED, "AP@0.5", 0.85),
    (INFORM, "middles F1", 0.85),
    (HELDOUT, "AP@0.5", 0.78),
)
ABOUT_INFORM = """\
Middles are paired one to one within 3 µm. One picture: no interval. In many places inForm's map
holds several nuclei in one outline: to find each of them scores as split, and as too many."""
COUNT_BOUND = (HELDOUT, 0.05)


@dataclass(frozen=True)
class Ran:
    """What one method did: its version, its rows, and the peak of its memory in GiB."""

    method: str
    version: str
    rows: tuple[Row, ...] = ()
    before_gib: float = 0.0
    peak_gib: float = 0.0
    absent: str = ""


def work(method: str, folder: Path, setting: Setting) -> Ran:
    """Run one method on all pictures of a folder, one in memory at a time."""
    try:
        version, find = METHODS[method](setting)
    except AbsentError as reason:
        return Ran(method, "", absent=str(reason))
    if setting.threads:
        import torch

        torch.set_num_threads(setting.threads)
    before = peak_gib()
    rows = []
    files = sorted(folder.glob("*.npz"))
    first = Picture.load(files[0])
    find(first.image, first.pixel_um)  # loads and compiles what is not timed
    for file in files:
        picture = Picture.load(file)
        start = time.perf_counter()
        found = find(picture.image, picture.pixel_um)
        seconds = time.perf_counter() - start
        rows.append(
            Row(
                picture.source,
                picture.group,
                picture.name,
                method,
                picture.pixel_um,
                picture.image.size / 1e6,
                seconds,
                **score(picture.drawn, found, picture.pixel_um),
            )
        )
    return Ran(method, version, tuple(rows), before, peak_gib())


def run(methods: Sequence[str], folder: Path, setting: Setting) -> list[Ran]:
    """Run the methods one after the other, each in a fresh process."""
    out = []
    for method in methods:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            ran = pool.submit(work, method, folder, setting).result()
        if ran.absent:
            print(f"{method} left out: {ran.absent}", flush=True)
        else:
            print(f"{method}: {ran.version}", file=sys.stderr, flush=True)
            out.append(ran)
    return out


def print_tables(ran: Sequence[Ran]) -> None:
    """Print what each method did by source, by part of a source, and what it took."""
    rows = [row for one in ran for row in one.rows]
    for (source,), some in grouped(rows, "source").items():
        print(f"\n## {source}\n")
        print("\n".join(markdown(some, ("method",), MIDDLES if source == INFORM else MAIN)))
        if source == INFORM:
            print(f"\n{ABOUT_INFORM}")
        groups = grouped(some, "group")
        if len(groups) > 1:
            ordered = [row for _, part in sorted(groups.items()) for row in part]
            print()
            print("\n".join(markdown(ordered, ("group", "method"), PARTS)))
    print("\n## Time and memory\n")
    print("| method | version | Mpx | s | Mpx/s | before, GiB | peak, GiB |")
    print("|---|---|---|---|---|---|---|")
    for one in ran:
        size = sum(row.megapixels for row in one.rows)
        seconds = sum(row.seconds for row in one.rows)
        print(
            f"| {one.method} | {one.version} | {size:.1f} | {seconds:.1f} | {size / seconds:.3f} "
            f"| {one.before_gib:.2f} | {one.peak_gib:.2f} |"
        )
    print(
        "\nMpx/s: pixels of the pictures as they are over wall time from picture to labels, all "
        "sources; most are\nsmall, which is slow for each pixel. Peak: most memory resident in the "
        "method's own process, with the\ninterpreter, libraries, weights, the picture at hand and "
        "its scoring; before: the same once loaded, before\nthe first picture."
    )


def broken_bounds(rows: Sequence[Row]) -> list[str]:
    """Print what was asked of ``compact`` beside what it did; return what is broken."""
    values = {
        source: pooled(some)
        for (method, source), some in grouped(rows, "method", "source").items()
        if method == "compact"
    }
    asked = [(s, r, bound, values[s][r].value >= bound) for s, r, bound in BOUNDS if s in values]
    source, most = COUNT_BOUND
    if source in values:
        asked.append((source, "count", most, abs(values[source]["count"].value) <= most))
    print(
        "\n## Asked of compact\n\n| source | rate | bound | found | held |\n|---|---|---|---|---|"
    )
    for source, rate, bound, held in asked:
        limit = f"within {100 * bound:.0f} %" if rate == "count" else f"at least {bound:g}"
        found = values[source][rate].text(rate)
        print(f"| {source} | {rate} | {limit} | {found} | {'yes' if held else '**no**'} |")
    return [f"{source}: {rate}" for source, rate, _, held in asked if not held]


def write_csv(file: Path, rows: Sequence[Row]) -> None:
    """Write one line a picture and method."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, fieldnames=list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main() -> int:
    """Print the tables; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--sources", nargs="+", choices=NAMES, default=["validation", "rendered", "inform"]
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--weights", default="compact", help="compact, or the path of weights")
    parser.add_argument(
        "--precision", default=SegmentParams().precision, help="float32 or bfloat16"
    )
    parser.add_argument("--flow-threshold", type=float, default=-1.0, help="compact's; default its")
    parser.add_argument("--threads", type=int, default=0, help="of networks; 0 for all")
    parser.add_argument("--quick", action="store_true", help="a few pictures of each source")
    parser.add_argument("--csv", type=Path, help="file for one line a picture and method")
    parser.add_argument("--no-check", action="store_true", help="ask no bounds")
    options = parser.parse_args()
    root = options.data if (options.data / "nuclei").is_dir() else options.data.parent
    constant = constant_um(root)
    setting = Setting(
        weights=options.weights,
        precision=options.precision,
        flow_threshold=options.flow_threshold,
        threads=options.threads,
        constant_um=constant,
    )
    print(f"{processor()}; one scale: {constant:.4f} µm a pixel")
    with tempfile.TemporaryDirectory() as passing:
        number = 0
        for source in options.sources:
            for picture in pictures(root, source, options.quick):
                picture.save(Path(passing) / f"{number:05d}.npz")
                number += 1
        ran = run(options.methods, Path(passing), setting)
    rows = [row for one in ran for row in one.rows]
    if not rows:
        print("no method could be run")
        return 1
    if options.csv:
        write_csv(options.csv, rows)
    print_tables(ran)
    if options.no_check or options.quick or all(row.method != "compact" for row in rows):
        return 0
    broken = broken_bounds(rows)
    print("\nbroken: " + "; ".join(broken) if broken else "\nall bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
