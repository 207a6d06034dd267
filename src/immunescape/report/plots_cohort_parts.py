"""What the figures of a cohort have in common: axes of each kind of number, groups, labels."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from immunescape.report.headlines import Headline
    from immunescape.report.plots_style import Look

__all__ = [
    "GROUP_STYLES",
    "Groups",
    "Scale",
    "Style",
    "groups_of",
    "scale_for",
    "spread",
    "text_of",
]

NOT_TOLD = "not told"
DOTS = (0, (1, 2.2))
"""How a line is drawn over a timepoint without a value."""


@dataclass(frozen=True)
class Style:
    """How a group is drawn: told apart by colour, and by marker alone."""

    colour: str
    marker: str


GROUP_STYLES = (
    Style("#0072b2", "o"),
    Style("#d55e00", "s"),
    Style("#009e73", "^"),
    Style("#cc79a7", "D"),
    Style("#e69f00", "v"),
    Style("#56b4e9", "P"),
)
"""Okabe and Ito's colours, those that show on a light and on a dark ground first."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Groups:
    """Patients by what a column of the sample sheet tells of them.

    Parameters
    ----------
    column
        The column; empty where patients are not grouped.
    names
        The groups in their order.
    of
        The group of each patient.
    """

    column: str = ""
    names: tuple[str, ...] = ()
    of: Mapping[str, str] = field(default_factory=dict)

    def style(self, patient: str, look: "Look") -> Style:
        """Return how a patient is drawn."""
        name = self.of.get(patient, "")
        if name in self.names:
            return GROUP_STYLES[self.names.index(name)]
        return Style(look.plain if not self.column else look.soft, "o")

    def told(self, patient: str) -> str:
        """Return the group of a patient in words; empty where patients are not grouped."""
        return f"{self.column}: {self.of.get(patient) or NOT_TOLD}" if self.column else ""


def groups_of(told: Mapping[str, Sequence[str]], column: str) -> Groups | None:
    """Return the groups that a column makes.

    Parameters
    ----------
    told
        What the column tells of each patient, from all of its slides; empty text tells nothing.
    column
        Its name.

    Returns
    -------
    Groups or None
        Groups by name; a patient of whom different things are told is in none, as one of whom
        nothing is. None where fewer than two groups, or more than can be told apart, come out:
        a column of numbers makes too many.
    """
    of: dict[str, str] = {}
    for patient, values in told.items():
        known = {value.strip() for value in values if value.strip()}
        of[patient] = known.pop() if len(known) == 1 else ""
    names = tuple(sorted(set(of.values()) - {""}, key=str.casefold))
    if not 2 <= len(names) <= len(GROUP_STYLES):
        return None
    return Groups(column=column, names=names, of=of)


@dataclass(frozen=True, eq=False, kw_only=True)
class Scale:
    """Where values stand on an axis.

    Parameters
    ----------
    kind
        As in `Headline`.
    low, high
        Ends of the axis, in its own coordinates: percent, log10, or the value.
    zero, endless
        Where 0 and what is infinite stand on a logarithmic axis; NaN where neither is shown.
    """

    kind: str
    low: float
    high: float
    zero: float = math.nan
    endless: float = math.nan

    def at(self, value: Any) -> float:
        """Return where a value stands; NaN for a missing one."""
        if pd.isna(value):
            return math.nan
        number = float(value)
        if self.kind == "percent":
            return 100 * number
        if self.kind == "linear":
            return number
        if number <= 0:
            return self.zero
        return self.endless if math.isinf(number) else math.log10(number)

    def within(self, value: Any) -> float:
        """Return where the end of an interval stands, cut at the ends of the axis."""
        if pd.isna(value):
            return math.nan
        at = self.at(value)
        if math.isnan(at):  # 0, or infinite, on an axis that shows neither
            return self.low if float(value) <= 0 else self.high
        return min(max(at, self.low), self.high)

    def dress(self, axes: "Axes") -> None:
        """Give axes the limits and ticks of the scale."""
        axes.set_ylim(self.low, self.high)
        if self.kind != "log":
            return
        ticks = _log_ticks(self.low, self.high)
        places = [math.log10(t) for t in ticks]
        labels = [f"{t:,g}" if t >= 1 else f"{t:g}" for t in ticks]
        clear = 0.06 * (self.high - self.low)
        for place, label in ((self.zero, "0"), (self.endless, "infinite")):
            if not math.isnan(place):
                kept = [i for i, p in enumerate(places) if abs(p - place) > clear]
                places = [places[i] for i in kept] + [place]
                labels = [labels[i] for i in kept] + [label]
        axes.set_yticks(places, labels)


def scale_for(headline: "Headline", values: Sequence[Any], ends: Sequence[Any] = ()) -> Scale:
    """Return the scale on which all values can be seen.

    Parameters
    ----------
    headline
        The number.
    values
        Each of them, missing ones included.
    ends
        Ends of their intervals; they widen a logarithmic axis by three times a value at most.
    """
    if headline.scale == "percent":
        return Scale(kind="percent", low=-3.0, high=103.0)
    known = [float(v) for v in values if not pd.isna(v)]
    finite = [v for v in known if math.isfinite(v)]
    if headline.scale == "linear":
        every = [*finite, *(float(e) for e in ends if pd.notna(e) and math.isfinite(e)), 0.0, 1.0]
        rim = 0.05 * (max(every) - min(every))
        return Scale(kind="linear", low=min(every) - rim, high=max(every) + rim)
    above = [v for v in finite if v > 0]
    least, most = (min(above), max(above)) if above else (1.0, 10.0)
    shown = [float(e) for e in ends if pd.notna(e) and least / 3 <= float(e) <= most * 3]
    low = math.log10(min([least, *shown])) - 0.12
    high = math.log10(max([most, *shown])) + 0.12
    if high - low < 1:  # never make a small change look large
        low, high = (low + high) / 2 - 0.5, (low + high) / 2 + 0.5
    step = 0.09 * (high - low)
    zero = endless = math.nan
    if any(v <= 0 for v in finite):
        zero, low = low - step, low - 1.6 * step
    if any(math.isinf(v) for v in known):
        endless, high = high + step, high + 1.6 * step
    return Scale(kind="log", low=low, high=high, zero=zero, endless=endless)


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two powers of ten: 1, 10, ...; or 1, 2, 5, 10, ..."""
    between = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5)):
        ticks = [s * 10.0**d for d in between for s in steps]
        ticks = [t for t in ticks if low <= math.log10(t) <= high]
        if len(ticks) >= 4:
            return ticks
    return ticks


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move labels apart: the least squares way to keep their order and a gap between each two.

    Parameters
    ----------
    places
        Where the labels would stand.
    gap
        Least distance of two.
    low, high
        Where they may stand; where that is too narrow they are spread over it evenly.

    Returns
    -------
    list of float
        In the order of `places`.

    Examples
    --------
    >>> spread([5.0, 5.0, 9.0], 1.0, 0.0, 10.0)
    [4.5, 5.5, 9.0]
    >>> spread([9.9, 10.0], 1.0, 0.0, 10.0)
    [9.0, 10.0]
    """
    count = len(places)
    if count < 2:
        return [min(max(p, low), high) for p in places]
    gap = min(gap, (high - low) / (count - 1))
    order = sorted(range(count), key=lambda i: places[i])
    pools: list[tuple[float, int]] = []  # sum and number, of what stands closer than the gap
    for rank, i in enumerate(order):
        total, number = places[i] - rank * gap, 1
        while pools and pools[-1][0] / pools[-1][1] > total / number:
            before, many = pools.pop()
            total, number = total + before, number + many
        pools.append((total, number))
    level = [total / number for total, number in pools for _ in range(number)]
    moved = [0.0] * count
    for rank, i in enumerate(order):
        start = min(max(level[rank], low), high - (count - 1) * gap)
        moved[i] = start + rank * gap
    return moved


def text_of(value: Any) -> str:
    """Return text of a table; empty for a missing value."""
    return "" if pd.isna(value) else str(value)
