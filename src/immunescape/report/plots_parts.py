"""What the figures have in common: titles, intervals, words beside bars."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.grid import percents
from immunescape.report.plots_style import FONT_PT, Look
from immunescape.report.wording import PDL1_TITLES, PHENOTYPE_TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "SMALL_PT",
    "WHISKER",
    "draw_whiskers",
    "ends_text",
    "put_beside",
    "put_title",
    "rows_of",
    "say_instead",
    "shortened",
    "who_text",
    "why_none",
]

SMALL_PT = FONT_PT - 1.5
WHISKER = 1.1


def rows_of(table: pd.DataFrame, phenotype: str, pdl1: str) -> pd.DataFrame:
    """Return the rows of a table that concern a kind of cell."""
    return table[(table["phenotype"] == phenotype) & (table["pdl1"] == pdl1)]


def who_text(phenotype: str, pdl1: str) -> str:
    """Return a kind of cell in words."""
    return " ".join(filter(None, (PDL1_TITLES[pdl1], PHENOTYPE_TITLES[phenotype])))


def why_none(regions: pd.DataFrame, bands: pd.DataFrame, phenotype: str, pdl1: str) -> str:
    """Return why a profile has no bar, from the tables."""
    row = rows_of(regions, phenotype, pdl1)
    row = row[row["region"] == "tissue"]
    if len(row) and not bool(row.iloc[0]["evaluable"]):
        return f"not evaluable: {row.iloc[0]['reason']}"
    if bands.empty:
        return "not evaluable: the tumour has no interface on this slide"
    return "not evaluable: no band holds tissue that is nearer to the interface than to the frame"


def ends_text(row: Mapping[Any, Any], form: Any) -> str:
    """Return the interval of a row in brackets; in percent where there is no form."""
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return ""
    if form is None:
        return f" ({percents(row['ci_low'], row['ci_high'])})"
    return f" ({form(row['ci_low'])} to {form(row['ci_high'])})"


def draw_whiskers(
    axes: "Axes", look: Look, places: Any, low: Any, high: Any, *, across: bool = False
) -> None:
    """Draw intervals that are seen on a bar of any colour and beside it."""
    draw = axes.hlines if across else axes.vlines
    draw(places, low, high, color=look.ground, lw=WHISKER + 1.4, zorder=3)
    draw(places, low, high, color=look.ink, lw=WHISKER, zorder=4)


def put_title(axes: "Axes", look: Look, title: str, key: str, *, above_pt: float = 4.0) -> None:
    """Put what is shown above the axes, and below it, smaller, how to read it."""
    # the title alone makes the room; the key stands in it, from the left edge of the figure
    axes.set_title(" ", pad=above_pt + 11, fontsize=FONT_PT)
    for text, size, colour, up in (
        (title, FONT_PT, look.ink, above_pt + 11), (key, SMALL_PT, look.soft, above_pt),
    ):  # fmt: skip
        axes.annotate(
            text, (0.02, 1), xytext=(0, up), xycoords=("figure fraction", "axes fraction"),
            textcoords="offset points", fontsize=size, color=colour, ha="left", va="bottom",
            in_layout=False,
        )  # fmt: skip


def put_beside(axes: "Axes", look: Look, x: float, y: float, text: str) -> None:
    """Put words to the right of a place."""
    axes.annotate(
        text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", ha="left",
        fontsize=SMALL_PT, color=look.ink,
    )  # fmt: skip


def say_instead(axes: "Axes", look: Look, text: str) -> None:
    """Say why nothing is drawn, in the middle of empty axes."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, "\n".join(textwrap.wrap(text, 48)), transform=axes.transAxes, ha="center",
        va="center", fontsize=FONT_PT, color=look.ink,
    )  # fmt: skip


def shortened(text: str, most: int = 52) -> str:
    """Return the beginning of a text that is too long for a figure."""
    return text if len(text) <= most else text[: most - 1].rstrip(" ,;") + "…"
