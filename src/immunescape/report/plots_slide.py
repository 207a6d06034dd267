"""Figures of one slide beside its profile, densities and contacts: gates, other judgements."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.report.grid import percent, three_digits
from immunescape.report.plots_parts import SMALL_PT, put_beside, say_instead
from immunescape.report.plots_style import FONT_PT, Look
from immunescape.report.wording import neighbourhood_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from immunescape.cells import CellTable

__all__ = ["Way", "draw_gate", "draw_ways", "gate_values", "headline_ways"]

_BINS = 60
_KINDS = {
    "statistic": "membrane read by",
    "gate": "gate",
    "method": "gates found by",
    "growth": "",
    "phenotype": "tumour cells by",
    "quality": "",
    "bandwidth": "tumour region,",
    "edits": "",
}
_HEADLINE = "pdl1_negative_fraction_touching_cd8"

Way = tuple[str, float, float, float, str]
"""A way to judge: its name, the headline, both ends of its interval (NaN), what is told."""


def gate_values(cells: "CellTable", gate: Mapping[Any, Any]) -> npt.NDArray[np.float64]:
    """Return the values that a gate of the table ``gates`` parts; none where it was not measured.

    A cell that may or may not be a tumour cell belongs to no parent but ``all``.
    """
    statistic = str(gate["statistic"])
    if statistic not in cells:
        return np.zeros(0)
    phenotype = cells["phenotype"]
    member = {
        "tumour": phenotype == "tumour",
        "non_tumour": phenotype.isin(("cd8_t", "other")),
    }.get(str(gate["parent"]))
    values = cells[statistic] if member is None else cells[statistic][member.to_numpy(bool)]
    found = values.to_numpy(np.float64)
    return np.asarray(found[np.isfinite(found)])


def draw_gate(
    axes: "Axes", look: Look, values: npt.NDArray[np.float64], gate: Mapping[Any, Any]
) -> None:
    """Draw the cells of a gate by brightness, with its threshold and the range of that.

    Parameters
    ----------
    axes, look
        Where, and in which colours.
    values
        Of the cells that it parts.
    gate
        A row of the table ``gates``.
    """
    threshold = float(gate["threshold"]) if pd.notna(gate["threshold"]) else np.nan
    if not values.size:
        say_instead(axes, look, "no cell was measured for this gate")
        return
    low, high = np.percentile(values, (0.2, 99.8))
    if np.isfinite(threshold):
        low, high = min(low, threshold), max(high, threshold)
    logarithmic = low > 0 and high / max(low, 1e-12) > 3
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    place = np.log10 if logarithmic else np.asarray
    edges = np.linspace(place(low), place(high), _BINS + 1)
    counts, _ = np.histogram(np.clip(place(np.clip(values, low, high)), edges[0], edges[-1]), edges)
    axes.stairs(counts, edges, fill=True, color=look.plain, alpha=0.8)
    ends = [float(gate[end]) if pd.notna(gate[end]) else np.nan for end in _ENDS]
    if np.isfinite(ends).all() and (not logarithmic or min(ends) > 0):
        first, last = (float(place(end)) for end in ends)
        axes.axvspan(first, last, color=look.soft, alpha=0.35, lw=0)
    if np.isfinite(threshold):
        axes.axvline(float(place(threshold)), color=look.ink, lw=1.3)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, 1.08 * max(int(counts.max()), 1))
    ticks = _ticks(low, high) if logarithmic else None
    if ticks is not None:
        axes.set_xticks([float(place(t)) for t in ticks], [f"{t:g}" for t in ticks])
    axes.locator_params(axis="y", nbins=4)
    axes.set_xlabel(str(gate["statistic"]).replace("_", " "))
    axes.set_ylabel("cells")


_ENDS = ("gate_low", "gate_high")


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers between two, evenly on a logarithmic scale, at most five or so."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for digits in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 4, 7), (1, 2, 5), (1, 3), (1,)):
        found = [d * 10.0**p for p in powers for d in digits]
        found = [t for t in found if low <= t <= high]
        if 2 <= len(found) <= 5:
            return found
    return found[:: max(len(found) // 4, 1)] or [low, high]


def headline_ways(tables: Mapping[str, pd.DataFrame], region: str = "tissue") -> tuple[Way, ...]:
    """Return the headline as reported and under every other way to judge the slide.

    Parameters
    ----------
    tables
        ``summary`` and, where it is there, ``sensitivity``.
    region
        One of the seven.

    Returns
    -------
    tuple
        The main row first, then other neighbourhoods, then the rows of ``sensitivity``; a way that
        is not evaluable has NaN and says why.
    """
    mine = {"metric": _HEADLINE, "phenotype": "tumour", "region": region}
    ways: list[Way] = []
    for row in _rows(tables["summary"], mine):
        near = neighbourhood_text(str(row["neighbourhood"]))
        name = near.replace("centroids", "CD8") if near else "as reported"
        ways.append(_way(name, row))
    for row in _rows(tables.get("sensitivity"), mine):
        ways.append(_way(_variant(row), row))
    return tuple(ways)


def draw_ways(axes: "Axes", look: Look, ways: tuple[Way, ...]) -> tuple[Any, ...]:
    """Draw the headline under every way to judge, a row each; the first is the main one.

    Returns
    -------
    tuple
        A box in data coordinates and its text for each row.
    """
    if not ways:
        say_instead(axes, look, "the headline was not computed")
        return ()
    boxes = []
    _, main, low, high, _ = ways[0]
    if np.isfinite([low, high]).all():
        axes.axvspan(100 * low, 100 * high, color=look.soft, alpha=0.16, lw=0)
    if np.isfinite(main):
        axes.axvline(100 * main, color=look.soft, lw=1, ls=(0, (4, 2)))
    for y, (_, value, low, high, text) in enumerate(ways):
        if np.isfinite([low, high]).all():
            axes.hlines(y, 100 * low, 100 * high, color=look.ink, lw=1.2)
        if np.isfinite(value):
            size = 6.5 if y == 0 else 4.5
            axes.plot([100 * value], [y], "o", color=look.ink if y == 0 else look.plain, ms=size)
            put_beside(axes, look, 101, y, percent(value))
        else:
            put_beside(axes, look, 0, y, "not evaluable")
        boxes.append(((-0.5, 101.0, y - 0.5, y + 0.5), text))
    axes.set_yticks(range(len(ways)), [name for name, *_ in ways], fontsize=SMALL_PT)
    axes.set_ylim(len(ways) - 0.4, -0.6)
    axes.set_xlim(-0.5, 114)
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("PD-L1-negative of the tumour cells touching CD8, %", fontsize=FONT_PT)
    return tuple(boxes)


def _rows(table: pd.DataFrame | None, wanted: Mapping[str, str]) -> list[dict[Any, Any]]:
    if table is None or table.empty:
        return []
    mask = np.ones(len(table), bool)
    for column, value in wanted.items():
        mask &= (table[column] == value).to_numpy(bool)
    return table[mask].to_dict("records")


def _way(name: str, row: Mapping[Any, Any]) -> Way:
    value, low, high = (
        float(row[c]) if c in row and pd.notna(row[c]) else np.nan
        for c in ("value", "ci_low", "ci_high")
    )
    if not np.isfinite(value):
        return name, np.nan, np.nan, np.nan, f"{name}: not evaluable: {row['reason']}"
    n = f"{three_digits(row['numerator'])} of {three_digits(row['denominator'])} cells"
    return name, value, low, high, f"{name}: {percent(value)}, {n}"


def _variant(row: Mapping[Any, Any]) -> str:
    kind, variant = str(row["kind"]), str(row["variant"])
    if kind == "growth":
        return f"nuclei grown by {variant.rpartition('=')[2].strip()} µm"
    words = (
        variant.removeprefix("membrane_")
        .replace("_", " ")
        .replace("pdl1", "PD-L1")
        .replace("cd8", "CD8")
    )
    words = words.replace("sox10", "SOX10")
    return f"{_KINDS.get(kind, kind)} {words}".strip()
