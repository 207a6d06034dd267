"""Pictures of a slide in axes: with outlines, a scale bar and the names of the colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import shapely

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from shapely.geometry.base import BaseGeometry

__all__ = ["draw_frame", "draw_key", "draw_line", "draw_picture", "picture_figure", "scale_bar_um"]

Extent = tuple[float, float, float, float]
_LIGHT = "#ffffff"
_DARK = "#000000"
_KEY_PT = 8.0


def picture_figure(
    extent_um: Extent, *, width_in: float = 5.4, aspect: float | None = None
) -> tuple["Figure", "Axes"]:
    """Return a black figure that a picture fills to its edges.

    Parameters
    ----------
    extent_um
        Left, right, top and bottom of what is shown, on the slide.
    width_in
        Width of the figure.
    aspect
        Height by width, where it differs from that of the picture: the rest stays black, and what
        is shown keeps its shape. None takes the picture's own, between 0.4 and 1.6.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    left, right, top, bottom = extent_um
    across, down = right - left, bottom - top
    aspect = min(max(down / across, 0.4), 1.6) if aspect is None else aspect
    figure = Figure(figsize=(width_in, width_in * aspect), dpi=100, facecolor=_DARK)
    FigureCanvasAgg(figure)
    axes: Any = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_facecolor(_DARK)
    axes.set_axis_off()
    wide = max(across, down / aspect)
    middle_x, middle_y = (left + right) / 2, (top + bottom) / 2
    axes.set_xlim(middle_x - wide / 2, middle_x + wide / 2)
    axes.set_ylim(middle_y + wide * aspect / 2, middle_y - wide * aspect / 2)
    axes.set_aspect("equal", adjustable="box")
    return figure, axes


def draw_picture(axes: "Axes", pixels: npt.NDArray[np.uint8], extent_um: Extent) -> None:
    """Put pixels ``(y, x, 3)`` where they lie on the slide, and a scale bar below them."""
    left, right, top, bottom = extent_um
    limits = axes.get_xlim(), axes.get_ylim()
    ground = [(left, top), (right, top), (right, bottom), (left, bottom)]
    axes.fill(*np.transpose(ground), color=_DARK, lw=0, zorder=0)
    axes.imshow(pixels, extent=(left, right, bottom, top), interpolation="none", zorder=1)
    axes.set(xlim=limits[0], ylim=limits[1])
    (x0, x1), (y0, _) = limits
    wide = x1 - x0
    bar = scale_bar_um(wide)
    x, y = x1 - 0.035 * wide, y0 - 0.04 * wide
    box = (x - bar - 0.02 * wide, y - 0.062 * wide), bar + 0.04 * wide, 0.085 * wide
    _boxed(axes, *box)
    axes.plot([x - bar, x], [y, y], color=_LIGHT, lw=2.4, solid_capstyle="butt", zorder=7)
    text = f"{bar:g} µm" if bar < 1000 else f"{bar / 1000:g} mm"
    axes.text(
        x - bar / 2, y - 0.014 * wide, text, color=_LIGHT, fontsize=_KEY_PT, ha="center",
        va="bottom", zorder=7,
    )  # fmt: skip


def draw_key(axes: "Axes", names: Sequence[tuple[str, str]], *, at: str = "upper left") -> None:
    """Write the names of what is shown in their colours, in a corner."""
    (x0, x1), (_, y1) = axes.get_xlim(), axes.get_ylim()
    wide = x1 - x0
    step = 0.046 * wide
    longest = max((len(name) for name, _ in names), default=0)
    _boxed(
        axes, (x0 + 0.012 * wide, y1 + 0.012 * wide), (0.03 + 0.0172 * longest) * wide,
        step * len(names) + 0.016 * wide,
    )  # fmt: skip
    for k, (name, colour) in enumerate(names):
        axes.text(
            x0 + 0.026 * wide, y1 + 0.02 * wide + (k + 0.5) * step, name, color=colour,
            fontsize=_KEY_PT, fontweight="bold", ha="left", va="center", zorder=7,
        )  # fmt: skip


def draw_line(
    axes: "Axes", shape: "BaseGeometry", colour: str, *, width: float = 1.4, dashed: bool = False
) -> None:
    """Draw the outline of an area, or a line, with a dark rim that parts it from the picture."""
    line = shape.boundary if shape.geom_type.endswith("Polygon") else shape
    (x0, x1) = axes.get_xlim()
    line = shapely.simplify(line, abs(x1 - x0) / 2500)
    style = (0, (3, 2)) if dashed else "-"
    for part in shapely.get_parts(line):
        if part.is_empty or part.geom_type not in ("LineString", "LinearRing"):
            continue
        x, y = shapely.get_coordinates(part).T
        axes.plot(x, y, color=_DARK, lw=width + 1.2, alpha=0.55, zorder=4)
        axes.plot(x, y, color=colour, lw=width, ls=style, zorder=5)


def draw_frame(axes: "Axes", extent_um: Extent, colour: str = _LIGHT) -> None:
    """Draw where another picture was taken."""
    left, right, top, bottom = extent_um
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    axes.plot(x, y, color=_DARK, lw=2.6, alpha=0.6, zorder=5)
    axes.plot(x, y, color=colour, lw=1.3, zorder=6)


def scale_bar_um(width_um: float) -> float:
    """Return the round length that is nearest below a quarter of a width.

    Examples
    --------
    >>> scale_bar_um(600), scale_bar_um(200), scale_bar_um(25_000)
    (100, 50, 5000)
    """
    lengths = [m * 10**p for p in range(5) for m in (1, 2, 5)]
    return max((b for b in lengths if b <= width_um / 4), default=1)


def _boxed(axes: "Axes", corner: tuple[float, float], across: float, down: float) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle(corner, across, down, color=_DARK, alpha=0.72, lw=0, zorder=6.5))
