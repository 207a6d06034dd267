"""The figures of one slide, drawn from its tables in axes that someone gives."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunescape.report.grid import percent, three_digits
from immunescape.report.picks import Pick, pick_text
from immunescape.report.plots_parts import (
    SMALL_PT,
    WHISKER,
    draw_whiskers,
    ends_text,
    put_beside,
    put_title,
    rows_of,
    say_instead,
    shortened,
    who_text,
    why_none,
)
from immunescape.report.plots_style import Look
from immunescape.report.wording import region_title
from immunescape.results import REGION_NAMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Bar", "bar_at", "draw_contacts", "draw_densities", "draw_profile"]

_HEADROOM = 1.6
_MOST_UPRIGHT = 12
_ROOM = 15.0
_THICK = 0.78
_GROUPS = (
    ("tumour", True, "tumour,\ntouching CD8"),
    ("tumour", False, "tumour,\nnot touching"),
    ("other", True, "other,\ntouching CD8"),
    ("other", False, "other,\nnot touching"),
)
_FRACTIONS = {
    True: "pdl1_negative_fraction_touching_cd8",
    False: "pdl1_negative_fraction_not_touching_cd8",
}


@dataclass(frozen=True)
class Bar:
    """A bar that was drawn, and the cells that it counts.

    Parameters
    ----------
    pick
        The cells.
    box
        Where a click means this bar, in data coordinates: left, right, bottom, top.
    value, low, high
        What it shows and its interval, in the unit of the axis; NaN where there is none.
    count
        Number of cells.
    text
        All of it in words.
    """

    pick: Pick
    box: tuple[float, float, float, float]
    value: float
    low: float
    high: float
    count: int
    text: str


def bar_at(bars: Iterable[Bar], x: float | None, y: float | None) -> Bar | None:
    """Return the bar at a place in data coordinates; None where there is none."""
    if x is None or y is None:
        return None
    for bar in bars:
        left, right, bottom, top = bar.box
        if left <= x < right and bottom <= y <= top:
            return bar
    return None


def draw_profile(
    axes: "Axes",
    look: Look,
    tables: Mapping[str, pd.DataFrame],
    *,
    phenotype: str = "cd8_t",
    pdl1: str = "any",
    width_um: float = 100.0,
    colour: str = "#f0e442",
) -> tuple[Bar, ...]:
    """Draw the density of a kind of cell by its distance to the margin.

    Parameters
    ----------
    axes
        Where to draw.
    look
        Colours of what is not data.
    tables
        ``bands`` of a result, and ``regions`` for the reason where nothing can be drawn.
    phenotype, pdl1
        Which cells.
    width_um
        Width of the margin on each side, which is shaded.
    colour
        Of the bars.

    Returns
    -------
    tuple of Bar
        One for each band that holds tissue, from inside to outside; a click anywhere above a band
        means it. Intervals that leave the axis end there with an arrow.
    """
    bands = rows_of(tables["bands"], phenotype, pdl1)
    shown = bands[(bands["area_mm2"] > 0) & bands["density_per_mm2"].notna()]
    who = who_text(phenotype, pdl1)
    if shown.empty:
        say_instead(axes, look, why_none(tables["regions"], bands, phenotype, pdl1))
        return ()
    left, right = shown["from_um"].to_numpy(float), shown["to_um"].to_numpy(float)
    value = shown["density_per_mm2"].to_numpy(float)
    low, high = (shown[c].to_numpy(float) for c in ("ci_low", "ci_high"))
    counts, areas = shown["count"].to_numpy(float), shown["area_mm2"].to_numpy(float)
    top = _HEADROOM * float(np.max(value, initial=0.0)) or float(np.nanmax(high, initial=1.0))
    axes.axvspan(-width_um, width_um, color=look.soft, alpha=0.16, lw=0, zorder=0)
    axes.axvline(0, color=look.soft, lw=1.2, ls=(0, (4, 2)), zorder=1)
    axes.bar(
        left, value, right - left, align="edge", color=colour, edgecolor=look.ink, linewidth=0.6,
        zorder=2,
    )  # fmt: skip
    middle = (left + right) / 2
    cut = high > top
    draw_whiskers(axes, look, middle, low, np.minimum(high, top))
    axes.plot(
        middle[cut], np.full(int(cut.sum()), 0.985 * top), "^", color=look.ink, ms=3.5, zorder=4
    )
    axes.set_ylim(0, top)
    axes.set_xlim(min(left.min(), -width_um), max(right.max(), width_um))
    for x, n in zip(middle, counts, strict=True):
        axes.annotate(
            f"{n:.0f}", (x, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", ha="center", va="bottom", fontsize=SMALL_PT,
            color=look.ink, rotation=0 if len(shown) <= _MOST_UPRIGHT else 90, in_layout=False,
        )  # fmt: skip
    axes.set_xlabel("µm from the margin (negative: inside)")
    axes.set_ylabel(f"{who} per mm²")
    whole = f"{counts.sum():.0f} cells in {three_digits(areas.sum())} mm²"
    digits = len(f"{counts.max():.0f}") if len(shown) > _MOST_UPRIGHT else 2
    put_title(
        axes, look, f"{who} by distance: {whole}",
        f"on top: n; lines: 95 % interval; grey: margin, ±{width_um:g} µm",
        above_pt=2.0 + 5.0 * digits,
    )  # fmt: skip
    bars = []
    for i, row in enumerate(shown.to_dict("records")):
        pick = Pick(phenotype=phenotype, pdl1=pdl1, band_um=(left[i], right[i]))
        text = (
            f"{pick_text(pick)}: {three_digits(value[i])} per mm²"
            f"{ends_text(row, three_digits)}, n = {counts[i]:.0f} in {three_digits(areas[i])} mm²"
        )
        box = (left[i], right[i], 0.0, top)
        bars.append(Bar(pick, box, value[i], low[i], high[i], int(counts[i]), text))
    return tuple(bars)


def draw_densities(
    axes: "Axes",
    look: Look,
    tables: Mapping[str, pd.DataFrame],
    *,
    phenotype: str = "cd8_t",
    pdl1: str = "any",
    width_um: float = 100.0,
    colours: Mapping[str, str] | None = None,
) -> tuple[Bar, ...]:
    """Draw the density of a kind of cell in each of the seven regions, with intervals and n.

    Parameters
    ----------
    axes, look, tables, phenotype, pdl1, width_um
        As for `draw_profile`; ``regions`` is read.
    colours
        Colour by region; the sums are plain.

    Returns
    -------
    tuple of Bar
        One a region, from top to bottom; a click anywhere in its row means it.
    """
    table = rows_of(tables["regions"], phenotype, pdl1)
    by_name = {str(row["region"]): row for row in table.to_dict("records")}
    rows = [by_name[name] for name in REGION_NAMES]
    ends = [float(row[c]) for row in rows for c in ("density_per_mm2", "ci_high")]
    most = max((end for end in ends if np.isfinite(end)), default=1.0) or 1.0
    who = who_text(phenotype, pdl1)
    places = [float(k + (0.5 if k >= 4 else 0.0)) for k in range(len(rows))]
    bars = []
    for y, name, row in zip(places, REGION_NAMES, rows, strict=True):
        pick = Pick(phenotype=phenotype, pdl1=pdl1, region=name)
        value, low, high = (float(row[c]) for c in ("density_per_mm2", "ci_low", "ci_high"))
        n = 0 if pd.isna(row["count"]) else int(row["count"])
        if np.isfinite(value):
            colour = (colours or {}).get(name, look.plain)
            axes.barh(y, value, 0.72, color=colour, edgecolor=look.ink, linewidth=0.6, zorder=2)
            draw_whiskers(axes, look, [y], [low], [high], across=True)
            said = f"{three_digits(value)}  (n = {n})"
            after = f"{three_digits(value)} per mm²{ends_text(row, three_digits)}, n = {n}"
        else:
            said = shortened(f"not evaluable: {row['reason']}")
            after = f"not evaluable: {row['reason']}"
        x = high if np.isfinite(high) else (value if np.isfinite(value) else 0.0)
        put_beside(axes, look, x, y, said)
        area = f" in {three_digits(row['area_mm2'])} mm²" if pd.notna(row["area_mm2"]) else ""
        text = f"{pick_text(pick)}: {after}{area if np.isfinite(value) else ''}"
        bars.append(Bar(pick, (0.0, np.inf, y - 0.45, y + 0.45), value, low, high, n, text))
    axes.set_yticks(
        places, [region_title(n).replace("analysed ", "analysed\n") for n in REGION_NAMES]
    )
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_xlim(0, 1.5 * most)
    axes.axhline(3.75, color=look.soft, lw=0.6)
    axes.set_xlabel(f"{who} per mm²")
    put_title(
        axes, look, f"{who} by region", f"lines: 95 % interval; margin {width_um:g} µm each side"
    )
    return tuple(bars)


def draw_contacts(
    axes: "Axes",
    look: Look,
    tables: Mapping[str, pd.DataFrame],
    *,
    region: str = "tissue",
    negative: str = "#56b4e9",
    positive: str = "#d55e00",
) -> tuple[Bar, ...]:
    """Draw how many cells are PD-L1-negative, by phenotype and by contact with CD8 T cells.

    Parameters
    ----------
    axes, look, tables
        As for `draw_profile`; ``summary`` is read.
    region
        One of the seven regions.
    negative, positive
        Colours of the two parts of a bar.

    Returns
    -------
    tuple of Bar
        Two a group, the PD-L1-negative part and then the positive one, in percent; none for a
        group that is not evaluable.
    """
    summary = tables["summary"]
    bars: list[Bar] = []
    for y, (phenotype, touching, _) in enumerate(_GROUPS):
        found = summary[
            (summary["metric"] == _FRACTIONS[touching])
            & (summary["phenotype"] == phenotype)
            & (summary["region"] == region)
            & (summary["neighbourhood"] == "contact")
        ]
        row = found.to_dict("records")[0]
        if pd.isna(row["value"]):
            put_beside(axes, look, 0.0, y, shortened(f"not evaluable: {row['reason']}"))
            continue
        value, low, high = (100 * float(row[c]) for c in ("value", "ci_low", "ci_high"))
        n, known = int(row["numerator"]), int(row["denominator"])
        for start, width, colour, label in (
            (0.0, value, negative, "PD-L1−"), (value, 100 - value, positive, "PD-L1+"),
        ):  # fmt: skip
            axes.barh(
                y, width, _THICK, left=start, color=colour, edgecolor="#000000", linewidth=0.6,
                zorder=2,
            )  # fmt: skip
            if width > _ROOM:
                axes.text(
                    start + 2 if start == 0 else 98, y - 0.2, label, fontsize=SMALL_PT, zorder=4,
                    color="#000000", ha="left" if start == 0 else "right", va="center",
                )  # fmt: skip
            part = "negative" if start == 0 else "positive"
            pick = Pick(phenotype=phenotype, pdl1=part, region=region, touching=touching)
            cells = n if part == "negative" else known - n
            share = percent(row["value"] if part == "negative" else 1 - row["value"])
            text = f"{pick_text(pick)}: {cells} of {known} cells, {share}"
            if part == "negative":
                text += ends_text(row, None)
            ends = (low, high) if part == "negative" else (100 - high, 100 - low)
            box = (start, start + width, y - _THICK / 2, y + _THICK / 2)
            bars.append(Bar(pick, box, width, *ends, cells, text))
        axes.hlines(y + 0.08, low, high, color="#000000", lw=WHISKER + 0.5, zorder=3)
        gates = [100 * float(row[c]) for c in ("gate_low_value", "gate_high_value")]
        if np.isfinite(gates).all():
            axes.plot(gates, [y + 0.27] * 2, "|", color="#000000", ms=5, mew=1.2, zorder=3)
        put_beside(axes, look, 100.0, y, f"{percent(row['value'])}\n{n} of {known}")
    axes.set_yticks(range(len(_GROUPS)), [label for _, _, label in _GROUPS])
    axes.set_ylim(len(_GROUPS) - 0.5, -0.6)
    axes.set_xlim(0, 132)
    axes.set_xticks(range(0, 101, 25))
    axes.set_xlabel("share of the cells, %")
    put_title(
        axes, look, f"PD-L1 by contact, {region_title(region)}",
        "line: 95 % interval; ticks: at both ends of the PD-L1 gate",
    )  # fmt: skip
    return tuple(bars)
