"""What must not change the nuclei found: tile size, threads, type of numbers, pixel size.

    python benchmarks/segment_invariance.py

One simulated nuclear stain of 0.25 µm per pixel; coarser pixels are means of its pixels, as a
camera with larger ones would see it. Labels are compared cell by cell, whatever their numbers: a
cell agrees if intersection over union is above 0.95, and the share is of the larger count.

Ends with 1 if fewer than 99.9 % agree between tiles of 512, 1024 and 2048 pixels, if counts differ
by more than 0.5 % between one thread and two, or by more than 5 % between pixels of 0.25, 0.5 and
1 µm. What the half-precision type changes is printed, without a bound.
"""

import argparse
import sys
import time
from typing import Any

import numpy as np

from immunescape.segment import SegmentParams, load_model, match_labels, segment_nuclei
from segment_field import Mosaic, simulate_mosaic
from segment_machine import processor, use_threads

FINEST_UM = 0.25
BINS = (1, 2, 4)
TILES = (512, 1024, 2048)
LEAST_AGREE = 0.999
SAME_IOU = 0.95
THREADS_DIFFER = 0.005
PIXELS_DIFFER = 0.05


def labels(field: Mosaic, weights: str, **params: Any) -> Any:
    """Return the nuclei of a field."""
    given = SegmentParams(device="cpu", **params)
    model = load_model(weights, device="cpu", precision=given.precision)
    out = np.zeros(field.stain.shape, np.int32)
    segment_nuclei(field.slide, ("DAPI",), out, given, model=model)
    return out


def count(found: Any) -> int:
    """Return the number of labels, which are 1 to n."""
    return int(found.max(initial=0))


def agreement(one: Any, other: Any) -> float:
    """Return the share of cells that are the same in both, of the larger count."""
    return match_labels(one, other, SAME_IOU).hits / max(count(one), count(other), 1)


class Checks:
    """Lines of the printed table, and what was broken."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        print("| what | beside | nuclei | counts differ | cells that agree | asked | held |")
        print("|---|---|---|---|---|---|---|")

    def line(
        self, what: str, beside: str, one: int, other: int, agree: float | None, asked: str,
        held: bool | None,
    ) -> None:  # fmt: skip
        """Print one comparison."""
        differ = abs(other - one) / max(one, 1)
        share = "-" if agree is None else f"{100 * agree:.3f} %"
        mark = "-" if held is None else "yes" if held else "**no**"
        print(
            f"| {what} | {beside} | {other}, {one} | {100 * differ:.2f} % | {share} | {asked} "
            f"| {mark} |",
            flush=True,
        )
        if held is False:
            self.broken.append(f"{what} beside {beside}")


def main() -> int:
    """Print the table; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="compact", help="compact, or the path of weights")
    parser.add_argument(
        "--precision", default=SegmentParams().precision, help="float32 or bfloat16"
    )
    parser.add_argument("--edge", type=float, default=1600, help="edge of the field in µm")
    options = parser.parse_args()
    start = time.monotonic()
    finest = simulate_mosaic(options.edge, FINEST_UM)
    binned = {times: finest.binned(times) if times > 1 else finest for times in BINS}
    field = binned[2]
    usual = use_threads(0)
    given = {"precision": options.precision}

    def found(field: Mosaic = field, **params: Any) -> Any:
        return labels(field, options.weights, **{**given, **params})

    print(
        f"{processor()}, {usual} threads, {options.precision}; "
        f"{' x '.join(map(str, field.stain.shape))} px of {field.pixel_um} µm, {finest.count} "
        f"nuclei drawn\n"
    )
    checks = Checks()
    largest = found(tile_px=TILES[-1])
    for tile in TILES[:-1]:
        other = found(tile_px=tile)
        agree = agreement(largest, other)
        checks.line(
            f"tiles of {tile}", f"{TILES[-1]} px", count(largest), count(other), agree,
            f"{100 * LEAST_AGREE:g} % agree", agree >= LEAST_AGREE,
        )  # fmt: skip
    runs = {}
    for threads in (1, 2):
        use_threads(threads)
        runs[threads] = found()
    use_threads(usual)
    one, two = count(runs[1]), count(runs[2])
    checks.line(
        "1 thread", "2", two, one, agreement(runs[1], runs[2]),
        f"counts within {100 * THREADS_DIFFER:g} %", abs(one - two) <= THREADS_DIFFER * two,
    )  # fmt: skip
    types = {name: found(precision=name) for name in ("float32", "bfloat16")}
    exact, half = types["float32"], types["bfloat16"]
    checks.line("bfloat16", "float32", count(exact), count(half), agreement(exact, half), "-", None)
    counts = {times: count(found(binned[times])) for times in BINS}
    for times in BINS:
        other = counts[times]
        least, most = min(counts[2], other), max(counts[2], other)
        if times != 2:
            checks.line(
                f"pixels of {FINEST_UM * times:g} µm", f"{field.pixel_um:g} µm", counts[2], other,
                None, f"counts within {100 * PIXELS_DIFFER:g} %",
                most - least <= PIXELS_DIFFER * least,
            )  # fmt: skip
    ends = (min(counts.values()), max(counts.values()))
    checks.line(
        "largest count of all pixel sizes", "smallest", *ends, None,
        f"within {100 * PIXELS_DIFFER:g} %", ends[1] - ends[0] <= PIXELS_DIFFER * ends[0],
    )  # fmt: skip
    print(f"\n{time.monotonic() - start:.0f} s")
    print("broken: " + "; ".join(checks.broken) if checks.broken else "all bounds hold")
    return 1 if checks.broken else 0


if __name__ == "__main__":
    sys.exit(main())
