"""Slides drawn by hand: a few counts and areas, as the summary of a slide would hold them."""

import math
from pathlib import Path

import numpy as np
import pandas as pd

from immunescape.results import REGION_NAMES, SUMMARY_COLUMNS
from immunescape.samples import Sample, SampleResult

NEGATIVE = "pdl1_negative_fraction_touching_cd8"
APART = "pdl1_negative_fraction_not_touching_cd8"
ODDS = "pdl1_induction_log_odds_ratio"
RATIO = "cd8_margin_to_centre_ratio"


def row(metric, phenotype, region, value, top, base, *, unit="1", ci=None, why="", **more):
    low, high, method = ci or (math.nan, math.nan, "")
    return {
        "metric": metric, "phenotype": phenotype, "region": region, "neighbourhood": "",
        "statistic": "", "value": math.nan if why else value, "unit": unit, "numerator": top,
        "denominator": base, "ci_low": low, "ci_high": high, "ci_method": method,
        "gate_low_value": math.nan, "gate_high_value": math.nan, "p_value": math.nan,
        "margin_width_um": 100.0, "tumour_source": "drawn", "reviewed_by": "",
        "evaluable": not why, "reason": why, **more,
    }  # fmt: skip


def cd8(count, area, region="tissue", **more):
    """A CD8 density and the area it is of."""
    return [
        row("cd8_density", "cd8_t", region, count / area, count, area, unit="per_mm2", **more),
        row("area", "any", region, area, area, math.nan, unit="mm2"),
    ]


def headline(negative, known, *, phenotype="tumour", metric=NEGATIVE, region="tissue", **more):
    value = negative / known if known else math.nan
    more = {"neighbourhood": "contact", **more}
    return [row(metric, phenotype, region, value, negative, known, **more)]


def slide(patient, timepoint, *rows, source="drawn", tables=None, gates="shared", **sample):
    """An analysed slide with these rows."""
    table = pd.DataFrame([one for group in rows for one in group], columns=list(SUMMARY_COLUMNS))
    lesion = sample.get("lesion", "")
    known = {
        "sample_id": f"{patient}_{lesion}_{timepoint}", "slide": Path("a.tif"),
        "specimen": f"{patient}_{lesion}_{timepoint}", **sample,
    }  # fmt: skip
    return SampleResult(
        sample=Sample(patient=patient, timepoint=timepoint, **known),
        folder=Path(known["sample_id"]),
        tables={"summary": table.assign(tumour_source=source), **(tables or {})},
        gates=gates,
    )


def cohort(changes, *, area=1.0, base=100, **sample):
    """Two timepoints of patients whose log density changes by about these, in whole cells."""
    found = []
    for i, change in enumerate(changes):
        later = round((base + 0.5) * math.exp(change) - 0.5)
        found += [
            slide(f"P{i:02}", "baseline", cd8(base, area), **sample),
            slide(f"P{i:02}", "relapse", cd8(later, area), **sample),
        ]
    return found


def of(table, **where):
    """The one row of a table where columns have these values."""
    rows = table
    for name, value in where.items():
        rows = rows[rows[name] == value]
    assert len(rows) == 1, f"{len(rows)} rows for {where}"
    return rows.iloc[0]


def block_table(counts, areas, region="centre", row0=0, **columns):
    """``blocks.csv`` of one row of blocks: CD8 T cells and area of each."""
    from immunescape.results import BLOCKS_COLUMNS

    n = len(counts)
    table = pd.DataFrame({name: np.zeros(n, np.int64) for name in BLOCKS_COLUMNS})
    assert region in REGION_NAMES[:4]
    return table.assign(
        row=row0, column=np.arange(n), region=region, area_mm2=areas, cd8_t=counts, **columns
    )
