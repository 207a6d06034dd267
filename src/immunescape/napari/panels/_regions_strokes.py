"""What a stroke of each tool does to a drawing: one core function a tool."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import shapely

from immunescape import drawing
from immunescape.regions import Regions

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

__all__ = [
    "AREAS_ONLY",
    "LINE",
    "TOOLS",
    "Stroke",
    "Tool",
    "apply_stroke",
    "moved_outline",
    "with_shape",
]

LINE = "margin_line"
"""The one role that is no area."""
AREAS_ONLY = ("brush", "add", "hole")
"""Tools that mean nothing to a line."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tool:
    """A tool of the panel: its name, its key, and what it does in one sentence."""

    title: str
    key: str
    tip: str
    done: str


TOOLS = {
    "freehand": Tool("Freehand", "F", "Drag round an area: it becomes a region.", "freehand"),
    "polygon": Tool(
        "Polygon", "P", "Click corner by corner; a double click or Enter closes it.", "polygon"
    ),
    "brush": Tool("Brush", "B", "Paint; the radius is changed with [ and ].", "brush"),
    "eraser": Tool("Eraser", "E", "Rub out; the radius is changed with [ and ].", "eraser"),
    "add": Tool("Add", "A", "Drag a loop that extends the region it meets.", "addition"),
    "subtract": Tool("Subtract", "S", "Drag a loop that is cut away.", "subtraction"),
    "hole": Tool("Hole", "H", "Drag a loop inside a region: it becomes a hole.", "hole"),
    "move": Tool("Move", "M", "Drag a region to another place, its holes with it.", "move"),
}
"""The tools, in the order of their buttons."""


@dataclass(frozen=True, eq=False)
class Stroke:
    """A stroke of a tool.

    Parameters
    ----------
    tool
        Key of ``TOOLS``.
    role
        What is drawn.
    path_um
        ``(n, 2)`` x and y.
    radius_um
        Radius of brush and eraser.
    reach_um
        How near to a line counts as on it.
    frame_um
        Width and height of the slide: nothing is drawn beyond.
    """

    tool: str
    role: str
    path_um: Points
    radius_um: float
    reach_um: float
    frame_um: tuple[float, float]


def with_shape(regions: Regions, role: str, shape: "BaseGeometry") -> Regions:
    """Return a drawing with another geometry of a role; an empty one takes the role out."""
    shapes = {name: regions[name] for name in regions if name != role}
    if not shape.is_empty:
        shapes[role] = shape
    return Regions(shapes, regions.unknown)


def apply_stroke(regions: Regions, stroke: Stroke) -> Regions:
    """Return a drawing after a stroke; the very drawing where the stroke did nothing.

    Raises
    ------
    AnnotationError
        If the stroke does not fit the tool, with what to do instead.
    """
    shape = regions.get(stroke.role)
    if stroke.role == LINE and shape.is_empty:
        shape = shapely.MultiLineString()
    after = _after(shape, stroke)
    if after is None or after is shape or after.equals_exact(shape, 0.0):
        return regions
    return with_shape(regions, stroke.role, after)


def moved_outline(regions: Regions, stroke: Stroke) -> "BaseGeometry | None":
    """Return the outline of the piece that a stroke of the tool "move" carries; None without."""
    shape = regions.get(stroke.role)
    index = drawing.part_at(shape, _first(stroke), stroke.reach_um)
    if index < 0:
        return None
    piece = shapely.get_parts(shape)[index]
    moved: BaseGeometry = shapely.transform(piece, lambda xy: xy + _way(stroke))
    return moved


def _after(shape: "BaseGeometry", stroke: Stroke) -> "BaseGeometry | None":
    frame = shapely.box(0, 0, *stroke.frame_um)
    if stroke.tool == "move":
        index = drawing.part_at(shape, _first(stroke), stroke.reach_um)
        if index < 0 or not _way(stroke).any():
            return None
        x, y = (float(v) for v in _way(stroke))
        return drawing.clip(drawing.move_part(shape, index, (x, y)), frame)
    if stroke.tool == "eraser":
        return drawing.subtract(shape, drawing.brush(stroke.path_um, stroke.radius_um))
    if stroke.role == LINE and stroke.tool != "subtract":
        return drawing.unite(shape, drawing.clip(drawing.line_along(stroke.path_um), frame))
    if stroke.tool == "brush":
        whole = drawing.brush(stroke.path_um, stroke.radius_um)
    else:
        whole = drawing.enclose(stroke.path_um)
    area = drawing.clip(whole, frame)
    assert isinstance(area, shapely.MultiPolygon)  # an area clipped is an area
    if area.is_empty:
        return None
    if stroke.tool == "subtract":
        return drawing.subtract(shape, area)
    if stroke.tool == "hole":
        return drawing.punch(shape, area)
    if stroke.tool == "add":
        return drawing.extend(shape, area)
    return drawing.unite(shape, area)


def _first(stroke: Stroke) -> tuple[float, float]:
    x, y = stroke.path_um[0]
    return float(x), float(y)


def _way(stroke: Stroke) -> Points:
    way: Points = stroke.path_um[-1] - stroke.path_um[0]
    return way
