"""How near the numbers come to the truth of simulated fields.

For each scenario fields that nothing was trained on are rendered and analysed three ways: from
their pixels (network, automatic gates), from their true labels (automatic gates), and from their
true labels and calls. The tumour annotation is given, the fields of a scenario share their gates,
and counts and areas are summed over them before anything is divided. Beside this stands what other
ways to judge the same pixels would have given.

    python benchmarks/truth.py --seeds 20 --workers 2
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from immunescape.simulate import SCENARIOS
from truth_runs import (
    REGIONS,
    Judged,
    Prepared,
    Sums,
    best_errors,
    judge,
    prepare,
)
from truth_special import print_special

ORDER = ("response", "baseline", "relapse")
FEW = 3
"""A single field may be off by this many cells, or by the bound of its share, if that is more."""
LEAST_ERROR = 0.03
EVERY = "all"


@dataclass(frozen=True)
class Bounds:
    """How far a number may be off: shares, and points of the headline."""

    cells: float
    density: float
    headline: float


PIXELS = Bounds(cells=0.05, density=0.10, headline=0.08)
LABELS = Bounds(cells=0.0, density=0.05, headline=0.04)


def density(parts: Sequence[Sums], region: str) -> float:
    """Pooled CD8 T cells per mm²; NaN without area."""
    area = sum(p.area_mm2[region] for p in parts)
    return sum(p.cd8[region] for p in parts) / area if area else float("nan")


def headline(parts: Sequence[Sums]) -> tuple[float, int]:
    """Pooled PD-L1-negative fraction of tumour cells touching CD8, and their number."""
    touching = sum(p.touching for p in parts)
    return sum(p.touching_negative for p in parts) / max(touching, 1), touching


class Table:
    """Lines of a printed table, and the bounds that were broken."""

    def __init__(self, title: str) -> None:
        self.broken: list[str] = []
        self.title = title
        head = ("scenario", "number", "truth", "found", "off by", "bound", "fields off")
        print(f"\n{title}\n" + "{:<10} {:<46} {:>9} {:>9} {:>10} {:>7} {:>11}".format(*head))
        print("-" * 108)

    def line(
        self, scenario: str, name: str, true: float, found: float, bound: float | None,
        fields: str = "", *, points: bool = False,
    ) -> None:  # fmt: skip
        """Print one number beside its truth, and note it if it is off by more than the bound."""
        scale, form = (100, "{:>7.1f} %") if points else (1, "{:>9.5g}")
        off = found - true if points else found / true - 1
        text = "{:<10} {:<46} {} {} {:>+8.1f} {} {:>7} {:>11}"
        unit = "p" if points else "%"
        limit = "" if bound is None else f"{100 * bound:.0f} {unit}"
        values = (form.format(scale * true), form.format(scale * found))
        wrong = bound is not None and not abs(off) <= bound
        wrong |= bool(fields) and not fields.startswith("0 ")
        mark = "  <-- broken" if wrong else ""
        print(text.format(scenario, name, *values, 100 * off, unit, limit, fields) + mark)
        if wrong:
            self.broken.append(f"{self.title.split(',')[0]}, {scenario}: {name}")

    def missing(self, scenario: str, name: str, of: int) -> None:
        """Say that a number is missing in some fields: that is a broken bound."""
        print(f"{scenario:<10} {name}: no gate in {of} fields  <-- broken")
        self.broken.append(f"{self.title.split(',')[0]}, {scenario}: {name} without a gate")


def off_fields(pairs: Sequence[tuple[float, float, float]]) -> str:
    """Count fields off by more than they may: true, found and what may be off, in cells."""
    wrong = sum(abs(found - true) > may for true, found, may in pairs)
    return f"{wrong} of {len(pairs)}"


def print_pooled(
    title: str, fields: Sequence[Prepared], found: Sequence[Sums], bounds: Bounds
) -> list[str]:
    """Print the numbers beside the truth, pooled by scenario; return what broke its bound."""
    table = Table(title)
    order: dict[str, tuple[float, float]] = {}
    for scenario in dict.fromkeys(f.scenario for f in fields):
        mine = [(f.true, s) for f, s in zip(fields, found, strict=True) if f.scenario == scenario]
        true, seen = sum(t.cells for t, _ in mine), sum(s.cells for _, s in mine)
        single = off_fields([(t.cells, s.cells, max(bounds.cells * t.cells, FEW)) for t, s in mine])
        table.line(scenario, "cells", true, seen, bounds.cells, single)
        gated = [(t, s) for t, s in mine if s.cd8 is not None]
        if len(gated) < len(mine):
            table.missing(scenario, "CD8", len(mine) - len(gated))
        for region in ("tumour", "margin") if gated else ():
            single = off_fields(
                [
                    (n, s.cd8[region] / s.area_mm2[region] * t.area_mm2[region],
                     max(bounds.density * n, FEW))
                    for t, s in gated
                    for n in [t.cd8[region]]
                    if s.area_mm2[region] > 0
                ]
            )  # fmt: skip
            sides = (density(part, region) for part in zip(*gated, strict=True))
            table.line(scenario, f"CD8 per mm², {region}", *sides, bounds.density, single)
        judged = [(t, s) for t, s in mine if s.touching is not None]
        if len(judged) < len(mine):
            table.missing(scenario, "headline", len(mine) - len(judged))
        if judged:
            (true, n), (seen, m) = (headline(part) for part in zip(*judged, strict=True))
            order[scenario] = true, seen
            single = off_fields(
                [
                    (t.touching_negative, s.touching_negative / s.touching * t.touching,
                     max(bounds.headline * t.touching, FEW))
                    for t, s in judged
                    if s.touching > 0
                ]
            )  # fmt: skip
            name = f"PD-L1- of tumour touching CD8, n {n} and {m}"
            table.line(scenario, name, true, seen, bounds.headline, single, points=True)
    shown = [s for s in ORDER if s in order]
    for k, what in enumerate(("truth", "found")):
        shares = [order[s][k] for s in shown]
        held = shares == sorted(shares)
        print(f"{' < '.join(shown)} in {what}: {'yes' if held else 'no'}")
        table.broken += [] if held else [f"order of {what}"]
    return table.broken


def print_given(fields: Sequence[Prepared]) -> list[str]:
    """Print how far numbers from true labels and calls are from the truth; return what broke."""
    area = max(
        abs(f.given.area_mm2[r] / f.true.area_mm2[r] - 1)
        for f in fields
        for r in REGIONS
        if f.true.area_mm2[r] > 0.005
    )
    counts = max(
        abs(a - b)
        for f in fields
        for a, b in (
            (f.true.cells, f.given.cells),
            (f.true.touching, f.given.touching),
            (f.true.touching_negative, f.given.touching_negative),
            *((f.true.cd8[r], f.given.cd8[r]) for r in REGIONS),
        )
    )
    print(
        "\ntrue labels and calls given, largest difference of any field: "
        f"areas {100 * area:.2f} % (bound 1 %), counts {counts} (bound 0)"
    )
    return (["areas"] if area > 0.01 else []) + (["counts"] if counts else [])


def print_errors(scenario: str, errors: dict[str, float]) -> list[str]:
    """Print how often even the best threshold errs; return where the fields are too easy."""
    text = ", ".join(f"{name.split('_', 1)[1]} {100 * e:.1f} %" for name, e in errors.items())
    print(f"{scenario:<10} {text}")
    easy = scenario == EVERY and min(errors.values()) < LEAST_ERROR
    return ["fields that are too easy"] if easy else []


def print_other_ways(scenarios: Sequence[Judged]) -> None:
    """Print what a plain rim mean, a gate of each slide and a frame counted as margin give."""
    table = Table("other ways to judge the same pixels, without bounds")
    for judged in scenarios:
        fields, scenario = judged.fields, judged.fields[0].scenario
        for way, found in judged.ways.items():
            pairs = [
                (f.true, s) for f, s in zip(fields, found, strict=True) if s.touching is not None
            ]
            note = "" if len(pairs) == len(fields) else f", {len(pairs)} of {len(fields)} fields"
            if pairs:
                (true, _), (seen, _) = (headline(part) for part in zip(*pairs, strict=True))
                name = f"PD-L1- of touching, {way}{note}"
                table.line(scenario, name, true, seen, None, points=True)
            pairs = [(f.true, s) for f, s in zip(fields, found, strict=True) if s.cd8 is not None]
            if pairs and way.startswith("gate"):
                sides = (density(part, "tumour") for part in zip(*pairs, strict=True))
                table.line(scenario, f"CD8 per mm², tumour, {way}", *sides, None)
        pairs = [(f.true, s) for f, s in zip(fields, judged.framed, strict=True) if s is not None]
        for region in ("centre", "margin") if pairs else ():
            sides = [density(part, region) for part in zip(*pairs, strict=True)]
            if sides[0] > 0:
                table.line(scenario, f"CD8 per mm², {region}, frame as margin", *sides, None)


def main() -> int:
    """Print the tables; return 1 if a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="fields a scenario")
    parser.add_argument("--workers", type=int, default=1, help="processes")
    parser.add_argument("--model", default="compact", help="network or path of weights")
    parser.add_argument("--scenarios", nargs="+", default=list(SCENARIOS))
    parser.add_argument("--keep", type=Path, help="folder to keep fields and results in")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as passing:
        folder = str(options.keep or passing)
        tasks = [
            (scenario, number, options.model, folder)
            for scenario in options.scenarios
            for number in range(options.seeds)
        ]
        fields = []
        with get_context("spawn").Pool(options.workers) as pool:
            for made in pool.imap(prepare, tasks):
                fields.append(made)
                print(f"{made.name}: {made.seconds:.0f} s", file=sys.stderr)
            groups = [[f for f in fields if f.scenario == s] for s in options.scenarios]
            judged = pool.map(judge, [(group, options.model) for group in groups], chunksize=1)
        broken = print_all(judged, options.model, options.seeds)
        broken += print_special(Path(folder), options.model)
    print("\nbroken: " + "; ".join(broken) if broken else "\nall bounds hold")
    return 1 if broken else 0


def print_all(scenarios: Sequence[Judged], model: str, seeds: int) -> list[str]:
    """Print the tables; return what broke its bound."""
    fields = [f for judged in scenarios for f in judged.fields]
    print(
        f"{seeds} fields of {fields[0].true.area_mm2['tissue']:.2f} mm² a scenario, model "
        f"{Path(model).name}, tumour annotation given; pooled.\nA field is off by more than the "
        "bound's share and by more than three cells."
    )
    print("\nwrong PD-L1 calls on true labels at the best of all thresholds")
    broken = []
    if len(scenarios) == len(SCENARIOS):
        broken = print_errors(EVERY, best_errors(pd.concat([j.cells for j in scenarios])))
    for judged in scenarios:
        print_errors(judged.fields[0].scenario, best_errors(judged.cells))
    print("\ngates from pixels")
    for judged in scenarios:
        found = zip(
            *(judged.gates[c] for c in ("marker", "parent", "threshold", "source")), strict=True
        )
        text = ", ".join(f"{m}@{p} {t:.4g} ({s})" for m, p, t, s in found)
        print(f"{judged.fields[0].scenario:<10} {text}")
    found = [s for judged in scenarios for s in judged.pixels]
    broken += print_pooled("from pixels, automatic gates", fields, found, PIXELS)
    found = [s for judged in scenarios for s in judged.labelled]
    broken += print_pooled("true labels, automatic gates", fields, found, LABELS)
    broken += print_given(fields)
    print_other_ways(scenarios)
    return broken


if __name__ == "__main__":
    sys.exit(main())
