"""How near the numbers come to the truth of simulated fields.

For each scenario some fields are rendered, analysed from their pixels (network, automatic gates,
tumour annotation given) and once more from their true labels and calls. Counts and areas of all
fields of a scenario are summed before anything is divided.

    python benchmarks/truth.py --seeds 5
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from dataclasses import replace as changed
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from immunescape.pipeline import Inputs, run_slide
from immunescape.simulate import SCENARIOS, FieldParams, simulate_field, write_field
from immunescape.study import Study

REGIONS = ("centre", "inner_margin", "outer_margin", "stroma", "margin", "tumour", "tissue")
FIRST_SEED = 1000


@dataclass
class Sums:
    """Counts and areas of the fields of one scenario; None where a gate is missing."""

    cells: int | None = 0
    cd8: dict[str, int] | None = field(default_factory=lambda: dict.fromkeys(REGIONS, 0))
    area_mm2: dict[str, float] = field(default_factory=lambda: dict.fromkeys(REGIONS, 0.0))
    touching: int | None = 0
    touching_negative: int | None = 0


def sums_of(regions: pd.DataFrame, summary: pd.DataFrame) -> Sums:
    """Read the sums of one field from its tables, ours or the simulator's: same columns."""
    rows = regions[regions["pdl1"] == "any"].set_index(["phenotype", "region"])
    counts = {r: rows.loc[("cd8_t", r), "count"] for r in REGIONS}
    summary = summary[
        (summary["metric"] == "pdl1_negative_fraction_touching_cd8")
        & (summary["region"] == "tissue")
    ]
    if "phenotype" in summary:
        summary = summary[
            (summary["phenotype"] == "tumour") & (summary["neighbourhood"] == "contact")
        ]
    headline = summary.iloc[0]
    known = bool(pd.notna(headline["denominator"]))
    kinds = ("any",) if ("any", "tissue") in rows.index else ("tumour", "cd8_t", "other")
    return Sums(
        cells=int(sum(rows.loc[(kind, "tissue"), "count"] for kind in kinds)),
        cd8=None if any(map(pd.isna, counts.values())) else {r: int(counts[r]) for r in REGIONS},
        area_mm2={r: float(rows.loc[("cd8_t", r), "area_mm2"]) for r in REGIONS},
        touching=int(headline["denominator"]) if known else None,
        touching_negative=int(headline["numerator"]) if known else None,
    )


@dataclass(frozen=True)
class Row:
    """One field: truth, numbers from pixels, numbers from true labels and calls."""

    scenario: str
    seed: int
    true: Sums
    found: Sums
    given: Sums
    seconds: float


def one_field(task: tuple[str, int, str]) -> Row:
    """Render and analyse one field, from its pixels and from its true labels and calls."""
    scenario, seed, model = task
    sides = (3, 1, 2, 3, 0)[seed % 5]
    made = simulate_field(FieldParams(nest_sides=sides), scenario, seed, f"{scenario}_{seed}")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_field(made, place)
        truth = place / "truth"
        inputs = Inputs(
            slide=place / f"{made.name}.ome.tif", annotations=place / f"{made.name}.geojson"
        )
        study = changed(Study(), segment=changed(Study().segment, model=model))
        begun = time.perf_counter()
        found = run_slide(inputs, place / "pixels", study).tables
        seconds = time.perf_counter() - begun
        with_truth = changed(
            inputs,
            labels=(truth / f"{made.name}_nuclei.tif", truth / f"{made.name}_cells.tif"),
            calls=truth / f"{made.name}_cells.csv",
        )
        given = run_slide(with_truth, place / "given", Study()).tables
        return Row(
            scenario,
            seed,
            sums_of(
                pd.read_csv(truth / f"{made.name}_regions.csv"),
                pd.read_csv(truth / f"{made.name}_summary.csv"),
            ),
            sums_of(found["regions"], found["summary"]),
            sums_of(given["regions"], given["summary"]),
            seconds,
        )


def density(parts: list[Sums], region: str) -> float:
    """Pooled CD8 T cells per mm²."""
    return sum(p.cd8[region] for p in parts) / sum(p.area_mm2[region] for p in parts)


def headline(parts: list[Sums]) -> tuple[float, int]:
    """Pooled PD-L1-negative fraction of tumour cells touching CD8, and their number."""
    touching = sum(p.touching for p in parts)
    return sum(p.touching_negative for p in parts) / max(touching, 1), touching


class Table:
    """Lines of the printed table, and the bounds that were broken."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        head = ("scenario", "number", "truth", "found", "off by", "bound")
        print("{:<10} {:<50} {:>9} {:>9} {:>11} {:>10}".format(*head))
        print("-" * 104)

    def line(
        self, scenario: str, name: str, true: float, found: float, off: float, bound: float,
        unit: str, percent: bool,
    ) -> None:  # fmt: skip
        """Print one number beside its truth, and note it if it is off by more than the bound."""
        form = "{:>7.1f} %" if percent else "{:>9.5g}"
        scale = 100 if percent else 1
        values = (form.format(scale * true), form.format(scale * found))
        text = "{:<10} {:<50} {} {} {:>+9.1f} {} {:>4.0f}{}"
        mark = "" if abs(off) <= bound else "  <-- broken"
        print(text.format(scenario, name, *values, off, unit, bound, unit) + mark)
        if mark:
            self.broken.append(f"{scenario}: {name}")


def print_pooled(rows: list[Row], scenarios: list[str]) -> list[str]:
    """Print the numbers from pixels beside the truth, pooled; return what broke its bound."""
    table = Table()
    order: dict[str, tuple[float, float]] = {}
    for scenario in scenarios:
        mine = [row for row in rows if row.scenario == scenario]
        true, found = sum(r.true.cells for r in mine), sum(r.found.cells for r in mine)
        table.line(scenario, "cells", true, found, 100 * (found / true - 1), 7, "%", False)
        gated = [row for row in mine if row.found.cd8 is not None]
        note = (
            "" if len(gated) == len(mine) else f", {len(gated)} of {len(mine)} fields with a gate"
        )
        for region in ("tumour", "margin"):
            if not gated:
                break
            true, found = (density(p, region) for p in ([r.true for r in gated],
                                                        [r.found for r in gated]))  # fmt: skip
            name = f"CD8 per mm², {region}{note}"
            table.line(scenario, name, true, found, 100 * (found / true - 1), 15, "%", False)
        judged = [row for row in mine if row.found.touching is not None]
        if judged:
            (true, n), (found, m) = (
                headline([r.true for r in judged]),
                headline([r.found for r in judged]),
            )
            order[scenario] = true, found
            name = f"PD-L1- of tumour touching CD8, n {n} and {m}"
            table.line(scenario, name, true, found, 100 * (found - true), 10, "p", True)
    shown = [s for s in ("response", "baseline", "relapse") if s in order]
    for k, what in enumerate(("truth", "found")):
        shares = [order[s][k] for s in shown]
        held = shares == sorted(shares)
        print(f"{' < '.join(shown)} in {what}: {'yes' if held else 'no'}")
        table.broken += [] if held else [f"order of {what}"]
    return table.broken


def print_given(rows: list[Row]) -> list[str]:
    """Print how far numbers from true labels and calls are from the truth; return what broke."""
    area = max(
        abs(row.given.area_mm2[r] / row.true.area_mm2[r] - 1)
        for row in rows
        for r in REGIONS
        if row.true.area_mm2[r] > 0.005
    )
    counts = max(
        abs(a - b)
        for row in rows
        for a, b in (
            (row.true.cells, row.given.cells),
            (row.true.touching, row.given.touching),
            (row.true.touching_negative, row.given.touching_negative),
            *((row.true.cd8[r], row.given.cd8[r]) for r in REGIONS),
        )
    )
    print(
        "\ntrue labels and calls given, largest difference of any field: "
        f"areas {100 * area:.2f} % (bound 1 %), counts {counts} (bound 0)"
    )
    return (["areas"] if area > 0.01 else []) + (["counts"] if counts else [])


def main() -> int:
    """Print the tables; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="fields a scenario")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--model", default="compact", help="network or path of weights")
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    options = parser.parse_args()
    tasks = [
        (scenario, FIRST_SEED + seed, options.model)
        for scenario in options.scenarios
        for seed in range(options.seeds)
    ]
    rows = []
    with get_context("spawn").Pool(options.workers) as pool:
        for row in pool.imap(one_field, tasks):
            rows.append(row)
            print(f"{row.scenario} {row.seed}: {row.seconds:.0f} s", file=sys.stderr)
    print(
        f"{options.seeds} fields of 600 x 600 µm a scenario, model {Path(options.model).name}, "
        "automatic gates, tumour annotation given; pooled\n"
    )
    broken = print_pooled(rows, options.scenarios) + print_given(rows)
    print("broken: " + "; ".join(broken) if broken else "all bounds hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
