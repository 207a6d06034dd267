"""How near the derived tumour region, and the CD8 density in it, come to the true one.

For each scenario some fields are made whose nests leave the frame by no to three sides, with
satellites, stromal islands, a nerve and glass. Their tumour region is derived from the true calls,
and from calls as they come: 5 % of tumour cells missed, 3 % of all others called tumour, S100+
cells without SOX10 (dendritic cells, nerve) called tumour. With ``--pixels`` each field is also
analysed from its pixels, no region given.

    python benchmarks/region.py --seeds 5
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as changed
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import shapely

from immunescape.margin import GridMask, TumourParams, derive_tumour, rasterise
from immunescape.pipeline import Inputs, run_slide
from immunescape.simulate import (
    SCENARIOS,
    FieldParams,
    SimulatedField,
    simulate_field,
    write_field,
)
from immunescape.study import Study

FIRST_SEED = 1000
LEAST_IOU = 0.85
MOST_OFF = 0.15
CELLS_OFF = 3
"""A density is near enough where it is off by this number of cells, be that a large share."""
MISSED, FALSE = 0.05, 0.03
BANDWIDTHS = (10.0, 40.0)
"""Compared with the default in the printed table; they have no bound."""


@dataclass(frozen=True)
class Row:
    """One region of one field beside the true one: areas in mm², CD8 T cells inside each."""

    scenario: str
    seed: int
    calls: str
    both: float
    either: float
    true: tuple[int, float]
    found: tuple[int, float]

    @property
    def iou(self) -> float:
        """Intersection over union with the true region."""
        return self.both / self.either


def params_of(seed: int) -> FieldParams:
    """Return what the field of a seed looks like."""
    k = seed % 5
    return FieldParams(
        nest_sides=(3, 1, 2, 3, 0)[k],
        satellites=(0, 1, 0, 2, 0)[k],
        stromal_islands=(0, 0, 1, 0, 1)[k],
        glass_fraction=(0.0, 0.0, 0.0, 0.2, 0.0)[k],
        nerves=(0, 1, 0, 1, 1)[k],
    )


def called_tumour(field: SimulatedField, calls: str) -> np.ndarray:
    """Return the centroids of the cells called tumour."""
    cells = field.truth.cells
    tumour = (cells["phenotype"] == "tumour").to_numpy()
    if calls == "noisy":
        rng = np.random.default_rng([field.seed, len(cells)])
        chance = rng.random(len(cells))
        s100_only = cells["kind"].isin(("dendritic", "nerve")).to_numpy()
        tumour = np.where(tumour, chance >= MISSED, (chance < FALSE) | s100_only)
    return cells.loc[tumour, ["x_um", "y_um"]].to_numpy()


def compared(field: SimulatedField, calls: str, region: shapely.Geometry) -> Row:
    """Compare a region with the true one, within the tissue."""
    true = field.regions["tumour"]
    found = region.intersection(field.regions["tissue"])
    cells = field.truth.cells
    cd8 = cells.loc[cells["phenotype"] == "cd8_t", ["x_um", "y_um"]].to_numpy()
    inside = [int(shapely.intersects_xy(shape, *cd8.T).sum()) for shape in (true, found)]
    return Row(
        field.scenario,
        field.seed,
        calls,
        found.intersection(true).area / 1e6,
        found.union(true).area / 1e6,
        (inside[0], true.area / 1e6),
        (inside[1], found.area / 1e6),
    )


def from_pixels(field: SimulatedField) -> Row:
    """Compare the region and the CD8 cells in it that a whole run finds, nothing given."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_field(field, place)
        image = place / f"{field.name}.ome.tif"
        study = Study()
        study = changed(study, slide=changed(study.slide, site=SCENARIOS[field.scenario].site))
        result = run_slide(Inputs(slide=image), place / "out", study)
    row = compared(field, "pixels", result.shapes["tumour"])
    regions = result.tables["regions"]
    is_cd8 = (regions["phenotype"] == "cd8_t") & (regions["pdl1"] == "any")
    found = regions[is_cd8 & (regions["region"] == "tumour")].iloc[0]
    return changed(row, found=(int(found["count"]), float(found["area_mm2"])))


def rows_of(task: tuple[str, int, bool]) -> list[Row]:
    """Make one field and derive its region from every kind of calls."""
    scenario, seed, pixels = task
    field = simulate_field(params_of(seed), scenario, seed, f"{scenario}_{seed}")
    return list(_rows(field, pixels))


def _rows(field: SimulatedField, pixels: bool) -> Iterator[Row]:
    frame = (field.params.width_um, field.params.height_um)
    tissue = rasterise(field.regions["tissue"], GridMask.whole(frame))
    for calls in ("true", "noisy"):
        points = called_tumour(field, calls)
        yield compared(field, calls, derive_tumour(points, tissue))
        for bandwidth in BANDWIDTHS:
            params = TumourParams(bandwidth_um=bandwidth)
            name = f"{calls}, {bandwidth:g} µm"
            yield compared(field, name, derive_tumour(points, tissue, params))
    if pixels:
        yield from_pixels(field)


def print_table(rows: list[Row], scenarios: list[str], kinds: list[str]) -> list[str]:
    """Print each scenario's fields pooled, by the calls; return what broke its bound."""
    head = "{:<10} {:<13} {:>6} {:>9} {:>20} {:>20} {:>8}"
    print(head.format("scenario", "calls", "IoU", "worst", "CD8/mm², true", "found", "off by"))
    print("-" * 92)
    broken = []
    for scenario in scenarios:
        for calls in kinds:
            mine = [r for r in rows if (r.scenario, r.calls) == (scenario, calls)]
            iou = sum(r.both for r in mine) / sum(r.either for r in mine)
            worst = min(r.iou for r in mine)
            (n, true), (m, found) = (
                (sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs))
                for pairs in ([r.true for r in mine], [r.found for r in mine])
            )
            off = (m / found) / (n / true) - 1
            bound = calls in ("true", "noisy", "pixels")
            mark = ""
            cells_off = abs(m / found - n / true) * found
            near = abs(off) <= MOST_OFF or cells_off <= CELLS_OFF
            if bound and not (worst >= LEAST_IOU and near):
                mark = "  <-- broken"
                broken.append(f"{scenario}, {calls}")
            print(
                f"{scenario:<10} {calls:<13} {iou:>6.3f} {worst:>9.3f} "
                f"{n / true:>11.1f} (n {n:>4}) {m / found:>11.1f} (n {m:>4}) {off:>+7.1%}{mark}"
            )
    return broken


def main() -> int:
    """Print the table; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="fields a scenario")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--pixels", action="store_true", help="also from whole runs")
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    options = parser.parse_args()
    tasks = [
        (scenario, FIRST_SEED + seed, options.pixels)
        for scenario in options.scenarios
        for seed in range(options.seeds)
    ]
    rows: list[Row] = []
    with get_context("spawn").Pool(options.workers) as pool:
        for done in pool.imap(rows_of, tasks):
            rows += done
    kinds = list(dict.fromkeys(row.calls for row in rows))
    print(
        f"{options.seeds} fields of 600 x 600 µm a scenario, pooled; worst is the lowest IoU of "
        f"one field. Bounds: IoU of every field {LEAST_IOU}, pooled density the larger of "
        f"{MOST_OFF:.0%} and {CELLS_OFF} cells; other bandwidths have none.\n"
    )
    broken = print_table(rows, options.scenarios, kinds)
    print("broken: " + "; ".join(broken) if broken else "all bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
