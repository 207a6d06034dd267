"""Geometry as the shapes of a napari layer, and what such a layer draws as geometry."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

__all__ = ["AREA", "HOLE", "PART", "geometry_of", "shapes_of"]

PART = "part"
"""Column of a layer's features: whether a shape adds an area or cuts a hole."""
AREA, HOLE = "area", "hole"

_CORNERS = 4
_ELLIPSE_POINTS = 72


def shapes_of(
    geometry: BaseGeometry,
) -> tuple[list[npt.NDArray[np.float64]], list[str], list[str]]:
    """Return the vertices ``(y, x)``, the napari kind and the part of each shape of a geometry.

    Polygons come by falling area, each with its holes right after it: whatever lies in a hole is
    smaller, so that adding and cutting in this order gives the geometry back. Their outlines are
    closed paths: napari would cut a filled polygon into triangles, which holds the window for
    seconds where it has thousands of corners; a path of as many takes hundredths.
    """
    data, kinds, parts = [], [], []
    pieces = list(shapely.get_parts(geometry)) if hasattr(geometry, "geoms") else [geometry]
    areas = [p for p in pieces if isinstance(p, shapely.Polygon) and not p.is_empty]
    for polygon in sorted(areas, key=lambda p: -shapely.Polygon(p.exterior).area):
        for ring, part in [(polygon.exterior, AREA), *((r, HOLE) for r in polygon.interiors)]:
            data.append(np.asarray(ring.coords)[:, 1::-1])
            kinds.append("path")
            parts.append(part)
    for line in pieces:
        if isinstance(line, shapely.LineString) and not line.is_empty:
            data.append(np.asarray(line.coords)[:, 1::-1])
            kinds.append("path")
            parts.append(AREA)
    return data, kinds, parts


def geometry_of(layer: Any, *, line: bool = False) -> BaseGeometry:
    """Return what a Shapes layer draws, in µm.

    Parameters
    ----------
    layer
        A napari Shapes layer.
    line
        Whether it draws lines, not areas: closed shapes then give their outline.

    Returns
    -------
    BaseGeometry
        A MultiPolygon, or a MultiLineString.
    """
    facts: dict[str, Any] = layer.metadata.get("immunescape") or {}
    shapes, kinds = layer.data, list(layer.shape_type)
    untouched: BaseGeometry | None = facts.get("drawn")
    parts = _parts(layer, len(shapes))
    if untouched is not None and _as_made(untouched, layer, shapes, parts):
        return untouched
    points = [_to_um(layer, _outline(s, k)) for s, k in zip(shapes, kinds, strict=True)]
    if line:
        return _lines(points, kinds)
    whole: BaseGeometry = shapely.MultiPolygon()
    for ring, part in zip(points, parts, strict=True):
        if len(ring) < 3:
            continue
        area = shapely.make_valid(shapely.Polygon(ring), method="structure", keep_collapsed=False)
        cut = part == HOLE
        whole = shapely.difference(whole, area) if cut else shapely.union(whole, area)
    polygons = [p for p in _flat(whole) if isinstance(p, shapely.Polygon) and not p.is_empty]
    return shapely.MultiPolygon(polygons)


def _parts(layer: Any, count: int) -> list[str]:
    features = layer.features
    if PART not in features or len(features) != count:
        return [AREA] * count
    return [HOLE if value == HOLE else AREA for value in features[PART]]


def _as_made(
    geometry: BaseGeometry, layer: Any, shapes: Sequence[Any], parts: Sequence[str]
) -> bool:
    """Whether a layer still holds the shapes it was made with, in their place."""
    data, kinds, made = shapes_of(geometry)
    here = [str(k) for k in layer.shape_type]
    if len(data) != len(shapes) or kinds != here or made != list(parts):
        return False
    points = [_to_um(layer, np.asarray(s)) for s in shapes]
    return all(
        p.shape == d.shape and np.array_equal(p, d[:, ::-1].astype(np.float32).astype(float))
        for p, d in zip(points, data, strict=True)
    )


def _to_um(layer: Any, points: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return ``(n, 2)`` points of a layer as x and y in µm from the origin of its slide."""
    scale = np.asarray(layer.scale, float)[-2:]
    translate = np.asarray(layer.translate, float)[-2:]
    origin = (layer.metadata.get("immunescape") or {}).get("origin_um", (0.0, 0.0))
    world = np.asarray(points, float)[:, -2:] * scale + translate
    points_um: npt.NDArray[np.float64] = world[:, ::-1] - np.asarray(origin, float)
    return points_um


def _outline(points: Any, kind: str) -> npt.NDArray[np.float64]:
    """Return the vertices of a shape; an ellipse, kept by the corners of its box, gets 72."""
    corners = np.asarray(points, float)
    if str(kind) != "ellipse":
        return corners
    centre = corners.mean(axis=0)
    half_a = (corners[1] - corners[0]) / 2
    half_b = (corners[3] - corners[0]) / 2
    angles = np.linspace(0, 2 * np.pi, _ELLIPSE_POINTS, endpoint=False)[:, None]
    ellipse: npt.NDArray[np.float64] = centre + np.cos(angles) * half_a + np.sin(angles) * half_b
    return ellipse


def _lines(points: list[npt.NDArray[np.float64]], kinds: Sequence[Any]) -> BaseGeometry:
    lines = []
    for vertices, kind in zip(points, kinds, strict=True):
        closed = str(kind) in ("polygon", "rectangle", "ellipse")
        line = np.vstack([vertices, vertices[:1]]) if closed else vertices
        if len(np.unique(line, axis=0)) > 1:
            lines.append(shapely.LineString(line))
    return shapely.MultiLineString(lines)


def _flat(geometry: BaseGeometry) -> list[BaseGeometry]:
    if not hasattr(geometry, "geoms"):
        return [geometry]
    return [piece for part in geometry.geoms for piece in _flat(part)]
