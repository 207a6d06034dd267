"""Rows of the summary in words: what is measured, of which cells, where, in which unit."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunescape.panel import TITLES
from immunescape.report.grid import count, interval, p_value, percent, percents, three_digits
from immunescape.results import PHENOTYPES

__all__ = [
    "METRIC_TITLES",
    "PDL1_TITLES",
    "PHENOTYPE_TITLES",
    "gates_text",
    "interval_text",
    "marker_title",
    "n_text",
    "neighbourhood_text",
    "p_text",
    "region_title",
    "row_title",
    "unbroken",
    "unconfirmed",
    "value_text",
]

METRIC_TITLES = {
    "pdl1_negative_fraction_touching_cd8": "PD-L1-negative, touching CD8",
    "pdl1_negative_fraction_not_touching_cd8": "PD-L1-negative, not touching CD8",
    "touching_cd8_fraction": "touching CD8",
    "pdl1_induction_log_odds_ratio": "PD-L1 induction (log odds ratio)",
    "cd8_density": "density",
    "cd8_margin_to_centre_ratio": "density, margin / centre",
    "tumour_proportion_score": "tumour proportion score",
    "combined_positive_score": "combined positive score",
    "pdl1_all_cells_score": "PD-L1 score (not CPS)",
    "membrane_to_cytoplasm_ratio": "membrane / cytoplasm",
    "sox10_cd8_conflict_count": "SOX10+ CD8+ (conflict)",
    "s100_only_count": "S100+ SOX10-",
    "cell_count": "count",
    "area": "tissue area",
}
"""What each metric of the summary is called where people read it."""

PHENOTYPE_TITLES = {
    "any": "all cells",
    "tumour": "tumour cells",
    "cd8_t": "CD8 T cells",
    "other": "other cells",
    "unknown": "unknown cells",
}
assert set(PHENOTYPE_TITLES) == {"any", *PHENOTYPES}

PDL1_TITLES = {"any": "", "positive": "PD-L1-positive", "negative": "PD-L1-negative"}

_UNITS = {
    "per_mm2": " per mm²", "mm2": " mm²", "cells": " cells", "percent": " %",
    "per_100_tumour_cells": " per 100 tumour cells",
}  # fmt: skip
_AS_PERCENT = ("fraction",)
_ANYWHERE = ("area",)
_UNCONFIRMED = "automatic gate not confirmed: "


def region_title(region: str) -> str:
    """Return the name of a region in words.

    Examples
    --------
    >>> region_title("inner_margin"), region_title("tissue")
    ('inner margin', 'all analysed tissue')
    """
    return "all analysed tissue" if region == "tissue" else region.replace("_", " ")


def marker_title(marker: str) -> str:
    """Return the name of a marker, or of a marker and its parent, as people write it.

    Examples
    --------
    >>> marker_title("cd8"), marker_title("pdl1@non_tumour")
    ('CD8', 'PD-L1 on non-tumour cells')
    """
    key, _, parent = marker.partition("@")
    title = TITLES.get(key, key.upper())
    return f"{title} on {parent.replace('_', '-')} cells" if parent else title


def neighbourhood_text(neighbourhood: str) -> str:
    """Return how near is near: empty for contact and where nearness plays no part.

    Examples
    --------
    >>> neighbourhood_text("r15")
    'centroids within 15 µm'
    """
    radius = neighbourhood.removeprefix("r")
    return f"centroids within {radius} µm" if radius.isdigit() else ""


def row_title(row: Mapping[Any, Any]) -> str:
    """Return what a row of the summary measures and of which cells; its region is left out."""
    metric = str(row["metric"])
    parts = [METRIC_TITLES.get(metric, metric.replace("_", " "))]
    if metric == "membrane_to_cytoplasm_ratio":
        parts.insert(0, marker_title(str(row["statistic"])))
    near = neighbourhood_text(_text(row["neighbourhood"]))
    whose = "" if metric in _ANYWHERE else f"{PHENOTYPE_TITLES[str(row['phenotype'])]}: "
    return f"{whose}{' '.join(parts)}" + (f" ({near})" if near else "")


def value_text(row: Mapping[Any, Any]) -> str:
    """Return the value of a row with its unit, or that it is not evaluable."""
    if pd.isna(row["value"]):
        return "not evaluable"
    if _fraction(row):
        return percent(row["value"])
    if str(row["unit"]) == "cells":
        return f"{count(row['value'])} cells"
    return three_digits(row["value"]) + _UNITS.get(str(row["unit"]), "")


def interval_text(row: Mapping[Any, Any]) -> str:
    """Return the 95 % interval of a row, in the unit of its value; empty where there is none."""
    if pd.isna(row["ci_low"]) and pd.isna(row["ci_high"]):
        return ""
    if _fraction(row):
        return percents(row["ci_low"], row["ci_high"])
    text = interval(row, three_digits)
    return "" if text == "-" else text + _UNITS.get(str(row["unit"]), "")


def n_text(row: Mapping[Any, Any]) -> str:
    """Return the counts behind a row: ``76 of 139 cells``, ``108 cells in 0.36 mm²``."""
    above, below = row["numerator"], row["denominator"]
    unit = str(row["unit"])
    if unit in ("cells", "mm2") or (pd.isna(above) and pd.isna(below)):
        return ""
    if unit == "per_mm2":
        area = "" if pd.isna(below) else f" in {three_digits(below)} mm²"
        return f"{count(above)} cells{area}"
    if pd.isna(above):
        return f"{count(below)} cells"
    metric = str(row["metric"])
    if metric == "pdl1_induction_log_odds_ratio":
        return f"{count(above)} touching, {count(below)} not"
    if metric == "cd8_margin_to_centre_ratio":
        return f"{count(above)} and {count(below)} cells"
    if unit == "per_100_tumour_cells":
        return f"{count(above)} for {count(below)} tumour cells"
    return f"{count(above)} of {count(below)} cells"


def gates_text(row: Mapping[Any, Any]) -> str:
    """Return the value at both ends of the PD-L1 gate's range; empty where it is not known."""
    ends = [float(row[e]) for e in ("gate_low_value", "gate_high_value") if not pd.isna(row[e])]
    if not ends:
        return ""
    if _fraction(row):
        return percents(min(ends), max(ends))
    return f"{three_digits(min(ends))} to {three_digits(max(ends))}" + _UNITS.get(
        str(row["unit"]), ""
    )


def p_text(row: Mapping[Any, Any]) -> str:
    """Return the p value of a row; empty where it has none."""
    return "" if pd.isna(row["p_value"]) else f"p = {p_value(row['p_value'])}"


def unconfirmed(row: Mapping[Any, Any]) -> tuple[tuple[str, ...], str]:
    """Part the reason of a row into the gates that nobody confirmed and the rest.

    Returns
    -------
    tuple of str
        Names of the gates, in words.
    str
        What else is said of the row.
    """
    gates: tuple[str, ...] = ()
    rest = []
    for part in filter(None, _text(row["reason"]).split("; ")):
        if part.startswith(_UNCONFIRMED):
            named = part.removeprefix(_UNCONFIRMED).split(", ")
            gates = tuple(marker_title(marker) for marker in named)
        else:
            rest.append(part)
    return gates, "; ".join(rest)


def unbroken(text: str) -> str:
    """Return text that breaks neither between a number and its unit nor within PD-L1."""
    for unit in ("µm", "%", "mm²"):
        text = text.replace(f" {unit}", f"\u00a0{unit}")
    return text.replace("PD-L1-", "PD\u2011L1\u2011").replace("PD-L1", "PD\u2011L1")


def _fraction(row: Mapping[Any, Any]) -> bool:
    return any(word in str(row["metric"]) for word in _AS_PERCENT)


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)
