"""Charts of a patient's page: numbers over timepoints, lesions over days."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from immunescape.report.figures import Sketch
from immunescape.report.headlines import SHOWN, Headline, rows_of_headline
from immunescape.report.html.drawn import SCREEN, Drawn, Mark, drawing, inline_svg
from immunescape.report.html.page import Cell, Column, Table
from immunescape.report.html.patient_tables import numbers_table
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.plots_cohort_patient import draw_lesions, draw_trajectory
from immunescape.report.plots_style import dress_axes, new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from immunescape.report.plots_style import Look
    from immunescape.samples import Sample

__all__ = ["course_charts", "course_sketches", "lesion_chart", "lesion_sketch"]

_PDL1, _CD8 = "#d55e00", "#0072b2"
_LEFT_OUT = ("cd8_in_tumour",)


def course_sketches(specimens: "pd.DataFrame", timepoints: Sequence[str]) -> Iterator[Sketch]:
    """Yield a figure for each number that can be judged: its course in one patient.

    Parameters
    ----------
    specimens
        The patient's rows of ``specimens.csv``, under one kind of gates or two.
    timepoints
        In the order of time.
    """
    for headline in _judged(specimens)[0]:

        def draw(look: "Look", headline: Headline = headline) -> tuple["Figure", Sequence[Mark]]:
            figure, axes = new_figure(look, width_in=3.7, height_in=2.9)
            colour = _PDL1 if headline.metric.startswith(("pdl1", "tumour_prop")) else _CD8
            places = draw_trajectory(axes, look, specimens, headline, timepoints, colour=colour)
            dress_axes(axes, look)
            # room measured once: every chart of a course has ticks and names of the same kind
            figure.set_layout_engine("none")
            axes.set_position((0.135, 0.16, 0.85, 0.67))
            return figure, [Mark(axes, place.box, place.text) for place in places]

        yield Sketch(
            name=f"course-{headline.key.replace('_', '-')}",
            title=headline.title,
            caption="",
            draw=draw,
        )


def course_charts(
    specimens: "pd.DataFrame", timepoints: Sequence[str]
) -> tuple[list[Drawn], list[str]]:
    """Return the same figures, drawn for a page, and what cannot be judged at any timepoint."""
    if specimens.empty:
        return [], []
    shown, undrawn = _judged(specimens)
    drawn = []
    with drawing():
        for headline, sketch in zip(shown, course_sketches(specimens, timepoints), strict=True):
            figure, marks = sketch.draw(SCREEN)
            svg = inline_svg(figure, sketch.name, title=sketch.title, marks=marks)
            table = numbers_table(f"{sketch.name}-table", headline, specimens)
            drawn.append(Drawn(svg=svg, title=sketch.title, table=table))
    return drawn, [headline.title for headline in undrawn]


def _judged(specimens: "pd.DataFrame") -> tuple[list[Headline], list[Headline]]:
    """Return the numbers that some specimen has, and those that none has."""
    every = [headline for headline in SHOWN if headline.key not in _LEFT_OUT]
    found = [h for h in every if rows_of_headline(specimens, h)["value"].notna().any()]
    return found, [h for h in every if h not in found]


def lesion_sketch(
    patient: str, lesions: "pd.DataFrame | None", samples: "Sequence[Sample]"
) -> Sketch | None:
    """Return the areas of a patient's lesions over days; None where none was measured."""
    if lesions is None:
        return None
    mine = lesions[lesions["patient"].astype(str) == patient]
    if mine.empty:
        return None

    def draw(look: "Look") -> tuple["Figure", Sequence[Mark]]:
        figure, axes = new_figure(look, width_in=7.4, height_in=3.0)
        places = draw_lesions(axes, look, mine, samples)
        dress_axes(axes, look)
        return figure, [Mark(axes, place.box, place.text) for place in places]

    return Sketch(name="lesions", title="Lesions over time", caption="", draw=draw)


def lesion_chart(
    patient: str, lesions: "pd.DataFrame | None", samples: "Sequence[Sample]"
) -> Drawn | None:
    """Return the same figure, drawn for a page, with its numbers."""
    sketch = lesion_sketch(patient, lesions, samples)
    if sketch is None or lesions is None:
        return None
    with drawing():
        figure, marks = sketch.draw(SCREEN)
        svg = inline_svg(figure, sketch.name, title=sketch.title, marks=marks)
    mine = lesions[lesions["patient"].astype(str) == patient]
    rows = [
        (text_of(row["lesion"]), _cell(row["day"]), _cell(row["area_mm2"]))
        for row in mine.to_dict("records")
    ]
    columns = (Column("Lesion"), Column("Day", number=True), Column("Area, mm²", number=True))
    table = Table(key="lesions-table", caption=sketch.title, columns=columns, rows=rows)
    return Drawn(svg=svg, title=sketch.title, table=table)


def _cell(value: float) -> Cell:
    missing = value != value or value is None
    return Cell("" if missing else f"{float(value):g}", None if missing else float(value))
