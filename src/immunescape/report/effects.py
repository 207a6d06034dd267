"""Changes in words: a factor for densities and ratios, points for fractions."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from immunescape.report.grid import three_digits

__all__ = ["effect_sorted", "effect_text", "effect_value", "factor_scales"]

factor_scales = ("log_density", "log_ratio")
"""Scales of natural logarithms: a change on them is a factor."""
_LARGE = 20.0


def effect_text(row: Mapping[Any, Any], which: str = "effect") -> str:
    """Return a change with its interval; empty where there is no change.

    Parameters
    ----------
    row
        Of ``patients.csv`` or ``comparisons.csv``.
    which
        ``effect``, or ``mixed_effect`` for that of the mixed model.

    Examples
    --------
    >>> row = {"metric": "cd8_density", "effect_scale": "log_density", "effect": 0.0}
    >>> effect_text(row | {"ci_low": -0.6931, "ci_high": 0.6931})
    '× 1.00 (0.500 to 2.00)'
    >>> row = {"metric": "touching_cd8_fraction", "effect_scale": "difference", "effect": 0.25}
    >>> effect_text(row | {"ci_low": 0.1, "ci_high": 0.4})
    '+25.0 points (+10.0 to +40.0)'
    """
    if pd.isna(row[which]):
        return ""
    names = ("ci_low", "ci_high") if which == "effect" else ("mixed_ci_low", "mixed_ci_high")
    text = effect_value(row, row[which])
    ends = [effect_value(row, row[name], unit=False) for name in names]
    return f"{text} ({' to '.join(ends)})" if all(ends) else text


def effect_value(row: Mapping[Any, Any], value: Any, *, unit: bool = True) -> str:
    """Return one number on the scale of a change; empty where it is missing."""
    if pd.isna(value):
        return ""
    number = float(value)
    if str(row["effect_scale"]) in factor_scales:
        times = "× " if unit else ""
        if number > _LARGE:
            return f"{times}{'more than 10^8' if math.isfinite(number) else 'infinite'}"
        return times + three_digits(math.exp(number))
    metric = str(row["metric"])
    if "fraction" in metric:
        return f"{100 * number:+.1f}" + (" points" if unit else "")
    if "score" in metric:
        return f"{number:+.1f}" + (" points" if unit else "")
    return f"{number:+.2f}"


def effect_sorted(row: Mapping[Any, Any]) -> float | None:
    """Return what changes are sorted by; None where there is none."""
    return None if pd.isna(row["effect"]) else float(row["effect"])
