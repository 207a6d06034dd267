"""Each metric as sums that slides of one specimen share, its interval, and its scale of change."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan
from typing import Any, Literal, NamedTuple

from immunescape.intervals import (
    log_odds_ratio,
    poisson_interval,
    rate_ratio_interval,
    wilson_interval,
)

__all__ = ["EFFECT_SCALES", "Bounds", "Key", "Kind", "Metric", "metric_of"]

Kind = Literal["density", "count", "fraction", "score", "odds", "ratio", "area", "median"]
Parts = tuple[float, ...]

EFFECT_SCALES: Mapping[Kind, str] = {
    "density": "log_density",
    "count": "log_density",
    "fraction": "difference",
    "score": "difference",
    "odds": "difference",
    "ratio": "log_ratio",
    "area": "log_ratio",
    "median": "log_ratio",
}
"""On which scale a change is told; logarithms are natural."""

_HALF = 0.5
_HIGHEST_SCORE = 100.0


class Key(NamedTuple):
    """Which number: ``statistic`` names the marker of a ratio of membrane to cytoplasm."""

    metric: str
    phenotype: str
    region: str
    statistic: str = ""


class Bounds(NamedTuple):
    """Both ends of an interval and how it was found; NaN and empty without one."""

    low: float = nan
    high: float = nan
    method: str = ""


@dataclass(frozen=True)
class Metric:
    """What kind of number a metric is, and by what its unit multiplies it.

    The parts of a number are what may be summed over slides: count and area in mm² of a density
    or a count; cells above and below the line of a fraction or score; the four cells of an odds
    ratio (positive and negative near CD8, then apart); count and area of the margin, then of the
    centre, of their ratio; the area. A median has none.
    """

    kind: Kind
    scale: float = 1.0

    def parts(self, key: Key, rows: Mapping[Key, Any]) -> Parts:
        """Return the parts of one slide's number; NaN where the slide does not give them.

        Parameters
        ----------
        key
            The number.
        rows
            Rows of the slide's summary by key.
        """
        top, base = (_number(rows, key, name) for name in ("numerator", "denominator"))
        match self.kind:
            case "density" | "fraction" | "score":
                return top, base
            case "count":
                return top, _area(rows, key.region)
            case "area":
                return (top,)
            case "ratio":
                return top, _area(rows, "margin"), base, _area(rows, "centre")
            case "odds":
                four: list[float] = []
                for where in ("touching", "not_touching"):
                    mine = key._replace(metric=f"pdl1_negative_fraction_{where}_cd8")
                    negative = _number(rows, mine, "numerator")
                    four += [_number(rows, mine, "denominator") - negative, negative]
                return tuple(four)
            case "median":
                return ()

    def value(self, parts: Parts) -> float:
        """Return the number that summed parts give; NaN where there is nothing to divide by."""
        if not parts or any(math.isnan(part) for part in parts):
            return nan
        match self.kind:
            case "density" | "fraction":
                return self.scale * parts[0] / parts[1] if parts[1] > 0 else nan
            case "score":
                whole = self.scale * parts[0] / parts[1] if parts[1] > 0 else nan
                return min(whole, _HIGHEST_SCORE)
            case "ratio":
                return _ratio(parts)
            case "odds":
                return log_odds_ratio(*(int(part) for part in parts)).value
            case _:
                return parts[0]

    def plain_bounds(self, parts: Parts) -> Bounds:
        """Return the interval that counts cells as independent; none of counts, scores, areas."""
        if not parts or any(math.isnan(part) for part in parts):
            return Bounds()
        match self.kind:
            case "density" if parts[1] > 0:
                low, high = poisson_interval(parts[0])
                return Bounds(float(low) / parts[1], float(high) / parts[1], "garwood")
            case "fraction" if parts[1] > 0:
                low, high = wilson_interval(*parts)
                return Bounds(self.scale * float(low), self.scale * float(high), "wilson")
            case "odds":
                _, low, high = log_odds_ratio(*(int(part) for part in parts))
                return Bounds(low, high, "woolf")
            case "ratio":
                above, area, below, base = parts
                low, high = rate_ratio_interval(int(above), area, int(below), base)
                return Bounds() if math.isnan(low) else Bounds(low, high, "exact_conditional")
            case _:
                return Bounds()

    def on_scale(self, value: float, parts: Parts) -> float:
        """Return a number on the scale of its change, half a cell added to counts; may be NaN."""
        match self.kind:
            case "density" | "count":
                return _log((parts[0] + _HALF) / parts[1]) if parts[1] > 0 else nan
            case "ratio":
                if not (parts[1] > 0 and parts[3] > 0):
                    return nan
                return _log((parts[0] + _HALF) / parts[1] / ((parts[2] + _HALF) / parts[3]))
            case "area" | "median":
                return _log(value)
            case _:
                return value

    def bounds_on_scale(self, bounds: Bounds) -> Bounds:
        """Return an interval on the scale of change; an end is infinite where that is open."""
        if EFFECT_SCALES[self.kind] == "difference":
            return bounds
        low, high = (-inf if end <= 0 else _log(end) for end in bounds[:2])
        return Bounds(low, high, bounds.method)

    def cells(self, parts: Parts, denominator: float) -> float:
        """Return how many cells a number rests on; NaN where that is not told."""
        match self.kind:
            case "density" | "count":
                return parts[0]
            case "fraction" | "score":
                return parts[1]
            case "ratio":
                return parts[0] + parts[2]
            case "odds":
                return sum(parts)
            case "median":
                return denominator
            case _:
                return nan


def metric_of(name: str) -> Metric:
    """Return what kind of number a metric of the summary is."""
    return _METRICS[name]


_METRICS = {
    "pdl1_negative_fraction_touching_cd8": Metric("fraction"),
    "pdl1_negative_fraction_not_touching_cd8": Metric("fraction"),
    "touching_cd8_fraction": Metric("fraction"),
    "pdl1_induction_log_odds_ratio": Metric("odds"),
    "cd8_density": Metric("density"),
    "cd8_margin_to_centre_ratio": Metric("ratio"),
    "tumour_proportion_score": Metric("fraction", 100.0),
    "combined_positive_score": Metric("score", 100.0),
    "pdl1_all_cells_score": Metric("score", 100.0),
    "membrane_to_cytoplasm_ratio": Metric("median"),
    "sox10_cd8_conflict_count": Metric("count"),
    "s100_only_count": Metric("count"),
    "cell_count": Metric("count"),
    "area": Metric("area"),
}


def _ratio(parts: Parts) -> float:
    above, area, below, base = parts
    if not (area > 0 and base > 0) or above + below == 0:
        return nan
    return inf if below == 0 else (above / area) / (below / base)


def _number(rows: Mapping[Key, Any], key: Key, column: str) -> float:
    row = rows.get(key)
    return nan if row is None or row[column] is None else float(row[column])


def _area(rows: Mapping[Key, Any], region: str) -> float:
    return _number(rows, Key("area", "any", region), "numerator")


def _log(value: float) -> float:
    return math.log(value) if value > 0 and math.isfinite(value) else (inf if value > 0 else nan)
