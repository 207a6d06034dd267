"""How often 95 % intervals hold what was planted, on fields of cells as points.

A thousand fields a setting: CD8 T cells regular, independent or clustered, PD-L1 independent or
patchy, frames of 600 to 1500 µm. Beside ours stand the plain methods, which take every cell for
itself: Garwood's and Wilson's intervals, and percentiles of a bootstrap over cells (of a count, a
Poisson one). An interval stands where the tables would give one: regions of 0.02 mm², fractions
of 20 cells. The bound is asked of the CD8 density of tumour and margin and of the headline. Where
most fields have under 20 blocks with tissue of a region our interval is the plain one by
definition, and the table says so.

    python benchmarks/interval_coverage.py --fields 1000 --workers 2
"""

import argparse
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from immunescape.intervals import (
    log_odds_ratio,
    poisson_interval,
    rate_ratio_interval,
    wilson_interval,
)
from immunescape.intervals.bootstrap import (
    find_blocks,
    log_odds_interval,
    rate_ratio_interval_blocks,
    ratio_intervals,
)
from immunescape.results import REGION_NAMES
from immunescape.simulate import PointParams, simulate_cells
from immunescape.spatial.kinds import REGION_MEMBERS

LEAST, MOST = 90.0, 99.0
CELL_DRAWS = 999
MIN_AREA_MM2, MIN_CELLS = 0.02, 20

_REGULAR = {"cd8": "regular"}
_CLUSTERED = {"cd8": "clustered", "cluster_um": 25.0, "cluster_cells": 8.0}
_LARGE = {"cd8": "clustered", "cluster_um": 50.0, "cluster_cells": 15.0}
_DENSE = {"cd8": "clustered", "cluster_um": 40.0, "cluster_cells": 20.0}


def _patchy(um: float) -> dict[str, object]:
    return {"pdl1": "patchy", "patch_um": um}


_RARE = {"negative_touching": 0.95, "negative_apart": 0.97}

PATTERNS: dict[str, dict[str, object]] = {
    "regular, PD-L1 independent": _REGULAR,
    "regular, PD-L1 patches 60": _REGULAR | _patchy(60.0),
    "independent, PD-L1 independent": {},
    "independent, PD-L1 patches 50": _patchy(50.0),
    "independent, PD-L1 patches 80": _patchy(80.0),
    "clusters 25, PD-L1 independent": _CLUSTERED,
    "clusters 25, PD-L1 patches 50": _CLUSTERED | _patchy(50.0),
    "clusters 25, patches 50, 5 % positive": _CLUSTERED | _patchy(50.0) | _RARE,
    "clusters 50, PD-L1 patches 60": _LARGE | _patchy(60.0),
    "clusters 40, PD-L1 patches 80": _DENSE | _patchy(80.0),
}
EXTREME: dict[str, dict[str, object]] = {
    "clusters 80, PD-L1 patches 120": {
        "cd8": "clustered", "cluster_um": 80.0, "cluster_cells": 40.0,
    } | _patchy(120.0),
    "clusters 120, PD-L1 patches 200": {
        "cd8": "clustered", "cluster_um": 120.0, "cluster_cells": 60.0,
    } | _patchy(200.0),
}  # fmt: skip
"""Patches larger than any window: what intervals of one small field cannot hold."""

NUMBERS = (
    "CD8 tumour", "CD8 margin", "headline", "headline margin", "induction", "CD8 margin/centre",
)  # fmt: skip
BOUND = NUMBERS[:3]
"""Of these the bound is asked; the others are marked where they lie outside of it."""


@dataclass(frozen=True)
class Trial:
    """Intervals of one field: number, method -> low, high; and what was planted."""

    setting: str
    planted: dict[str, float]
    intervals: dict[tuple[str, str], tuple[float, float]]
    resampled: dict[str, bool]


def one_field(task: tuple[str, dict[str, object], int]) -> Trial:
    """Simulate a field and take every interval of it."""
    setting, chosen, seed = task
    params = PointParams(**chosen)
    made = simulate_cells(params, seed)
    cells = made.cells
    region = cells["region"].map({name: i for i, name in enumerate(REGION_NAMES[:4])})
    blocks = find_blocks(cells.points_um, region.to_numpy(np.int64), made.areas.by_block)
    phenotype = cells["phenotype"].to_numpy()
    is_cd8, is_tumour = phenotype == "cd8_t", phenotype == "tumour"
    a, b = (made.pairs[c].to_numpy() - 1 for c in ("label_a", "label_b"))
    touching = np.zeros(len(cells), bool)
    touching[b[is_cd8[a]]] = True
    touching[a[is_cd8[b]]] = True
    positive = cells["pdl1_positive"].to_numpy(bool)
    code = np.where(is_tumour, 2 * touching + positive, np.where(is_cd8, 4, -1))
    counts = blocks.count(code, 5)
    member = {r: REGION_MEMBERS[i, blocks.region][:, None] for i, r in enumerate(REGION_NAMES)}
    rng = np.random.default_rng([seed, 17])

    planted, found, resampled = {}, {}, {}
    area = blocks.area_mm2[:, None]
    for name in ("tumour", "margin"):
        n, d = counts[:, 4:] * member[name], area * member[name]
        total, base = float(n.sum()), float(d.sum())
        if base < MIN_AREA_MM2:
            continue
        key = f"CD8 {name}"
        planted[key] = made.planted.cd8_density_per_mm2[name]
        ours = ratio_intervals(blocks, n, d, kind="density", seed=seed)
        found[key, "ours"] = float(ours.low[0]), float(ours.high[0])
        resampled[key] = ours.method[0] == "block_bootstrap"
        low, high = poisson_interval(total)
        found[key, "plain"] = float(low / base), float(high / base)
        draws = rng.poisson(total, CELL_DRAWS) / base
        found[key, "cells"] = tuple(np.quantile(draws, (0.025, 0.975)))
    for key, name in (("headline", "tissue"), ("headline margin", "margin")):
        n = counts[:, 2:3] * member[name]
        d = n + counts[:, 3:4] * member[name]
        total, base = int(n.sum()), int(d.sum())
        if base < MIN_CELLS:
            continue
        planted[key] = made.planted.pdl1_negative["tumour", True]
        tissue = area * member[name]
        ours = ratio_intervals(blocks, n, d, kind="fraction", tissue=tissue, seed=seed)
        found[key, "ours"] = float(ours.low[0]), float(ours.high[0])
        resampled[key] = ours.method[0] == "block_bootstrap"
        low, high = wilson_interval(total, base)
        found[key, "plain"] = float(low), float(high)
        draws = rng.binomial(base, total / base, CELL_DRAWS) / base
        found[key, "cells"] = tuple(np.quantile(draws, (0.025, 0.975)))
    table = [counts[:, 3], counts[:, 2], counts[:, 1], counts[:, 0]]
    sums = [int(part.sum()) for part in table]
    if min(sums[0] + sums[1], sums[2] + sums[3]) >= MIN_CELLS:
        planted["induction"] = made.planted.induction_log_odds_ratio("tumour")
        ours = log_odds_interval(blocks, *table, tissue=area, seed=seed)
        found["induction", "ours"] = float(ours.low[0]), float(ours.high[0])
        resampled["induction"] = ours.method[0] == "block_bootstrap"
        found["induction", "plain"] = log_odds_ratio(*sums)[1:]
    parts = [
        part * member[r][:, 0]
        for r in ("margin", "centre")
        for part in (counts[:, 4], blocks.area_mm2)
    ]
    if min(parts[1].sum(), parts[3].sum()) >= MIN_AREA_MM2 and parts[0].sum() + parts[2].sum() > 0:
        density = made.planted.cd8_density_per_mm2
        planted["CD8 margin/centre"] = density["margin"] / density["centre"]
        ours = rate_ratio_interval_blocks(blocks, *parts, seed=seed)
        found["CD8 margin/centre", "ours"] = float(ours.low[0]), float(ours.high[0])
        resampled["CD8 margin/centre"] = ours.method[0] == "block_bootstrap"
        found["CD8 margin/centre", "plain"] = tuple(
            rate_ratio_interval(*(float(part.sum()) for part in parts))
        )
    return Trial(setting, planted, found, resampled)


def print_table(trials: list[Trial], bounded: bool) -> list[str]:
    """Print coverage and mean width by setting; return what broke the bound."""
    held: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    drawn: dict[tuple[str, str], list[bool]] = defaultdict(list)
    wide: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for trial in trials:
        for number, was in trial.resampled.items():
            drawn[trial.setting, number].append(was)
        for (number, method), (low, high) in trial.intervals.items():
            key = trial.setting, number, method
            held[key].append(low <= trial.planted[number] <= high)
            wide[key].append(high - low)
    broken: list[str] = []
    for setting in dict.fromkeys(trial.setting for trial in trials):
        print(f"\n{setting}")
        for number in NUMBERS:
            mine = held[setting, number, "ours"]
            if not mine:
                continue
            cover = {m: 100 * np.mean(held[setting, number, m]) for m in ("ours", "plain", "cells")
                     if (setting, number, m) in held}  # fmt: skip
            width = {m: float(np.median(wide[setting, number, m])) for m in cover}
            out = not LEAST <= cover["ours"] <= MOST
            share = float(np.mean(drawn[setting, number]))
            few = "" if share > 0.5 else f"  too few blocks in {100 * (1 - share):.0f} %"
            if bounded and out and number in BOUND:
                broken.append(f"{setting}: {number}")
            cells = f"{cover['cells']:6.1f}" if "cells" in cover else "     -"
            print(
                f"  {number:<18} {len(mine):>5} {cover['ours']:6.1f} {cover['plain']:6.1f} {cells}"
                f"   {width['ours']:9.4g} {width['plain']:9.4g}"
                + ("  <-- outside" if out else "")
                + few
            )
    return broken


def main() -> int:
    """Print the tables; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=1000, help="fields a setting")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--sizes", type=float, nargs="+", default=[600.0, 900.0, 1500.0])
    parser.add_argument("--only", default="", help="settings whose name holds this")
    parser.add_argument("--extreme", action="store_true", help="also patches beyond any window")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    broken: list[str] = []
    print(
        f"{options.fields} fields a setting; coverage of the planted value in % by ours, by plain "
        "intervals (Garwood, Wilson, Woolf,\nexact conditional) and by percentiles of a bootstrap "
        f"over cells; median width of ours and plain; bound {LEAST:g} to {MOST:g} %"
    )
    for patterns, bounded in ((PATTERNS, True), (EXTREME if options.extreme else {}, False)):
        tasks = [
            (name, chosen | {"width_um": size, "height_um": size}, options.first_seed + seed)
            for size in options.sizes
            for pattern, chosen in patterns.items()
            if options.only in (name := f"{size:g} µm, CD8 {pattern}")
            for seed in range(options.fields)
        ]
        with get_context("spawn").Pool(options.workers) as pool:
            broken += print_table(pool.map(one_field, tasks, chunksize=50), bounded)
    print(f"\n{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    print("\noutside: " + "; ".join(broken) if broken else "\nall bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
