"""How often cohorts in which nothing changed are found to have changed, and what intervals hold.

Each cohort is made as counts in blocks of 100 µm: patients differ, the specimens of one patient
differ, and cells stand in patches. Timepoints differ in nothing, or, to see that a change can be
found, by a planted factor. Three worlds: much alike; skewed, with patients of unequal spread and
relapses of six times the area; two lesions a patient and two small fields a specimen, swaps drawn
at random. The public
functions that `immunescape cohort` uses make the tables. Printed are the size of the test at 0.05
with its binomial interval, how often a cohort's interval holds the planted mean change, how often
the interval of one patient's change holds the difference of the two specimens, and the power.

    python benchmarks/null_cohorts.py --cohorts 1000 --workers 2
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import log
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from immunescape.compare import CompareParams, comparison_table, patient_table
from immunescape.intervals import (
    REGION_MEMBERS,
    Blocks,
    rate_ratio_interval_blocks,
    ratio_intervals,
    wilson_interval,
)
from immunescape.results import BLOCKS_COLUMNS, REGION_NAMES, SUMMARY_COLUMNS
from immunescape.samples import Sample, SampleResult

LEVEL, BOUND = 0.05, 0.065
COVERED = 0.90
"""Least share of within-slide intervals that hold the difference of the specimens."""
MIN_CELLS = 20
BLOCK_MM2 = 0.01
TIMES = ("baseline", "relapse")
NEGATIVE = "pdl1_negative_fraction_touching_cd8"
RATIO = "cd8_margin_to_centre_ratio"
NUMBERS = {
    "CD8 centre": ("cd8_density", "centre"),
    "CD8 margin": ("cd8_density", "margin"),
    "CD8 margin / centre": (RATIO, "tissue"),
    "headline": (NEGATIVE, "tissue"),
}


@dataclass(frozen=True)
class World:
    """What cohorts are made like.

    `change` is planted on the logarithm of CD8 density; with more than `exact` patients swaps are
    drawn at random.
    """

    name: str
    patients: int = 8
    lesions: int = 1
    fields: int = 1
    rows: tuple[int, int] = (12, 12)
    skewed: bool = False
    change: float = 0.0
    grouped: bool = False
    exact: int = 12


WORLDS = (
    World("alike, 8 patients"),
    World("skewed, unequal, 8 patients", rows=(5, 30), skewed=True),
    World(
        "2 lesions, 2 fields, 7 patients", 7, lesions=2, fields=2, rows=(5, 5), skewed=True, exact=6
    ),
)
GROUPED = World("two groups of 6", 12, grouped=True, skewed=True)


@dataclass(frozen=True)
class Specimen:
    """What one specimen truly is: CD8 per mm² in centre and margin, and the negative fraction."""

    centre: float
    margin: float
    negative: float

    def truth(self, number: str) -> float:
        """Return a number on the scale of its change."""
        return {
            "CD8 centre": log(self.centre),
            "CD8 margin": log(self.margin),
            "CD8 margin / centre": log(self.margin / self.centre),
            "headline": self.negative,
        }[number]


def specimens(world: World, rng: np.random.Generator) -> Iterator[tuple[int, int, int, Specimen]]:
    """Draw what each specimen is: patient, lesion, timepoint and the truth."""

    def chance(spread: float) -> float:
        return spread * float(rng.gamma(1.0) - 1 if world.skewed else rng.normal())

    for patient in range(world.patients):
        base = log(120) + 0.8 * rng.normal()
        ratio = 0.4 * rng.normal()
        negative = 0.3 + 0.8 * rng.normal()
        spread = 0.35 * np.exp(0.6 * rng.normal()) if world.skewed else 0.35
        for lesion in range(world.lesions):
            own = 0.3 * rng.normal()
            for later in (0, 1):
                centre = base + own + chance(spread) + world.change * later
                odds = negative + own + chance(2 * spread)
                margin = centre + ratio + chance(spread)
                share = 1 / (1 + np.exp(-odds))
                yield patient, lesion, later, Specimen(np.exp(centre), np.exp(margin), share)


def field_of(rows: int, true: Specimen, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Count the cells of one field, 10 blocks wide: centre, a margin of two columns, stroma.

    Patches of 2 x 2 blocks have a density of their own, and a fraction of their own.
    """
    row, column = (a.ravel() for a in np.mgrid[:rows, :10])
    code = np.array([0, 0, 0, 0, 0, 1, 2, 3, 3, 3])[column]
    shift = rng.integers(0, 2, 2)
    patch = (row + shift[0]) // 2 * 10 + (column + shift[1]) // 2
    many = int(patch.max()) + 1
    dense = rng.gamma(1.5, 1 / 1.5, many)[patch]
    wanted = true.negative
    negative = rng.beta(6 * wanted + 1e-9, 6 * (1 - wanted) + 1e-9, many)[patch]
    per_mm2 = np.where(code == 0, true.centre, np.where(code < 3, true.margin, true.margin / 2))
    cd8 = rng.poisson(per_mm2 * dense * BLOCK_MM2)
    touching = rng.poisson(np.where(code < 2, 0.6 * per_mm2 * dense * BLOCK_MM2, 0))
    seen = rng.binomial(touching, negative)
    return {
        "row": row, "column": column, "code": code, "cd8_t": cd8,
        "tumour_touching_negative": seen, "tumour_touching_positive": touching - seen,
    }  # fmt: skip


def block_table(field: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the counts of a field as ``blocks.csv`` has them."""
    held = {**field, "region": np.array(REGION_NAMES[:4], object)[field["code"]]}
    table = pd.DataFrame({name: held.get(name, 0) for name in BLOCKS_COLUMNS})
    return table.assign(area_mm2=BLOCK_MM2)


def result_of(sample: Sample, field: dict[str, np.ndarray], intervals: bool) -> SampleResult:
    """Return a field as an analysed slide, with the rows of its summary that are looked at."""
    code, cd8 = field["code"], field["cd8_t"]
    area = np.full(len(code), BLOCK_MM2)
    none = np.zeros(0, np.int64)
    laid = Blocks(field["row"], field["column"], code, area, none, none)
    negative = field["tumour_touching_negative"]
    known = negative + field["tumour_touching_positive"]
    rows, ends = [], {}
    member = {name: REGION_MEMBERS[i, code] for i, name in enumerate(REGION_NAMES)}
    if intervals:
        two = np.column_stack([member["centre"], member["margin"]])
        density = ratio_intervals(laid, cd8[:, None] * two, area[:, None] * two, kind="density")
        part = ratio_intervals(laid, negative[:, None], known[:, None], kind="fraction",
                               tissue=area[:, None])  # fmt: skip
        over, under = member["margin"], member["centre"]
        ratio = rate_ratio_interval_blocks(laid, cd8 * over, area * over, cd8 * under, area * under)
        for i, key in enumerate(("centre", "margin")):
            ends[key] = density.low[i], density.high[i], density.method[i]
        ends[NEGATIVE] = part.low[0], part.high[0], part.method[0]
        ends[RATIO] = ratio.low[0], ratio.high[0], ratio.method[0]
    counted = {}
    for name in ("centre", "margin"):
        counted[name] = count, mm2 = (
            int((cd8 * member[name]).sum()),
            float((area * member[name]).sum()),
        )
        key = {"metric": "cd8_density", "phenotype": "cd8_t", "region": name}
        rows.append({**key, "value": count / mm2, "numerator": count, "denominator": mm2,
                     "ends": ends.get(name)})  # fmt: skip
        rows.append({"metric": "area", "phenotype": "any", "region": name, "value": mm2,
                     "numerator": mm2})  # fmt: skip
    n, d = int(negative.sum()), int(known.sum())
    stop = f"{d} cells, {MIN_CELLS} needed" if d < MIN_CELLS else ""
    key = {"metric": NEGATIVE, "phenotype": "tumour", "region": "tissue"}
    rows.append({**key, "neighbourhood": "contact", "value": n / d if not stop else np.nan,
                 "numerator": n, "denominator": d, "ends": ends.get(NEGATIVE) if not stop else None,
                 "reason": stop})  # fmt: skip
    above, below = counted["margin"][0], counted["centre"][0]
    stop = "no CD8 T cell in margin or centre" if above + below == 0 else ""
    rows.append({"metric": RATIO, "phenotype": "cd8_t", "region": "tissue", "numerator": above,
                 "denominator": below, "ends": ends.get(RATIO), "reason": stop,
                 "value": above / below if below else np.inf})  # fmt: skip
    for row in rows:
        low, high, method = row.pop("ends", None) or (np.nan, np.nan, "")
        row.update(ci_low=low, ci_high=high, ci_method=method, unit="1", statistic="",
                   tumour_source="drawn", evaluable=not row.get("reason"))  # fmt: skip
        row.setdefault("reason", "")
        row.setdefault("neighbourhood", "")
    summary = pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))
    tables = {"blocks": block_table(field)} if intervals else {}
    return SampleResult(sample, Path("x"), {"summary": summary, **tables})


def cohort_of(
    world: World, seed: int, intervals: bool = False
) -> tuple[list[SampleResult], dict[tuple[str, str, int], Specimen]]:
    """Make one cohort, and what its specimens truly are by patient, lesion and timepoint."""
    rng = np.random.default_rng([seed, len(world.name), world.patients])
    results, truth = [], {}
    for patient, lesion, later, true in specimens(world, rng):
        name, place = f"P{patient:02}", f"L{lesion}"
        truth[name, place, later] = true
        for number in range(world.fields):
            group = ("mutated", "wild")[patient % 2] if world.grouped else ""
            sample = Sample(
                sample_id=f"{name}_{place}_{later}_{number}", slide=Path("x"), patient=name,
                timepoint=TIMES[later], specimen=f"{name}_{place}_{later}", lesion=place,
                carried={"jak1": group},
            )  # fmt: skip
            field = field_of(world.rows[later], true, rng)
            results.append(result_of(sample, field, intervals))
    return results, truth


def compared(task: tuple[World, int, bool]) -> list[dict[str, object]]:
    """Compare the timepoints of one cohort: a row a number."""
    world, seed, mixed = task
    results, _ = cohort_of(world, seed)
    params = CompareParams(exact_patients=world.exact, draws=999, mixed_model=mixed, seed=seed)
    table = comparison_table(results, params, "jak1" if world.grouped else "")
    rows = []
    for number, (metric, region) in NUMBERS.items():
        mine = table[(table["metric"] == metric) & (table["region"] == region)]
        mine = mine[(mine["group"] == ("wild vs mutated" if world.grouped else ""))]
        row = mine.iloc[0]
        planted = (
            0.0 if world.grouped or number in ("headline", "CD8 margin / centre") else world.change
        )
        rows.append(
            {
                "world": world.name, "number": number, "p": row["p_value"], "q": row["q_value"],
                "smallest": row["smallest_p_value"], "n": row["n_patients"],
                "held": row["ci_low"] <= planted <= row["ci_high"],
                "mixed": row["mixed_ci_low"] <= planted <= row["mixed_ci_high"] if mixed else None,
                "seed": seed,
            }
        )  # fmt: skip
    return rows


def within(task: tuple[World, int]) -> list[dict[str, object]]:
    """Tell whether the interval of each patient's change holds the difference of the specimens."""
    world, seed = task
    results, truth = cohort_of(world, seed, intervals=True)
    table = patient_table(results)
    rows = []
    for number, (metric, region) in NUMBERS.items():
        mine = table[(table["metric"] == metric) & (table["region"] == region)]
        for row in mine[mine["evaluable"]].to_dict("records"):
            before, after = (truth[row["patient"], row["lesion"], t].truth(number) for t in (0, 1))
            rows.append(
                {
                    "world": world.name, "number": number, "method": row["ci_method"],
                    "held": row["ci_low"] <= after - before <= row["ci_high"],
                }
            )  # fmt: skip
    return rows


def share(hits: pd.Series) -> str:
    """Return a share in percent with Wilson's interval."""
    low, high = wilson_interval(int(hits.sum()), len(hits))
    return f"{100 * hits.mean():5.1f} % ({100 * float(low):.1f} to {100 * float(high):.1f})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cohorts", type=int, default=1000)
    parser.add_argument("--within", type=int, default=24, help="cohorts for intervals of patients")
    parser.add_argument("--power", type=int, default=100, help="cohorts with a planted change")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    started = time.time()
    risen = [replace(w, name=f"{w.name}, doubled", change=log(2)) for w in WORLDS]
    tasks = [(w, seed, False) for w in (*WORLDS, GROUPED) for seed in range(asked.cohorts)]
    tasks += [(w, seed, False) for w in risen for seed in range(asked.power)]
    tasks += [(WORLDS[1], asked.cohorts + seed, True) for seed in range(asked.power // 2)]
    told = [(w, seed) for w in WORLDS for seed in range(asked.within)]
    with get_context("spawn").Pool(asked.workers) as pool:
        rows = [row for part in pool.imap(compared, tasks, 20) for row in part]
        patients = [row for part in pool.imap(within, told, 2) for row in part]
    found, slides = pd.DataFrame(rows), pd.DataFrame(patients)
    names = {w.name for w in (*WORLDS, GROUPED)}
    mixed = found[found["mixed"].notna()]
    found = found[found["mixed"].isna()]
    too_often = 0
    print(f"{'nothing changed':<36}{'number':<22}{'p <= 0.05':<24}{'interval holds 0':<26}least p")
    for (world, number), mine in found[found["world"].isin(names)].groupby(
        ["world", "number"], sort=False
    ):
        tested = mine[mine["p"].notna()]
        size = tested["p"] <= LEVEL
        over = float(size.mean()) > BOUND
        too_often += over
        least = tested["smallest"].median()
        print(f"{world:<36}{number:<22}{share(size):<24}{share(tested['held']):<26}{least:.2g}"
              f"{'  TOO OFTEN' if over else ''}")  # fmt: skip
    print("\nany of the four with q <= 0.05, in percent of null cohorts")
    for world, mine in found[found["world"].isin(names)].groupby("world", sort=False):
        print(f"{world:<36}{share(mine.groupby('seed')['q'].min() <= LEVEL)}")
    print("\nCD8 doubled: p <= 0.05, and the interval holds the planted change")
    for (world, number), mine in found[~found["world"].isin(names)].groupby(
        ["world", "number"], sort=False
    ):
        if number.startswith("CD8") and "/" not in number:
            print(f"{world:<44}{number:<22}{share(mine['p'] <= LEVEL):<24}{share(mine['held'])}")
    print(f"\nmixed model, {WORLDS[1].name}: its interval holds 0")
    for number, mine in mixed.groupby("number", sort=False):
        print(f"{number:<22}{share(mine['mixed'].astype(bool))}")
    print("\none patient's interval, within slide only, holds the difference of the specimens")
    low = 0
    slides["by"] = np.where(
        slides["method"].str.startswith("block_bootstrap, "), "blocks", "cells as independent"
    )
    for (world, number, by), mine in slides.groupby(["world", "number", "by"], sort=False):
        # With too few blocks cells count as independent: then no more is promised.
        short = by == "blocks" and float(mine["held"].mean()) < COVERED
        low += short
        mark = "  TOO SELDOM" if short else ""
        print(f"{world:<36}{number:<22}{share(mine['held']):<26}{by}{mark}")
    print(f"\n{time.time() - started:.0f} s; {too_often} numbers tested too often significant, "
          f"{low} intervals too narrow")  # fmt: skip
    return 1 if too_often or low else 0


if __name__ == "__main__":
    sys.exit(main())
