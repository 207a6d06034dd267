"""Paired plots of a cohort's page, coloured by one column of the sample sheet or another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immunescape.report.figures import Sketch
from immunescape.report.headlines import HEADLINES, SHOWN, Headline, rows_of_headline
from immunescape.report.html.drawn import SCREEN, Drawn, Mark, drawing, inline_svg
from immunescape.report.html.patient_tables import numbers_table
from immunescape.report.plots_cohort import Line, draw_paired, paired_height_in
from immunescape.report.plots_cohort_parts import Groups, groups_of
from immunescape.report.plots_style import dress_axes, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from immunescape.report.plots_style import Look
    from immunescape.samples import Sample

__all__ = ["MANY", "Paired", "groupings", "paired_charts", "paired_sketches"]

MANY = 16
"""With more lines than this a plot has the width of the page."""
_CHOICES = 3
_FIRST = (*(h.key for h in HEADLINES), "cd8_in_centre")
"""What is drawn in every colouring; the other numbers have the first alone."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Paired plots in one colouring.

    Parameters
    ----------
    column
        What patients are coloured by; empty for nothing.
    charts
        The plots.
    """

    column: str
    charts: tuple[Drawn, ...]


def groupings(samples: "Sequence[Sample]", first: str = "") -> tuple[Groups, ...]:
    """Return what patients can be coloured by: further columns of the sheet, then the site.

    Parameters
    ----------
    samples
        Rows of the sheet.
    first
        The column that comes first, where it makes groups.

    Returns
    -------
    tuple of Groups
        At most three; one without groups where no column makes any.
    """
    columns = list(dict.fromkeys(c for s in samples for c in s.carried))
    columns = [c for c in (first, *columns, "site", "batch") if c]
    found = []
    for column in dict.fromkeys(columns):
        told: dict[str, list[str]] = {}
        for sample in samples:
            value = sample.carried.get(column) or getattr(sample, column, "") or ""
            told.setdefault(sample.patient, []).append(str(value))
        groups = groups_of(told, column)
        if groups is not None:
            found.append(groups)
    return tuple(found[:_CHOICES]) or (Groups(),)


def paired_sketches(
    specimens: "pd.DataFrame", timepoints: Sequence[str], groups: Groups
) -> Iterator[tuple[Sketch, Headline, list[Line]]]:
    """Yield a figure for each number that some specimen has, with every patient as a line.

    Parameters
    ----------
    specimens
        Rows of ``specimens.csv`` under one kind of gates.
    timepoints
        In the order of time.
    groups
        What patients are coloured by.

    Yields
    ------
    Sketch, Headline, list of Line
        The figure, what it shows, and a list that drawing it fills with its lines.
    """
    count = len(specimens[["patient", "lesion"]].drop_duplicates()) if len(specimens) else 0
    width = 6.4 if count > MANY else 4.9
    by = f"-by-{_safe(groups.column)}" if groups.column else ""
    for headline in SHOWN:
        if not rows_of_headline(specimens, headline)["value"].notna().any():
            continue
        lines: list[Line] = []

        def draw(
            look: "Look", headline: Headline = headline, lines: list[Line] = lines
        ) -> tuple["Figure", Sequence[Mark]]:
            height = paired_height_in(count)
            figure, axes = new_figure(look, width_in=width, height_in=height)
            lines[:] = draw_paired(axes, look, specimens, headline, timepoints, groups)
            dress_axes(axes, look)
            return figure, ()

        name = f"paired-{headline.key.replace('_', '-')}{by}"
        yield Sketch(name=name, title=headline.title, caption="", draw=draw), headline, lines


def paired_charts(
    specimens: "pd.DataFrame", timepoints: Sequence[str], choices: Sequence[Groups]
) -> tuple[tuple[Paired, ...], tuple[Drawn, ...], tuple[str, ...]]:
    """Return the figures drawn for a page: the first numbers in each colouring, and the others.

    Last comes what no specimen has, in words.

    Parameters
    ----------
    specimens, timepoints
        See `paired_sketches`.
    choices
        What patients are coloured by, one after the other.
    """
    if specimens.empty:
        return (), (), ()
    undrawn = [
        headline.title
        for headline in SHOWN
        if not rows_of_headline(specimens, headline)["value"].notna().any()
    ]
    first: list[Paired] = []
    others: list[Drawn] = []
    with drawing():
        for place, groups in enumerate(choices):
            charts: list[Drawn] = []
            for sketch, headline, lines in paired_sketches(specimens, timepoints, groups):
                main = headline.key in _FIRST
                if not main and place:
                    continue
                figure, _ = sketch.draw(SCREEN)
                key = f"{sketch.name}-{place}"
                svg = inline_svg(
                    figure, key, title=sketch.title, lines={one.gid: one.text for one in lines}
                )
                table = numbers_table(f"{key}-table", headline, specimens)
                drawn = Drawn(svg=svg, title=sketch.title, table=table if not place else None)
                (charts if main else others).append(drawn)
            first.append(Paired(column=groups.column, charts=tuple(charts)))
    return tuple(first), tuple(others), tuple(undrawn)


def _safe(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in text)
