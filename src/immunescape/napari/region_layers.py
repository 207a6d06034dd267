"""Regions as napari's Shapes, and back; holes, ellipses and lines survive."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.napari.colours import ROLE_COLOURS, rgba
from immunescape.regions import ANNOTATION_ROLES, Regions

__all__ = [
    "HOLE",
    "PART",
    "ROLE_TITLES",
    "geometry_of",
    "regions_from_layers",
    "regions_layers",
    "role_of",
    "shapes_of",
]

ROLE_TITLES = {
    "tumour": "Tumour",
    "margin_line": "Margin line",
    "analysed": "Analysed area",
    "excluded": "Exclude",
    "necrosis": "Necrosis",
    "control": "Control",
    "lymphoid": "Lymphoid",
    "epidermis": "Epidermis",
    "nerve": "Nerve",
    "stroma_area": "Stroma",
}
"""Name of the layer of each role that a person draws."""

FOUND_TITLES = {
    **{role: f"{title}, counted" for role, title in ROLE_TITLES.items()},
    "tissue": "Tissue",
    "centre": "Centre",
    "inner_margin": "Inner margin",
    "outer_margin": "Outer margin",
    "stroma": "Outside the margin",
    "interface": "Interface",
}
"""Name of the layer of each region that was found."""

PART = "part"
"""Column of a layer's features: whether a shape adds an area or cuts a hole."""
AREA, HOLE = "area", "hole"

_CORNERS = 4
_ELLIPSE_POINTS = 72
_EDGE_UM = (2.0, 8.0)
"""Thinnest and thickest outline; in between a thousandth of what it goes round."""
_FOUND_TOLERANCE_UM = 1.0
_FOUND_STEPS = 5000


def regions_layers(
    regions: Regions,
    roles: Iterable[str] = (),
    *,
    found: bool = False,
    slide: str = "",
    pixel_size_um: float = 0.0,
    origin_um: tuple[float, float] = (0.0, 0.0),
    prefix: str = "",
) -> list[tuple[Any, dict[str, Any], str]]:
    """Return a Shapes layer for each region.

    Parameters
    ----------
    regions
        Geometry in µm.
    roles
        Roles that get a layer even where nothing is drawn yet.
    found
        Whether they were computed: such layers hold lines that are simplified for the eye, to
        within 1 µm or a 5000th of their extent, and `regions_from_layers` passes them over.
    slide, pixel_size_um
        Name and pixel size of the slide, kept with the layer.
    origin_um
        Where x and y of the slide's origin are shown, for slides side by side.
    prefix
        Put before the names of the layers.

    Returns
    -------
    list
        Layer data tuples; coordinates are ``(y, x)`` in µm. A polygon with holes is a shape for
        its outline followed by one for each hole, told apart by the feature ``part``; shapes are
        read in their order, so that an island in a hole comes after the hole.
    """
    names = [*regions, *(r for r in roles if r not in regions)]
    titles = FOUND_TITLES if found else ROLE_TITLES
    layers = []
    for name in names:
        geometry = regions.get(name)
        if found:
            geometry = shapely.simplify(geometry, _tolerance_um(geometry))
        data, kinds, parts = shapes_of(geometry)
        colour = rgba(ROLE_COLOURS.get(name, ROLE_COLOURS["proposed"]))
        holes = rgba(colour, 0.6)
        metadata: dict[str, Any] = {
            "role": name,
            "found": found,
            "slide": slide,
            "pixel_size_um": pixel_size_um,
            "origin_um": origin_um,
        }
        if not found:
            metadata["drawn"] = geometry
        title = titles.get(name, name.replace("_", " "))
        meta: dict[str, Any] = {
            "name": prefix + title,
            "shape_type": kinds,
            "features": {PART: np.array(parts, dtype=object)},
            "feature_defaults": {PART: AREA},
            "edge_color": [holes if p == HOLE else colour for p in parts] or [colour],
            "face_color": [(0.0, 0.0, 0.0, 0.0)],
            "edge_width": _edge_um(geometry),
            "opacity": 0.5 if found else 0.9,
            "visible": not found or name == "interface",
            "metadata": {"immunescape": metadata},
            "translate": (origin_um[1], origin_um[0]),
            **_PLACE,
        }
        if not data:
            del meta["shape_type"]
            meta["ndim"] = 2
        layers.append((data or None, meta, "shapes"))
    return layers


_PLACE: dict[str, Any] = {
    "scale": (1.0, 1.0),
    "units": ("um", "um"),
    "axis_labels": ("y", "x"),
}


def _edge_um(geometry: BaseGeometry) -> float:
    """Return how wide an outline is drawn, to be seen on the whole slide and on a field."""
    if geometry.is_empty:
        return _EDGE_UM[0]
    left, top, right, bottom = geometry.bounds
    return float(np.clip(max(right - left, bottom - top) / 1000, *_EDGE_UM))


def _tolerance_um(geometry: BaseGeometry) -> float:
    """Return how far an outline that is only looked at may stray: 1 µm, more on a large slide."""
    if geometry.is_empty:
        return _FOUND_TOLERANCE_UM
    left, top, right, bottom = geometry.bounds
    return float(max(_FOUND_TOLERANCE_UM, max(right - left, bottom - top) / _FOUND_STEPS))


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


def role_of(layer: Any) -> str | None:
    """Return the role that a layer draws; None for one that is none of ours.

    A Shapes layer that a person made is known by its name, such as ``Tumour``.
    """
    if type(layer).__name__ != "Shapes":
        return None
    facts = layer.metadata.get("immunescape")
    if isinstance(facts, dict):
        role = facts.get("role")
        return role if role in ANNOTATION_ROLES and not facts.get("found") else None
    plain = layer.name.split(" [")[0].strip().casefold()
    return next((r for r, title in ROLE_TITLES.items() if title.casefold() == plain), None)


def regions_from_layers(layers: Iterable[Any], *, slide: str | None = None) -> Regions:
    """Return what is drawn in the layers of a viewer.

    Parameters
    ----------
    layers
        A viewer's layers, or a viewer.
    slide
        Name of the slide whose layers count; None takes all. Layers that belong to no slide
        count always.

    Returns
    -------
    Regions
        In µm, only the roles that hold something. A layer as it was made gives back the very
        geometry it was made from; one that was changed is read shape by shape. Outlines that
        cross themselves are mended as on import; shapes without area are passed over.
    """
    drawn: defaultdict[str, list[BaseGeometry]] = defaultdict(list)
    for layer in getattr(layers, "layers", layers):
        role = role_of(layer)
        if role is None:
            continue
        owner = (layer.metadata.get("immunescape") or {}).get("slide")
        if slide is not None and owner and owner != slide:
            continue
        geometry = geometry_of(layer, line=role == "margin_line")
        if not geometry.is_empty:
            drawn[role].append(geometry)
    shapes = {}
    for role, parts in sorted(drawn.items()):
        shapes[role] = parts[0] if len(parts) == 1 else shapely.union_all(parts)
    return Regions(shapes)


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
