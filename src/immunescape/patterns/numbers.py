"""The numbers of a slide that patterns are read from, each with its interval, or why not."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from immunescape.samples import SampleResult

__all__ = ["Number", "Numbers", "numbers_of"]


@dataclass(frozen=True)
class _Source:
    """Which row of the summary a number is, and how people read it."""

    words: str
    metric: str
    phenotype: str
    region: str
    kind: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Metric, phenotype and region of its row."""
        return self.metric, self.phenotype, self.region


_TOUCHING, _APART = (
    f"pdl1_negative_fraction_{where}_cd8" for where in ("touching", "not_touching")
)
_ODDS = "pdl1_induction_log_odds_ratio"
_SOURCES = {
    "cd8_centre": _Source("CD8 in the centre", "cd8_density", "cd8_t", "centre", "density"),
    "cd8_margin": _Source("CD8 in the margin", "cd8_density", "cd8_t", "margin", "density"),
    "cd8_ratio": _Source(
        "CD8 margin / centre", "cd8_margin_to_centre_ratio", "cd8_t", "tissue", "ratio"
    ),
    "tumour_touching": _Source(
        "PD-L1-positive, tumour cells touching CD8", _TOUCHING, "tumour", "tissue", "share"
    ),
    "tumour_apart": _Source(
        "PD-L1-positive, tumour cells not touching CD8", _APART, "tumour", "tissue", "share"
    ),
    "other_touching": _Source(
        "PD-L1-positive, other cells touching CD8", _TOUCHING, "other", "tissue", "share"
    ),
    "tumour_odds": _Source(
        "odds ratio of PD-L1 by contact, tumour cells", _ODDS, "tumour", "tissue", "odds"
    ),
    "other_odds": _Source(
        "odds ratio of PD-L1 by contact, other cells", _ODDS, "other", "tissue", "odds"
    ),
}
_NEAR = ("", "contact")
_PLACES = 12
"""A number that is turned keeps so many places: 1 less 0.8 is 0.2, so that an end that just
touches a threshold does so."""
_LARGEST = 700.0
"""A larger log odds ratio has no odds ratio that a computer can hold."""


@dataclass(frozen=True)
class Number:
    """One number of a slide, in the unit that people read.

    Parameters
    ----------
    words
        What it is.
    kind
        ``density`` (per mm²), ``ratio``, ``share`` (PD-L1-positive, so one less the PD-L1-negative
        fraction of the summary) or ``odds`` (the odds ratio, not its logarithm).
    value, low, high
        Point and 95 % interval; NaN where there is none.
    p_value
        Of the odds ratio.
    n
        The counts behind it, in words.
    at_gates
        Point values at the low and the high end of the gate's range, those that are known.
    otherwise
        Point values by the other ways to judge the slide, ``kind variant``.
    reason
        Why it cannot be judged; empty where it can.
    note
        What the summary notes about it.
    """

    words: str
    kind: str
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    n: str = ""
    at_gates: Mapping[str, float] = field(default_factory=dict)
    otherwise: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    note: str = ""

    def form(self, value: float) -> str:
        """Return a value as it is printed."""
        if math.isnan(value):
            return "?"
        if math.isinf(value):
            return "infinite"
        if self.kind == "share":
            return f"{100 * value:.1f} %"
        if self.kind == "density":
            return f"{value:.0f} per mm²"
        return f"{value:.2g}" if value < 10 else f"{value:.0f}"

    def text(self) -> str:
        """Return the number with its interval and n."""
        if self.reason:
            return f"{self.words} not evaluable: {self.reason}"
        unit = {"density": " per mm²", "share": " %"}.get(self.kind, "")
        low = self.form(self.low).removesuffix(unit)
        return (
            f"{self.words} {self.form(self.value)} "
            f"(95 % interval {low} to {self.form(self.high)}; {self.n})"
        )


@dataclass(frozen=True)
class Numbers:
    """All that is looked at of one slide.

    Parameters
    ----------
    by_name
        The numbers under the names that the rules use.
    unconfirmed
        Automatic gates by marker that nobody confirmed, ``pdl1@tumour``.
    tumour_source
        ``drawn``, ``imported``, ``derived``; empty without a tumour region.
    margin_width_um
        Width of the margin; NaN where it is not told.
    site
        Where the lesion was, as the sample sheet says it.
    """

    by_name: Mapping[str, Number]
    unconfirmed: tuple[str, ...] = ()
    tumour_source: str = ""
    margin_width_um: float = math.nan
    site: str = ""

    def __getitem__(self, name: str) -> Number:
        return self.by_name[name]


def numbers_of(result: SampleResult) -> Numbers:
    """Return what the rules look at, from the tables of one result.

    A row that is missing is a number that cannot be judged, and so is one without an interval;
    neither is ever 0. The order of the rows plays no part.
    """
    summary = result.tables["summary"]
    main = summary[summary["neighbourhood"].fillna("").isin(_NEAR)]
    rows = _by_key(main)
    others: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in _records(result.tables.get("sensitivity")):
        if _text(row["kind"]) == "gate":  # both ends stand in the summary
            continue
        way = f"{row['kind']} {row['variant']}"
        others.setdefault(_key(row), {})[way] = _float(row["value"])
    gates = _records(result.tables.get("gates"))
    widths = [_float(w) for w in summary["margin_width_um"]]
    return Numbers(
        by_name={
            name: _number(source, rows.get(source.key), others.get(source.key, {}))
            for name, source in _SOURCES.items()
        },
        unconfirmed=tuple(sorted(map(_gate, filter(_open, gates)))),
        tumour_source=next((_text(s) for s in summary["tumour_source"] if _text(s)), ""),
        margin_width_um=next((w for w in widths if not math.isnan(w)), math.nan),
        site=result.sample.site,
    )


def _number(source: _Source, row: Mapping[str, Any] | None, others: Mapping[str, float]) -> Number:
    if row is None:
        reason = f"the summary has no row {source.metric} of {source.phenotype}"
        return Number(source.words, source.kind, reason=f"{reason} in {source.region}")
    stop = "" if _true(row["evaluable"]) else _text(row["reason"]) or "no reason given"
    value, low, high = (_float(row[c]) for c in ("value", "ci_low", "ci_high"))
    if not stop and any(map(math.isnan, (value, low, high))):
        stop = "it has no interval"
    turn = _turned(source.kind)
    ends = {end: _float(row[f"gate_{end}_value"]) for end in ("low", "high")}
    low, high = sorted((turn(low), turn(high)))
    return Number(
        source.words,
        source.kind,
        value=math.nan if stop else turn(value),
        low=math.nan if stop else low,
        high=math.nan if stop else high,
        p_value=math.nan if stop else _float(row["p_value"]),
        n=_counts(source.kind, _float(row["numerator"]), _float(row["denominator"])),
        at_gates={end: turn(v) for end, v in ends.items() if not math.isnan(v)},
        otherwise={way: turn(v) for way, v in sorted(others.items()) if not math.isnan(v)},
        reason=stop,
        note="" if stop else _text(row["reason"]),
    )


def _turned(kind: str) -> Callable[[float], float]:
    """Return how a value of the summary is read: a positive share, an odds ratio, or as it is."""
    if kind == "share":
        return lambda value: round(1 - value, _PLACES)
    if kind == "odds":
        return lambda value: math.inf if value > _LARGEST else round(math.exp(value), _PLACES)
    return lambda value: value


def _counts(kind: str, above: float, below: float) -> str:
    if kind == "share":
        return f"{_whole(below - above)} of {_whole(below)} cells"
    if kind == "density":
        area = "?" if math.isnan(below) else f"{below:.2g}"
        return f"{_whole(above)} cells in {area} mm²"
    if kind == "odds":
        return f"{_whole(above)} cells touching, {_whole(below)} not"
    return f"{_whole(above)} and {_whole(below)} cells"


def _whole(number: float) -> str:
    return "?" if math.isnan(number) else f"{number:.0f}"


def _by_key(table: pd.DataFrame) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    """Return the rows by metric, phenotype and region.

    Raises
    ------
    ValueError
        If a row that is looked at stands twice: neither of the two could be preferred.
    """
    wanted = {source.key for source in _SOURCES.values()}
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for row in _records(table):
        key = _key(row)
        if key in wanted and key in found:
            raise ValueError(f"the summary has the row {' '.join(key)} twice")
        found[key] = row
    return found


def _records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    if table is None:
        return []
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return _text(row["metric"]), _text(row["phenotype"]), _text(row["region"])


def _open(gate: Mapping[str, Any]) -> bool:
    """Whether a gate was found automatically and nobody confirmed it."""
    return not _true(gate["confirmed"]) and not math.isnan(_float(gate["threshold"]))


def _gate(gate: Mapping[str, Any]) -> str:
    parent = _text(gate["parent"])
    return _text(gate["marker"]) + (f"@{parent}" if parent not in ("", "all") else "")


def _float(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _true(value: Any) -> bool:
    """Read a truth value of a table, also one that came back from CSV as text."""
    return not pd.isna(value) and str(value).casefold() in ("true", "1", "1.0")
