"""The course of one patient: numbers over timepoints, and lesions over days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.headlines import Headline, rows_of_headline
from immunescape.report.plots_cohort_parts import (
    DOTS,
    GROUP_STYLES,
    Scale,
    Style,
    scale_for,
    text_of,
)
from immunescape.report.plots_parts import SMALL_PT, put_title, say_instead, shortened
from immunescape.report.plots_style import FONT_PT, Look
from immunescape.report.wording import interval_text, n_text, value_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from immunescape.samples import Sample

__all__ = ["Place", "draw_lesions", "draw_trajectory"]

_BESIDE = 0.09
_NEAR = 0.22


@dataclass(frozen=True)
class Place:
    """Something drawn that tells its value.

    Parameters
    ----------
    box
        Left, right, bottom, top in data coordinates.
    text
        What it shows, in words.
    """

    box: tuple[float, float, float, float]
    text: str


def draw_trajectory(
    axes: "Axes",
    look: Look,
    specimens: pd.DataFrame,
    headline: Headline,
    timepoints: Sequence[str],
    *,
    colour: str = "",
) -> tuple[Place, ...]:
    """Draw one number of one patient over its timepoints, with intervals.

    Parameters
    ----------
    axes
        Where to draw.
    look
        Colours of what is not data.
    specimens
        The patient's rows of ``specimens.csv``; filled points are those under shared gates, and
        hollow ones beside them those under each slide's own.
    headline
        The number.
    timepoints
        In the order of time; all of them have a place, with a value or without.
    colour
        Of the line; empty takes that of what is no marker.

    Returns
    -------
    tuple of Place
        One a specimen.
    """
    rows = rows_of_headline(specimens, headline)
    rows = rows[rows["timepoint"].isin(timepoints)]
    if not rows["value"].notna().any():
        say_instead(axes, look, _why_none(headline, rows))
        return ()
    ends = [*rows["ci_low"], *rows["ci_high"]]
    scale = scale_for(headline, list(rows["value"]), ends)
    lesions = list(dict.fromkeys(text_of(v) for v in rows["lesion"]))
    places = []
    both = rows["gates"].nunique() > 1
    for lesion, style in zip(lesions, _styles(lesions, colour or look.plain), strict=True):
        its = rows[rows["lesion"].map(text_of) == lesion]
        for gates, moved in (("shared", -_BESIDE), ("slide", _BESIDE)):
            mine = its[(its["gates"] == gates) & its["value"].notna()]
            mine = mine.assign(_x=[timepoints.index(str(t)) for t in mine["timepoint"]])
            mine = mine.sort_values("_x", kind="stable")
            if mine.empty:
                continue
            main = gates == "shared" or not both
            x = [v + (moved if both else 0.0) for v in mine["_x"]]
            y = [scale.at(v) for v in mine["value"]]
            low = [scale.within(v) for v in mine["ci_low"]]
            high = [scale.within(v) for v in mine["ci_high"]]
            axes.vlines(x, low, high, color=look.ink, lw=1.1 if main else 0.7, zorder=2)
            _mark_cuts(axes, look, x, mine, scale)
            if main:
                steps = pairwise(zip(x, y, mine["_x"], strict=True))
                for (x0, y0, n0), (x1, y1, n1) in steps:
                    how = "-" if n1 - n0 <= 1 else DOTS
                    axes.plot((x0, x1), (y0, y1), color=style.colour, lw=1.6, ls=how, zorder=3)
            axes.plot(
                x, y, ls="", marker=style.marker, ms=6 if main else 4.5, zorder=4,
                mfc=style.colour if main else look.ground, mec=style.colour, mew=1.1,
            )  # fmt: skip
            if main and len(lesions) > 1:
                axes.annotate(
                    shortened(lesion or "no lesion named", 14), (x[-1], y[-1]), xytext=(7, 0),
                    textcoords="offset points", fontsize=SMALL_PT, color=look.ink, va="center",
                )  # fmt: skip
            places += [
                Place((v - _NEAR / 2, v + _NEAR / 2, scale.low, scale.high), _in_words(row))
                for v, row in zip(x, mine.to_dict("records"), strict=True)
            ]
    for i, timepoint in enumerate(timepoints):
        mine = rows[rows["timepoint"] == timepoint]
        if not mine["value"].notna().any():
            axes.text(
                i, (scale.low + scale.high) / 2, "not evaluable" if len(mine) else "no slide",
                rotation=90, ha="center", va="center", fontsize=SMALL_PT, color=look.soft,
                bbox={"facecolor": look.ground, "edgecolor": "none", "pad": 2.0},
            )  # fmt: skip
    axes.set_xlim(-0.45, len(timepoints) - 0.4)
    scale.dress(axes)
    axes.set_xticks(range(len(timepoints)), _ticks(rows, timepoints))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=look.soft, alpha=0.25, lw=0.6)
    axes.set_axisbelow(True)
    put_title(axes, look, headline.title, f"{headline.unit}; bars are 95 % intervals")
    return tuple(places)


def _mark_cuts(
    axes: "Axes", look: Look, x: Sequence[float], rows: pd.DataFrame, scale: Scale
) -> None:
    """Put an arrow where an interval goes on beyond the axis."""
    for column, marker, edge in (("ci_low", "v", scale.low), ("ci_high", "^", scale.high)):
        cut = [
            place
            for place, end in zip(x, rows[column], strict=True)
            if pd.notna(end) and scale.within(end) == edge
        ]
        axes.plot(
            cut, [edge] * len(cut), ls="", marker=marker, ms=3.5, color=look.ink, clip_on=False,
            zorder=2,
        )  # fmt: skip


def draw_lesions(
    axes: "Axes", look: Look, lesions: pd.DataFrame, samples: Sequence["Sample"]
) -> tuple[Place, ...]:
    """Draw the areas of a patient's lesions over days, with the biopsies.

    Parameters
    ----------
    axes
        Where to draw.
    look
        Colours of what is not data.
    lesions
        The patient's rows of ``lesions.csv``: ``lesion, day, area_mm2``. A row without a day or
        area is left out.
    samples
        The patient's slides; those with a day are marked.

    Returns
    -------
    tuple of Place
        One a measurement, then one a biopsy.
    """
    known = lesions[lesions["day"].notna() & lesions["area_mm2"].notna()]
    taken = {(s.timepoint, s.lesion, float(s.day)): None for s in samples if s.day is not None}
    if known.empty:
        say_instead(axes, look, "No area of a lesion is known with its day")
        return ()
    names = list(dict.fromkeys(text_of(v) for v in known["lesion"]))
    days = [*(float(d) for d in known["day"]), *(day for _, _, day in taken)]
    first, last = min(days), max(days)
    room = max(last - first, 1.0)
    top = 1.28 * max(float(known["area_mm2"].max()), 1e-9)
    places = []
    for name, style in zip(names, _styles(names, look.plain), strict=True):
        mine = known[known["lesion"].map(text_of) == name].sort_values("day", kind="stable")
        axes.plot(
            mine["day"], mine["area_mm2"], color=style.colour, marker=style.marker, ms=5, lw=1.6,
            mec=look.ground, mew=0.6, zorder=3,
        )  # fmt: skip
        if len(names) > 1:
            end = mine.iloc[-1]
            axes.annotate(
                shortened(name or "not named", 16), (end["day"], end["area_mm2"]), xytext=(7, 0),
                textcoords="offset points", fontsize=SMALL_PT, color=look.ink, va="center",
                bbox={"facecolor": look.ground, "edgecolor": "none", "pad": 0.6}, zorder=5,
            )  # fmt: skip
        places += [
            Place(
                (
                    float(d) - room / 60,
                    float(d) + room / 60,
                    float(a) - top / 40,
                    float(a) + top / 40,
                ),
                f"{name or 'lesion'}, day {float(d):g}: {float(a):g} mm²",
            )
            for d, a in zip(mine["day"], mine["area_mm2"], strict=True)
        ]
    heights = _staggered([day for _, _, day in taken], room)
    for (timepoint, lesion, day), level in zip(taken, heights, strict=True):
        axes.axvline(day, color=look.soft, lw=0.9, ls=(0, (4, 2)), zorder=1)
        where = f" {lesion}" if lesion and len(names) > 1 else ""
        left = day < first + 0.8 * room
        axes.annotate(
            f"biopsy: {shortened(timepoint + where, 24)}", (day, top * (1 - 0.075 * level)),
            xytext=(3 if left else -3, -2), textcoords="offset points", fontsize=SMALL_PT,
            color=look.ink, ha="left" if left else "right", va="top", zorder=5,
            bbox={"facecolor": look.ground, "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip
        places.append(
            Place(
                (day - room / 60, day + room / 60, 0, top),
                f"biopsy at {timepoint}{where}, day {day:g}",
            )
        )
    axes.set_xlim(first - 0.05 * room, last + 0.09 * room)
    axes.set_ylim(0, top)
    axes.set_xlabel("day", fontsize=FONT_PT, color=look.ink)
    axes.set_ylabel("area of the lesion, mm²", fontsize=FONT_PT, color=look.ink)
    put_title(axes, look, "Lesions over time", "dashed lines: biopsies that were analysed")
    return tuple(places)


def _staggered(days: Sequence[float], room: float) -> list[int]:
    """Return on which of several lines the name of each biopsy stands, so that none meet."""
    levels: list[int] = []
    for i, day in enumerate(days):
        taken = {levels[j] for j in range(i) if abs(days[j] - day) < 0.3 * room}
        levels.append(next(n for n in range(i + 1) if n not in taken))
    return levels


def _styles(names: Sequence[str], plain: str) -> list[Style]:
    """Return how each lesion is drawn; after the last style they come round again."""
    if len(names) == 1:
        return [Style(plain, "o")]
    return [GROUP_STYLES[i % len(GROUP_STYLES)] for i in range(len(names))]


def _ticks(rows: pd.DataFrame, timepoints: Sequence[str]) -> list[str]:
    labels = []
    for timepoint in timepoints:
        mine = rows[rows["timepoint"] == timepoint]
        days = sorted({float(d) for d in mine["day"].dropna()})
        when = f"\nday {days[0]:g}" if len(days) == 1 else ""
        if len(days) > 1:
            when = f"\ndays {days[0]:g} to {days[-1]:g}"
        labels.append(shortened(timepoint, 16) + when)
    return labels


def _in_words(row: Mapping[Any, Any]) -> str:
    gates = "shared gates" if row["gates"] == "shared" else "each slide's own gates"
    where = ", ".join(filter(None, (text_of(row["timepoint"]), text_of(row["lesion"]))))
    ends, n = interval_text(row), n_text(row)
    return (
        f"{where}: {value_text(row)}"
        + (f" ({ends})" if ends else "")
        + (f", {n}" if n else "")
        + f"; {gates}"
    )


def _why_none(headline: Headline, rows: pd.DataFrame) -> str:
    whys = dict.fromkeys(text_of(reason) for reason in rows["reason"])
    why = "; ".join(filter(None, whys))
    return f"{headline.title}: not evaluable" + (f" ({why})" if why else "")
