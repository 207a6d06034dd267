"""Summary tables drawn by hand: a slide is its numbers, each a value and both ends."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from immunescape.patterns import pattern_table
from immunescape.results import GATES_COLUMNS, SENSITIVITY_COLUMNS, SUMMARY_COLUMNS, empty_table
from immunescape.samples import Sample, SampleResult

Ends = tuple[float, float, float]
"""Value, lower end, upper end; densities per mm², ratios, PD-L1-NEGATIVE shares, odds ratios."""

KEYS: dict[str, tuple[str, str, str]] = {
    "centre": ("cd8_density", "cd8_t", "centre"),
    "margin": ("cd8_density", "cd8_t", "margin"),
    "ratio": ("cd8_margin_to_centre_ratio", "cd8_t", "tissue"),
    "touching": ("pdl1_negative_fraction_touching_cd8", "tumour", "tissue"),
    "apart": ("pdl1_negative_fraction_not_touching_cd8", "tumour", "tissue"),
    "other": ("pdl1_negative_fraction_touching_cd8", "other", "tissue"),
    "odds": ("pdl1_induction_log_odds_ratio", "tumour", "tissue"),
    "other_odds": ("pdl1_induction_log_odds_ratio", "other", "tissue"),
}

EXCLUDED = {"centre": (40, 25, 60), "margin": (600, 450, 780), "ratio": (15, 9, 24)}
INFILTRATED = {"centre": (700, 600, 820), "margin": (750, 600, 920), "ratio": (1.1, 0.8, 1.4)}
DESERT = {"centre": (10, 4, 20), "margin": (30, 12, 60), "ratio": (3, 0.9, 9)}
BETWEEN = {"centre": (150, 110, 190), "margin": (160, 90, 260), "ratio": (1.1, 0.5, 2.1)}
REACTIVE = {
    "touching": (0.40, 0.30, 0.50), "apart": (0.90, 0.87, 0.93), "other": (0.50, 0.40, 0.60),
    "odds": (13.5, 8, 22), "other_odds": (5, 3, 8),
}  # fmt: skip
ABSENT = {
    "touching": (0.96, 0.90, 0.99), "apart": (0.98, 0.97, 0.99), "other": (0.45, 0.35, 0.55),
    "odds": (2, 0.6, 6), "other_odds": (6, 4, 9),
}  # fmt: skip
CONSTITUTIVE = {
    "touching": (0.15, 0.10, 0.22), "apart": (0.17, 0.14, 0.20), "other": (0.60, 0.50, 0.70),
    "odds": (1.2, 0.8, 1.8), "other_odds": (3, 2, 5),
}  # fmt: skip
NEITHER = {
    "touching": (0.70, 0.60, 0.78), "apart": (0.72, 0.69, 0.75), "other": (0.70, 0.60, 0.78),
    "odds": (1.1, 0.7, 1.7), "other_odds": (1.0, 0.6, 1.6),
}  # fmt: skip


def row(
    name: str,
    ends: Ends,
    *,
    p: float = 0.001,
    reason: str = "",
    stop: str = "",
    gates: tuple[float, float] = (math.nan, math.nan),
) -> dict[str, Any]:
    """Return one row of the summary; one with a ``stop`` is not evaluable and has no value."""
    metric, phenotype, region = KEYS[name]
    value, low, high = (math.log(x) for x in ends) if "odds" in name else ends
    below = 200.0
    return {
        "metric": metric, "phenotype": phenotype, "region": region,
        "neighbourhood": "contact" if metric.startswith("pdl1") else "",
        "statistic": "", "unit": "", "ci_method": "wilson", "margin_width_um": 100.0,
        "tumour_source": "drawn", "reviewed_by": "",
        "value": math.nan if stop else value,
        "ci_low": math.nan if stop else low,
        "ci_high": math.nan if stop else high,
        "numerator": round(below * ends[0]) if metric.endswith("cd8") else 40.0,
        "denominator": below,
        "gate_low_value": gates[0], "gate_high_value": gates[1],
        "p_value": p if "odds" in name and not stop else math.nan,
        "evaluable": not stop, "reason": stop or reason,
    }  # fmt: skip


def summary(numbers: Mapping[str, Ends], **changes: Mapping[str, Any]) -> pd.DataFrame:
    """Return a summary; ``changes`` are arguments of `row` by the name of the number."""
    rows = [row(name, ends, **changes.get(name, {})) for name, ends in numbers.items()]
    decoy = row("touching", (0.01, 0.005, 0.02)) | {"neighbourhood": "r30"}
    elsewhere = row("centre", (5000, 4000, 6000)) | {"region": "stroma"}
    return pd.DataFrame([*rows, decoy, elsewhere], columns=list(SUMMARY_COLUMNS))


def result(
    numbers: Mapping[str, Ends],
    timepoint: str = "baseline",
    *,
    patient: str = "P01",
    name: str = "",
    sample: Mapping[str, Any] | None = None,
    gates: list[dict[str, Any]] | None = None,
    sensitivity: list[dict[str, Any]] | None = None,
    own_gates: bool = False,
    **changes: Mapping[str, Any],
) -> SampleResult:
    """Return the result of one slide."""
    name = name or f"{patient}_{timepoint}"
    told = {"specimen": name, "lesion": "L1", "site": "skin", **(sample or {})}
    of = Sample(
        sample_id=name, slide=Path(f"{name}.tif"), patient=patient, timepoint=timepoint, **told
    )
    tables = {
        "summary": summary(numbers, **changes),
        "gates": pd.DataFrame(gates, columns=list(GATES_COLUMNS))
        if gates
        else empty_table(GATES_COLUMNS),
        "sensitivity": pd.DataFrame(sensitivity, columns=list(SENSITIVITY_COLUMNS))
        if sensitivity
        else empty_table(SENSITIVITY_COLUMNS),
    }
    return SampleResult(of, Path(name), tables, gates="slide" if own_gates else "shared")


def course(*steps: Mapping[str, Ends], patient: str = "P01") -> list[SampleResult]:
    """Return the results of one patient at baseline, response and relapse."""
    names = ("baseline", "response", "relapse")
    return [result(s, t, patient=patient) for s, t in zip(steps, names, strict=False)]


def shown(table: pd.DataFrame, *, level: str = "slide", timepoint: str = "baseline") -> set[str]:
    """Return the patterns that hold."""
    mine = table[(table["level"] == level) & (table["timepoint"] == timepoint)]
    return set(mine.loc[mine["holds"].fillna(False).astype(bool), "pattern"])


def courses(table: pd.DataFrame) -> set[str]:
    """Return the courses that hold, the row that tells the steps left out."""
    return shown(table, level="patient", timepoint="") - {"course_steps"}


def line(
    table: pd.DataFrame, pattern: str, *, level: str = "slide", timepoint: str = "baseline"
) -> dict[str, Any]:
    """Return the one row of a pattern."""
    mine = table[
        (table["level"] == level)
        & (table["timepoint"] == timepoint)
        & (table["pattern"] == pattern)
    ]
    (found,) = mine.to_dict("records")
    return {str(k): v for k, v in found.items()}


def read(numbers: Mapping[str, Ends], **changes: Mapping[str, Any]) -> set[str]:
    """Return what holds on one slide."""
    return shown(pattern_table([result(numbers, **changes)]))
