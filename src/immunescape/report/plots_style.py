"""How figures look: on a dark screen, on a bright one, and on paper."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BRIGHT", "DARK", "PAPER", "Look", "dress_axes", "dress_figure", "new_figure"]

FONT_PT = 9.0


@dataclass(frozen=True, kw_only=True)
class Look:
    """Colours of what is not data.

    Parameters
    ----------
    ground
        Behind everything.
    ink
        Text and axes.
    soft
        What stands back: grid, remarks, reference lines.
    plain
        Bars and lines that stand for no marker and no phenotype.
    """

    ground: str
    ink: str
    soft: str
    plain: str


PAPER = Look(ground="#ffffff", ink="#1d2530", soft="#76808c", plain="#56738f")
"""Saved and copied figures, whatever the screen."""
BRIGHT = Look(ground="#ebe7e6", ink="#1e1e21", soft="#6f6d6b", plain="#56738f")
"""On napari's light theme."""
DARK = Look(ground="#23242b", ink="#f0f1f2", soft="#9aa2ac", plain="#8fb0d0")
"""On napari's dark theme."""


def dress_figure(figure: "Figure", look: Look) -> None:
    """Give a figure its ground and let it make room for its own labels."""
    figure.set_facecolor(look.ground)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.05)


def dress_axes(axes: "Axes", look: Look) -> None:
    """Give axes their colours and sizes, before or after drawing in them."""
    axes.set_facecolor(look.ground)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(look.soft)
    axes.tick_params(colors=look.ink, labelsize=FONT_PT - 0.5, width=0.8, length=3)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(look.ink)
        text.set_fontsize(FONT_PT)
    for text in axes.get_xticklabels() + axes.get_yticklabels():
        text.set_color(look.ink)
    legend = axes.get_legend()
    if legend is not None:
        legend.get_frame().set(facecolor=look.ground, edgecolor="none", alpha=0.85)
        for text in legend.get_texts():
            text.set_color(look.ink)
            text.set_fontsize(FONT_PT - 0.5)


def new_figure(
    look: Look = PAPER, *, width_in: float = 5.4, height_in: float = 3.4
) -> tuple["Figure", "Axes"]:
    """Return a figure that belongs to no window, and its axes, ready to be drawn in.

    Parameters
    ----------
    look
        Its colours.
    width_in, height_in
        Its size in inches.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=100)
    FigureCanvasAgg(figure)
    dress_figure(figure, look)
    axes: Any = figure.add_subplot()
    dress_axes(axes, look)
    return figure, axes
