"""Paired plots of a cohort: every patient a line from timepoint to timepoint."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from immunescape.report.headlines import Headline, rows_of_headline
from immunescape.report.plots_cohort_parts import DOTS, Groups, Scale, scale_for, spread, text_of
from immunescape.report.plots_parts import SMALL_PT, put_title, say_instead, shortened
from immunescape.report.plots_style import Look
from immunescape.report.wording import interval_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Line", "draw_paired", "paired_height_in"]

_LABEL_PT = 6.5
_GAP_PT = 7.6
_LEAST_IN = 3.1
_AROUND_IN = 1.15
_LABELS = 0.34
"""Room to the right of the last timepoint, in steps between timepoints."""


@dataclass(frozen=True)
class Line:
    """A line that was drawn.

    Parameters
    ----------
    gid
        Starts the ids of all its parts: the line, what catches the pointer, its label.
    patient, lesion
        Whose it is.
    text
        What it shows, in words.
    """

    gid: str
    patient: str
    lesion: str
    text: str


def paired_height_in(lines: int) -> float:
    """Return how high a figure must be for the labels of so many lines, in inches."""
    return max(_LEAST_IN, _AROUND_IN + lines * _GAP_PT / 72)


def draw_paired(
    axes: "Axes",
    look: Look,
    specimens: pd.DataFrame,
    headline: Headline,
    timepoints: Sequence[str],
    groups: Groups,
) -> tuple[Line, ...]:
    """Draw one number of every patient from timepoint to timepoint.

    Parameters
    ----------
    axes
        Where to draw.
    look
        Colours of what is not data.
    specimens
        Rows of ``specimens.csv`` under one kind of gates.
    headline
        The number.
    timepoints
        In the order of time.
    groups
        What patients are coloured by.

    Returns
    -------
    tuple of Line
        One a patient and lesion with at least one value, in the order of the table. A step over a
        timepoint without a value is dotted. Specimens of one lesion and timepoint each have a
        point, and the line goes through the first.
    """
    rows = rows_of_headline(specimens, headline)
    rows = rows[rows["timepoint"].isin(timepoints) & rows["value"].notna()]
    if rows.empty:
        say_instead(axes, look, f"{headline.title}: not evaluable in any specimen")
        return ()
    scale = scale_for(headline, list(rows["value"]))
    several = _with_lesions(rows)
    lines: list[Line] = []
    ends: list[tuple[float, float, str, str, str]] = []
    grouped = rows.groupby(["patient", "lesion"], sort=False, dropna=False)
    for n, ((patient, lesion), mine) in enumerate(grouped):
        whose = str(patient)
        where = text_of(lesion)
        name = f"{whose} {where}".strip() if whose in several else whose
        colour, x, y = _draw_line(axes, look, mine, scale, timepoints, groups, f"line{n}")
        text = _in_words(name, mine, timepoints, groups.told(whose))
        lines.append(Line(f"line{n}", whose, where, text))
        ends.append((x, y, name, colour, f"line{n}"))
    last = len(timepoints) - 1
    axes.set_xlim(-0.25, last + _LABELS + 0.12)
    scale.dress(axes)
    axes.set_xticks(range(len(timepoints)), _ticks(rows, timepoints))
    axes.grid(axis="y", color=look.soft, alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(axis="x", length=0)
    _put_labels(axes, look, ends, last)
    key = f"{headline.unit}; one line a patient, dotted over a timepoint without a value"
    put_title(axes, look, headline.title, key, above_pt=15.0 if groups.names else 4.0)
    _put_legend(axes, look, rows, groups)
    return tuple(lines)


def _draw_line(
    axes: "Axes",
    look: Look,
    mine: pd.DataFrame,
    scale: Scale,
    timepoints: Sequence[str],
    groups: Groups,
    gid: str,
) -> tuple[str, float, float]:
    """Draw one patient's line and points; return its colour and where it ends."""
    style = groups.style(str(mine.iloc[0]["patient"]), look)
    first = mine.drop_duplicates("timepoint")
    at = {str(row["timepoint"]): scale.at(row["value"]) for row in first.to_dict("records")}
    places = [(i, at[t]) for i, t in enumerate(timepoints) if t in at]
    steps = list(pairwise(places))
    for n, ((x0, y0), (x1, y1)) in enumerate(steps):
        axes.plot(
            (x0, x1), (y0, y1), color=style.colour, lw=1.3, ls="-" if x1 - x0 == 1 else DOTS,
            alpha=0.85, zorder=3, gid=f"{gid}:step{n}",
        )  # fmt: skip
    if steps:  # wider than the line, for the pointer
        axes.plot(*zip(*places, strict=True), color=style.colour, lw=7, alpha=0, gid=f"{gid}:near")
    points = [
        (timepoints.index(str(row["timepoint"])), scale.at(row["value"]))
        for row in mine.to_dict("records")
    ]
    axes.plot(
        *zip(*points, strict=True), ls="", marker=style.marker, ms=4.2, mfc=style.colour,
        mec=look.ground, mew=0.6, zorder=4, gid=f"{gid}:points",
    )  # fmt: skip
    return style.colour, float(places[-1][0]), places[-1][1]


def _put_labels(
    axes: "Axes", look: Look, ends: Sequence[tuple[float, float, str, str, str]], last: int
) -> None:
    """Name each line to the right of all, where it ends or as near as names have room."""
    height_in = max(axes.figure.bbox.height / axes.figure.dpi - _AROUND_IN, 1.0)
    low, high = axes.get_ylim()
    gap = (high - low) * _GAP_PT / 72 / height_in
    moved = spread([end[1] for end in ends], gap, low, high)
    for (x, y, name, colour, gid), to in zip(ends, moved, strict=True):
        axes.plot(
            (x + 0.03, last + _LABELS - 0.12, last + _LABELS - 0.03), (y, to, to), color=colour,
            lw=0.5, alpha=0.45, zorder=2, clip_on=False, gid=f"{gid}:leader",
        )  # fmt: skip
        axes.text(
            last + _LABELS, to, shortened(name, 18), fontsize=_LABEL_PT, color=look.ink,
            va="center", ha="left", clip_on=False, gid=f"{gid}:name",
        )  # fmt: skip


def _put_legend(axes: "Axes", look: Look, rows: pd.DataFrame, groups: Groups) -> None:
    if not groups.names:
        return
    from matplotlib.lines import Line2D

    shown = [groups.of.get(str(p), "") for p in rows["patient"].unique()]
    handles = [Line2D([], [], ls="", label=f"{shortened(groups.column, 16)}:")]
    for name in (*groups.names, ""):
        count = shown.count(name)
        if not count:
            continue
        patient = next(str(p) for p in rows["patient"] if groups.of.get(str(p), "") == name)
        style = groups.style(patient, look)
        handles.append(
            Line2D(
                [], [], color=style.colour, marker=style.marker, ms=4.2, lw=1.3, mec=look.ground,
                mew=0.6,
                label=f"{shortened(name or 'not told', 20)} ({count})",
            )
        )  # fmt: skip
    legend = axes.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(handles),
        borderaxespad=0.1, frameon=False, handlelength=1.8, columnspacing=1.2, fontsize=SMALL_PT,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_color(look.ink)


def _ticks(rows: pd.DataFrame, timepoints: Sequence[str]) -> list[str]:
    counts = {t: rows.loc[rows["timepoint"] == t, "patient"].nunique() for t in timepoints}
    return [f"{shortened(t, 16)}\nn = {counts[t]}" for t in timepoints]


def _with_lesions(rows: pd.DataFrame) -> frozenset[str]:
    """Return the patients with more than one lesion: their lines are named by it."""
    counts = rows.groupby("patient")["lesion"].nunique(dropna=False)
    return frozenset(str(patient) for patient in counts.index[counts > 1])


def _in_words(name: str, mine: pd.DataFrame, timepoints: Sequence[str], group: str) -> str:
    """Return what a line shows: the value and interval at each timepoint."""
    told = []
    for timepoint in timepoints:
        for row in mine[mine["timepoint"] == timepoint].to_dict("records"):
            ends = interval_text(row)
            value = value_text(row)
            if math.isinf(float(row["value"])):
                value = "infinite"
            told.append(f"{timepoint} {value}" + (f" ({ends})" if ends else ""))
    return f"{name}: {', '.join(told)}" + (f"; {group}" if group else "")
