"""The pictures of one slide as figures: the whole, its cells, and the close-up."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from immunescape.report.colours import MARKER_COLOURS, PHENOTYPE_COLOURS, REGION_COLOURS
from immunescape.report.colours import marker_colours as colours_of
from immunescape.report.html.drawn import Mark
from immunescape.report.picks import Pick, Picker
from immunescape.report.pictures import (
    Limits,
    cell_map,
    composed,
    outlined,
    picture_limits,
    shown_markers,
)
from immunescape.report.plots_pictures import (
    draw_frame,
    draw_key,
    draw_line,
    draw_picture,
    picture_figure,
)
from immunescape.report.plots_style import Look
from immunescape.report.sketches import Sketch
from immunescape.report.told import CLOSEUP, OVERVIEW, Told
from immunescape.report.wording import PHENOTYPE_TITLES, marker_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cells_sketch", "closeup_sketch", "marker_key", "overview_sketch", "own_limits"]

_TUMOUR = "#ff5a4d"
_INTERFACE = "#ffdc00"
_OUTLINE = "#ffffff"
_LARGE_IN, _SMALL_IN = 5.4, 3.2
_NEGATIVE = Pick(phenotype="tumour", pdl1="negative", touching=True)


def own_limits(told: Told) -> tuple[Limits, Limits]:
    """Return the contrast of a slide's overview and of its closeup, each by itself."""
    pictures = (told.picture(OVERVIEW), told.picture(CLOSEUP))
    overview, closeup = (
        {} if picture is None else picture_limits([(picture, told.panel)]) for picture in pictures
    )
    return overview, closeup


def overview_sketch(
    told: Told, limits: Limits | None = None, *, aspect: float | None = None, small: bool = False
) -> Sketch | None:
    """Return the slide in small with its tumour and margin; None where it was not kept.

    A `small` one stands beside others: the names of its colours are told once, outside.
    """
    picture = told.picture(OVERVIEW)
    if picture is None:
        return None
    limits = limits or picture_limits([(picture, told.panel)])

    def draw(look: Look) -> tuple["Figure", Sequence[Mark]]:
        width_in = _SMALL_IN if small else _LARGE_IN
        figure, axes = picture_figure(picture.extent_um, width_in=width_in, aspect=aspect)
        draw_picture(axes, composed(picture, told.panel, limits), picture.extent_um)
        _draw_margin(axes, told)
        closeup = told.picture(CLOSEUP)
        if closeup is not None:
            draw_frame(axes, closeup.extent_um)
        if not small:
            draw_key(axes, marker_key(told))
        return figure, ()

    width = told.study.margin.width_um
    return Sketch(
        name="overview",
        title="The slide, with the tumour's outline and the margin",
        caption=(
            f"{_stains(told)}. Red line: outline of the tumour; yellow: its interface with "
            f"analysed tissue; dashed: the margin, {width:g} µm to each side. The white frame "
            "is the close-up."
        ),
        draw=draw,
        picture=True,
    )


def closeup_sketch(
    told: Told, limits: Limits | None = None, *, plain: bool = False, aspect: float | None = None
) -> Sketch | None:
    """Return the close-up with outlines, or `plain` without; None where it was not kept."""
    picture = told.picture(CLOSEUP)
    if picture is None or (plain is False and told.outlines is None):
        return None
    limits = limits or picture_limits([(picture, told.panel)])
    negative, touched = _closeup_cells(told)
    colours = {"negative": _OUTLINE, "cd8": MARKER_COLOURS["cd8"]}

    def draw(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = picture_figure(picture.extent_um, aspect=aspect)
        pixels = composed(picture, told.panel, limits)
        if not plain:
            assert told.outlines is not None
            groups = [(touched, colours["cd8"], 2), (negative, colours["negative"], 3)]
            pixels = outlined(pixels, told.outlines, groups)
        draw_picture(axes, pixels, picture.extent_um)
        interface = told.result.shapes.get("interface")
        if not interface.is_empty:
            draw_line(axes, interface, _INTERFACE)
        draw_key(axes, marker_key(told))
        return figure, ()

    left, right, top, bottom = picture.extent_um
    across = f"{right - left:.0f} x {bottom - top:.0f} µm"
    where = f"{across}, at {left:.0f} µm from the left and {top:.0f} µm from the top."
    n = len(negative)
    shown = (
        f"White outlines: {n} PD-L1-negative tumour cell{'' if n == 1 else 's'} touching CD8; "
        "yellow: the CD8 T cells."
        if n
        else "No PD-L1-negative tumour cell touches CD8 here; yellow outlines: CD8 T cells."
    )
    return Sketch(
        name="closeup-plain" if plain else "closeup",
        title="Close-up, stains alone" if plain else "Close-up: PD-L1-negative, touching CD8",
        caption=where if plain else f"{shown} {where}",
        draw=draw,
        picture=True,
    )


def cells_sketch(told: Told) -> Sketch:
    """Return the cells of the slide as dots in the colours of their phenotypes."""
    picture = told.picture(OVERVIEW)
    extent = (
        picture.extent_um if picture is not None else _frame_um(told)
    )  # the cells need no picture

    def draw(look: Look) -> tuple["Figure", Sequence[Mark]]:
        figure, axes = picture_figure(extent)
        draw_picture(axes, cell_map(told.result.cells, extent), extent)
        _draw_margin(axes, told)
        names = ("tumour", "cd8_t", "other", "unknown")
        there = set(told.result.cells["phenotype"].unique())
        draw_key(axes, [(PHENOTYPE_TITLES[n], PHENOTYPE_COLOURS[n]) for n in names if n in there])
        return figure, ()

    return Sketch(
        name="cells",
        title="The cells by phenotype",
        caption="A dot a cell, at its centre; where dots overlap CD8 T cells lie on top. Lines as "
        "in the picture of the slide.",
        draw=draw,
        picture=True,
    )


def _draw_margin(axes: "Axes", told: Told) -> None:
    shapes = told.result.shapes
    for name in ("inner_margin", "outer_margin"):
        if name in shapes:
            draw_line(axes, shapes[name], REGION_COLOURS[name], width=1.1, dashed=True)
    if "tumour" in shapes:
        draw_line(axes, shapes["tumour"], _TUMOUR, width=1.3)
    if "interface" in shapes:
        draw_line(axes, shapes["interface"], _INTERFACE, width=1.7)


def marker_key(told: Told) -> list[tuple[str, str]]:
    """Return the names of the stains that a slide's pictures show, and their colours."""
    panel = told.panel
    picture = told.picture(OVERVIEW)
    assert picture is not None
    colours = colours_of(panel)
    nuclear = {s.marker for s in panel.stains if s.role == "nuclear"}
    markers = list(shown_markers(panel, picture))
    return [
        (
            _name(m) if m not in nuclear else "nuclei",
            "#c8c8c8" if m in nuclear else _bright(m, colours),
        )
        for m in sorted(markers, key=lambda m: m in nuclear)
    ]


def _bright(marker: str, colours: dict[str, str]) -> str:
    # the dark blue of SOX10 is a light; as ink on black it could hardly be read
    return "#7b8cff" if marker == "sox10" else colours[marker]


def _name(marker: str) -> str:
    return marker_title(marker)


def _stains(told: Told) -> str:
    names = [name for name, _ in marker_key(told)]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _closeup_cells(told: Told) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels in the closeup: of the headline, and of the CD8 T cells."""
    picker = Picker(told.result.cells)
    labels = told.result.cells.labels
    shown = np.unique(told.outlines) if told.outlines is not None else np.zeros(0, int)
    here = np.isin(labels, shown)
    return (
        labels[picker.mask(_NEGATIVE) & here],
        labels[picker.mask(Pick(phenotype="cd8_t")) & here],
    )


def _frame_um(told: Told) -> tuple[float, float, float, float]:
    pixel = float(told.result.provenance["pixel_size_um"])
    height, width = told.result.provenance["shape_px"]
    return 0.0, width * pixel, 0.0, height * pixel
