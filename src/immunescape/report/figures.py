"""The figures of one slide, in the order to show them."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from immunescape.report.colours import PHENOTYPE_COLOURS, REGION_COLOURS
from immunescape.report.figures_pictures import (
    cells_sketch,
    closeup_sketch,
    marker_key,
    overview_sketch,
    own_limits,
)
from immunescape.report.html.drawn import Mark, marks_of
from immunescape.report.pictures import Limits
from immunescape.report.plots import draw_contacts, draw_densities, draw_profile
from immunescape.report.plots_slide import draw_gate, draw_ways, gate_values, headline_ways
from immunescape.report.plots_style import Look, dress_axes, new_figure
from immunescape.report.sketches import Sketch, save_figures
from immunescape.report.told import Told
from immunescape.report.wording import marker_title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "Sketch",
    "closeup_sketch",
    "marker_key",
    "overview_sketch",
    "own_limits",
    "save_figures",
    "slide_sketches",
]


def slide_sketches(told: Told, limits: tuple[Limits, Limits] | None = None) -> tuple[Sketch, ...]:
    """Return the figures of one slide, in the order to show them.

    Parameters
    ----------
    told
        A result. Pictures that were not kept are left out.
    limits
        Contrast of the overview and of the closeup, where slides are compared; that of the slide
        itself otherwise.
    """
    overview, closeup = limits or own_limits(told)
    found = [
        overview_sketch(told, overview),
        cells_sketch(told),
        closeup_sketch(told, closeup),
        closeup_sketch(told, closeup, plain=True),
    ]
    return (*(s for s in found if s is not None), *_charts(told))


def _charts(told: Told) -> Iterator[Sketch]:
    tables = told.tables
    width = told.study.margin.width_um

    def profile(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = new_figure(look, width_in=6.6, height_in=3.3)
        bars = draw_profile(axes, look, tables, width_um=width, colour=PHENOTYPE_COLOURS["cd8_t"])
        dress_axes(axes, look)
        return figure, marks_of(axes, bars)

    def densities(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = new_figure(look, width_in=5.2, height_in=3.2)
        bars = draw_densities(axes, look, tables, width_um=width, colours=REGION_COLOURS)
        dress_axes(axes, look)
        return figure, marks_of(axes, bars)

    def contacts(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = new_figure(look, width_in=5.2, height_in=3.2)
        bars = draw_contacts(axes, look, tables)
        dress_axes(axes, look)
        return figure, marks_of(axes, bars)

    yield Sketch(
        name="profile",
        title="CD8 T cells by distance to the margin",
        caption="Bands of 20 µm; area nearer to the frame than to the interface is left out.",
        draw=profile,
    )
    yield Sketch(
        name="densities",
        title="CD8 T cells per mm² by region",
        caption="Margin, tumour and all analysed tissue are sums of the four regions above them.",
        draw=densities,
    )
    yield Sketch(
        name="contacts",
        title="PD-L1 by contact with CD8 T cells, tumour and other cells",
        caption="Touching: sharing a border with at least one CD8 T cell.",
        draw=contacts,
    )
    yield _ways_sketch(told)
    for row in tables["gates"].to_dict("records"):
        yield _gate_sketch(told, row)


def _ways_sketch(told: Told) -> Sketch:
    ways = headline_ways(told.tables)

    def draw(look: Look) -> tuple["Figure", Sequence[Mark]]:
        height = 1.0 + 0.21 * max(len(ways), 4)
        figure, axes = new_figure(look, width_in=6.6, height_in=height)
        boxes = draw_ways(axes, look, ways)
        dress_axes(axes, look)
        axes.tick_params(axis="y", labelsize=7.5)
        return figure, [Mark(axes, box, text) for box, text in boxes]

    return Sketch(
        name="sensitivity",
        title="The headline under other ways to judge the slide",
        caption="Of the tumour cells touching CD8, the share that is PD-L1-negative; all analysed "
        "tissue. Shaded: 95 % interval of the value as reported.",
        draw=draw,
    )


def _gate_sketch(told: Told, row: dict[Any, Any]) -> Sketch:
    parent = "" if row["parent"] == "all" else f"@{row['parent']}"
    title = f"Gate of {marker_title(str(row['marker']) + parent)}"
    values = gate_values(told.result.cells, row)

    def draw(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = new_figure(look, width_in=3.3, height_in=2.0)
        draw_gate(axes, look, values, row)
        dress_axes(axes, look)
        return figure, ()

    return Sketch(
        name=f"gate-{_safe(row['marker'])}-{_safe(row['parent'])}",
        title=title,
        caption="",
        draw=draw,
    )


def _safe(text: object) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in str(text))
