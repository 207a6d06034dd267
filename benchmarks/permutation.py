"""How often the permutation p of PD-L1 induction rejects: without an effect, and with one.

CD8 T cells clustered, PD-L1 in patches that know nothing of them. Ours relabels CD8 identity
within a band of distance to the margin and a block of 50 µm; beside it plain relabelling within
bands, and the normal approximation of the log odds ratio, which takes every cell for itself.

    python benchmarks/permutation.py --fields 500 --workers 2
"""

import argparse
import sys
import time
from multiprocessing import get_context

import numpy as np

from immunescape.intervals import log_odds_ratio
from immunescape.simulate import PointParams, simulate_cells
from immunescape.spatial.permutation import permutation_p, relabelling_strata

LEVEL, MOST = 0.05, 0.07
BAND_UM = 20.0
METHODS = ("ours", "bands", "woolf")
_NULL = {
    "negative_touching": 0.7, "negative_apart": 0.7,
    "other_negative_touching": 0.7, "other_negative_apart": 0.7,
}  # fmt: skip
_SIZE = {"width_um": 900.0, "height_um": 900.0}


def _clustered(um: float, cells: float, patch: float) -> dict[str, object]:
    return {
        "cd8": "clustered", "cluster_um": um, "cluster_cells": cells,
        "pdl1": "patchy", "patch_um": patch,
    }  # fmt: skip


SETTINGS: dict[str, dict[str, object]] = {
    "no effect, clusters 25, patches 40": _NULL | _clustered(25.0, 8.0, 40.0),
    "no effect, clusters 25, patches 60": _NULL | _clustered(25.0, 8.0, 60.0),
    "no effect, clusters 40, patches 80": _NULL | _clustered(40.0, 20.0, 80.0),
    "no effect, independent, independent": dict(_NULL),
    "PD-L1+ 50 % touching, 30 % apart": _NULL
    | _clustered(25.0, 8.0, 60.0)
    | {"negative_touching": 0.5, "other_negative_touching": 0.5},
    "PD-L1+ 70 % touching, 20 % apart": _NULL
    | _clustered(25.0, 8.0, 60.0)
    | {
        "negative_touching": 0.3, "other_negative_touching": 0.3,
        "negative_apart": 0.8, "other_negative_apart": 0.8,
    },
}  # fmt: skip


def one_field(
    task: tuple[str, dict[str, object], int, int],
) -> tuple[str, dict[tuple[str, str], float]]:
    """Simulate a field; return p by phenotype and method."""
    setting, chosen, seed, draws = task
    made = simulate_cells(PointParams(**_SIZE | chosen), seed)
    cells = made.cells
    phenotype = cells["phenotype"].to_numpy()
    cd8, tumour = phenotype == "cd8_t", phenotype == "tumour"
    a, b = (made.pairs[c].to_numpy() - 1 for c in ("label_a", "label_b"))
    positive = cells["pdl1_positive"].to_numpy(bool)
    distance = cells["distance_to_margin_um"].to_numpy(float)
    band = np.floor(distance / BAND_UM).astype(np.int64)
    strata = {
        "ours": relabelling_strata(cells.points_um, band),
        "bands": relabelling_strata(np.zeros((len(cells), 2)), band),
    }
    group = np.where(tumour, 0, np.where(cd8, -1, 1))
    status = np.where(positive, 1, 2)
    found: dict[tuple[str, str], float] = {}
    for method, stratum in strata.items():
        p = permutation_p(
            a, b, cd8, ~tumour, stratum, status, group, np.eye(2), seed=seed, draws=draws
        )
        found["tumour", method], found["other", method] = float(p[0]), float(p[1])
    touching = np.zeros(len(cells), bool)
    touching[b[cd8[a]]] = True
    touching[a[cd8[b]]] = True
    for k, name in enumerate(("tumour", "other")):
        counts = [
            int((side & state & (group == k)).sum())
            for side in (touching, ~touching)
            for state in (positive, ~positive)
        ]
        _, low, high = log_odds_ratio(*counts)
        found[name, "woolf"] = 0.0 if low > 0 or high < 0 else 1.0
    return setting, found


def main() -> int:
    """Print the table; return 1 if the size is over its bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=500, help="fields a setting")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--draws", type=int, default=999, help="relabellings a field")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    begun = time.perf_counter()
    tasks = [
        (setting, chosen, options.first_seed + seed, options.draws)
        for setting, chosen in SETTINGS.items()
        for seed in range(options.fields)
    ]
    with get_context("spawn").Pool(options.workers) as pool:
        rows = pool.map(one_field, tasks, chunksize=20)
    print(
        f"{options.fields} fields of 900 x 900 µm a setting, {options.draws} draws; share of p "
        f"at most {LEVEL:g}, in %; without an effect at most {100 * MOST:g} %\n"
    )
    print(f"{'setting':<38} {'phenotype':<9}" + "".join(f"{m:>8}" for m in METHODS))
    broken = []
    for setting in SETTINGS:
        mine = [found for name, found in rows if name == setting]
        for phenotype in ("tumour", "other"):
            share = {m: np.mean([f[phenotype, m] <= LEVEL for f in mine]) for m in METHODS}
            over = setting.startswith("no effect") and share["ours"] > MOST
            if over:
                broken.append(f"{setting}, {phenotype}")
            print(
                f"{setting:<38} {phenotype:<9}"
                + "".join(f"{100 * share[m]:8.1f}" for m in METHODS)
                + ("  <-- over" if over else "")
            )
    print(f"\n{time.perf_counter() - begun:.0f} s", file=sys.stderr)
    print("\nover: " + "; ".join(broken) if broken else "\nthe bound holds")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
