"""Drawing by hand: what a stroke of the pen, the brush or the eraser makes of a region.

All functions take geometry in µm and return new geometry: a MultiPolygon, or a MultiLineString
where a line was given. Pieces and holes under ``SLIVER_UM2`` are slips of the hand and go.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.errors import AnnotationError

__all__ = [
    "SLIVER_UM2",
    "Part",
    "brush",
    "clip",
    "drop_parts",
    "enclose",
    "extend",
    "fill_holes",
    "line_along",
    "move_part",
    "part_at",
    "parts_of",
    "punch",
    "simplify",
    "subtract",
    "unite",
]

SLIVER_UM2 = 1.0
"""Pieces and holes of less area than this are left out of what is drawn."""

_QUADRANT = 16
"""Corners of a quarter of the brush: its rim is true to 0.12 % of the radius."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One connected piece of a region.

    Parameters
    ----------
    number
        Its place among the pieces, from 1; the largest comes first.
    index
        Its place in the geometry.
    area_mm2
        Area in mm², holes left out; 0 for a line.
    outline_mm
        Length of its outline in mm, that of its holes among it; of a line its length.
    holes
        Number of its holes.
    """

    number: int
    index: int
    area_mm2: float
    outline_mm: float
    holes: int


def brush(path_um: Points, radius_um: float) -> shapely.MultiPolygon:
    """Return what a disc covers that is led along a path.

    Parameters
    ----------
    path_um
        ``(n, 2)`` x and y of the middle of the disc; one point gives the disc, none nothing.
    radius_um
        Radius of the disc.

    Examples
    --------
    >>> swept = brush(np.array([[0.0, 0.0], [100.0, 0.0]]), 10.0)
    >>> [round(side) for side in swept.bounds]
    [-10, -10, 110, 10]
    """
    points = _distinct(path_um)
    if not len(points):
        return shapely.MultiPolygon()
    middle: BaseGeometry = shapely.Point(points[0])
    if len(points) > 1:
        # a tremor of a hundredth of the radius moves no rim, and costs a corner each
        middle = shapely.LineString(points).simplify(radius_um / 100)
    return _areas(middle.buffer(radius_um, quad_segs=_QUADRANT))


def enclose(path_um: Points) -> shapely.MultiPolygon:
    """Return what a loop drawn by hand encloses.

    The loop is closed by a straight line. Where it crosses itself, every place counts that cannot
    be left without crossing it. Fewer than three different points, or a line, enclose nothing.

    Parameters
    ----------
    path_um
        ``(n, 2)`` x and y along the loop.

    Examples
    --------
    >>> eight = np.array([[0.0, 0.0], [10, 10], [10, 0], [0, 10]])
    >>> round(enclose(eight).area, 6)
    50.0
    """
    points = _distinct(path_um)
    if len(np.unique(points, axis=0)) < 3:
        return shapely.MultiPolygon()
    ring = shapely.LineString(np.concatenate([points, points[:1]]))
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.node(ring))))
    return _areas(shapely.union_all(faces))


def line_along(path_um: Points) -> shapely.MultiLineString:
    """Return a path as a line; fewer than two different points give an empty one."""
    points = _distinct(path_um)
    return shapely.MultiLineString([points] if len(points) > 1 else [])


def unite(shape: BaseGeometry, added: BaseGeometry) -> BaseGeometry:
    """Return a region with an area, or lines with a line, added."""
    if _is_line(shape, added):
        return _lines(shapely.union(shape, added))
    return _areas(shapely.union(shape, added))


def extend(shape: BaseGeometry, added: shapely.MultiPolygon) -> BaseGeometry:
    """Return a region with an area added to the pieces that it meets.

    Raises
    ------
    AnnotationError
        If the area meets no piece of the region: it would be a region of its own.
    """
    meets = [piece for piece in shapely.get_parts(added) if shape.intersects(piece)]
    if not meets:
        raise AnnotationError(
            "Add extends a region: begin inside one; Freehand draws a region of its own"
        )
    return unite(shape, shapely.union_all(meets))


def clip(shape: BaseGeometry, frame: shapely.Polygon) -> BaseGeometry:
    """Return what of a region, or of lines, lies within the frame of the slide."""
    within = shapely.intersection(shape, frame)
    return _lines(within) if _is_line(shape) else _areas(within)


def subtract(shape: BaseGeometry, area: BaseGeometry) -> BaseGeometry:
    """Return a region, or lines, with an area cut away."""
    left = shapely.difference(shape, area)
    return _lines(left) if _is_line(shape) else _areas(left)


def punch(shape: BaseGeometry, area: BaseGeometry) -> BaseGeometry:
    """Return a region with a hole.

    Raises
    ------
    AnnotationError
        If the hole does not lie wholly within a piece of the region, its outline untouched.
    """
    inside = shapely.contains_properly(shape, shapely.get_parts(area))
    if area.is_empty or not inside.all():
        raise AnnotationError(
            "a hole lies wholly inside a region; Subtract cuts into an outline as well"
        )
    return subtract(shape, area)


def fill_holes(
    shape: BaseGeometry,
    *,
    largest_um2: float = np.inf,
    pieces: Collection[int] | None = None,
) -> BaseGeometry:
    """Return a region without its holes.

    Parameters
    ----------
    shape
        The region; lines have no holes.
    largest_um2
        Holes of more area than this stay.
    pieces
        Places in the geometry of the pieces to fill; None fills all.
    """
    if _is_line(shape):
        return shape
    filled = []
    for index, piece in enumerate(shapely.get_parts(shape)):
        rings = [r for r in piece.interiors if shapely.Polygon(r).area > largest_um2]
        wanted = pieces is None or index in pieces
        filled.append(shapely.Polygon(piece.exterior, rings) if wanted else piece)
    # an island in a hole that is filled becomes part of the whole
    return _areas(shapely.union_all(filled))


def simplify(
    shape: BaseGeometry, tolerance_um: float, *, pieces: Collection[int] | None = None
) -> BaseGeometry:
    """Return a region or lines with fewer corners, nowhere farther off than a tolerance.

    Parameters
    ----------
    shape
        A region or lines; pieces and holes stay apart, those smaller than the tolerance stay.
    tolerance_um
        The tolerance.
    pieces
        Places in the geometry of the pieces to simplify; None takes all.
    """
    parts = shapely.get_parts(shape)
    if pieces is None:
        fewer = shapely.simplify(shape, tolerance_um, preserve_topology=True)
    else:
        chosen = np.isin(np.arange(len(parts)), list(pieces))
        parts[chosen] = shapely.simplify(parts[chosen], tolerance_um, preserve_topology=True)
        fewer = shapely.union_all(parts)
    if _is_line(shape):
        return _lines(fewer)
    return _areas(shapely.make_valid(fewer, method="structure", keep_collapsed=False))


def part_at(shape: BaseGeometry, point_um: tuple[float, float], reach_um: float = 0.0) -> int:
    """Return the place in the geometry of the piece under a point, -1 where there is none.

    Parameters
    ----------
    shape
        A region or lines.
    point_um
        x and y.
    reach_um
        How far from the point a piece may lie; of several the nearest, then the smallest counts.
    """
    pieces = shapely.get_parts(shape)
    if not len(pieces):
        return -1
    away = np.asarray(shapely.distance(pieces, shapely.Point(point_um)))
    size = np.asarray(shapely.area(pieces) + shapely.length(pieces))
    best = int(np.lexsort((size, away))[0])
    return best if away[best] <= reach_um else -1


def move_part(shape: BaseGeometry, index: int, by_um: tuple[float, float]) -> BaseGeometry:
    """Return a region with one piece moved, its holes with it; what it then meets joins it."""
    pieces = list(shapely.get_parts(shape))
    piece = shapely.transform(pieces.pop(index), lambda xy: xy + np.asarray(by_um))
    if _is_line(shape):
        return _lines(shapely.MultiLineString([*pieces, piece]))
    return unite(shapely.MultiPolygon(pieces), piece)


def drop_parts(shape: BaseGeometry, indices: Collection[int]) -> BaseGeometry:
    """Return a region or lines without some pieces, by their place in the geometry."""
    kept = [p for i, p in enumerate(shapely.get_parts(shape)) if i not in indices]
    return shapely.MultiLineString(kept) if _is_line(shape) else shapely.MultiPolygon(kept)


def parts_of(shape: BaseGeometry) -> tuple[Part, ...]:
    """Return the pieces of a region or of lines, the largest first; of equal ones the earlier."""
    pieces = shapely.get_parts(shape)
    area, length = shapely.area(pieces) / 1e6, shapely.length(pieces) / 1e3
    order = np.lexsort((np.arange(len(pieces)), -length, -area))
    return tuple(
        Part(
            number=number,
            index=int(index),
            area_mm2=float(area[index]),
            outline_mm=float(length[index]),
            holes=len(getattr(pieces[index], "interiors", ())),
        )
        for number, index in enumerate(order, start=1)
    )


def _distinct(path_um: Points) -> Points:
    """Return the points of a path without those that repeat the one before, and without NaN."""
    points = np.asarray(path_um, np.float64).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < 2:
        return points
    moved = np.any(np.diff(points, axis=0) != 0, axis=1)
    kept: Points = points[np.concatenate([[True], moved])]
    return kept


def _is_line(*shapes: BaseGeometry) -> bool:
    """Whether any is made of lines; an empty collection is an area."""
    return any(s.geom_type in ("LineString", "MultiLineString", "LinearRing") for s in shapes)


def _areas(shape: BaseGeometry) -> shapely.MultiPolygon:
    """Return the areas of a geometry without slivers."""
    whole = []
    for piece in shapely.get_parts(shapely.get_parts(shape)):
        if not isinstance(piece, shapely.Polygon) or piece.area < SLIVER_UM2:
            continue
        rings = [r for r in piece.interiors if shapely.Polygon(r).area >= SLIVER_UM2]
        whole.append(shapely.Polygon(piece.exterior, rings))
    return shapely.MultiPolygon(whole)


def _lines(shape: BaseGeometry) -> shapely.MultiLineString:
    """Return the lines of a geometry, joined end to end where two and no more meet."""
    lines = [p for p in shapely.get_parts(shape) if isinstance(p, shapely.LineString)]
    merged = shapely.line_merge(shapely.MultiLineString([p for p in lines if p.length > 0]))
    return shapely.MultiLineString(
        [p for p in shapely.get_parts(merged) if isinstance(p, shapely.LineString)]
    )
