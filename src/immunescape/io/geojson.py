"""QuPath annotations: GeoJSON in, in pixels; regions in µm; and back."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import shapely
import shapely.geometry
from shapely.geometry.base import BaseGeometry

from immunescape.errors import AnnotationError
from immunescape.io.output import atomic_path
from immunescape.regions import Regions

__all__ = ["read_annotations", "read_regions", "write_regions"]

_ROLES = {
    "tumor": "tumour",
    "tumour": "tumour",
    "margin": "margin_line",
    "marginline": "margin_line",
    "region": "analysed",
    "ignore": "excluded",
    "artefact": "excluded",
    "artifact": "excluded",
    "necrosis": "necrosis",
    "control": "control",
    "lymphoid": "lymphoid",
    "epidermis": "epidermis",
    "nerve": "nerve",
    "stroma": "stroma_area",
}
"""Class names without case, spaces and QuPath's marks, and what they mean."""

_CLASSES: Mapping[str, tuple[str, tuple[int, int, int]]] = {
    "tumour": ("Tumor", (200, 0, 0)),
    "margin_line": ("Margin line", (255, 160, 0)),
    "analysed": ("Region*", (0, 0, 180)),
    "excluded": ("Ignore*", (180, 180, 180)),
    "necrosis": ("Necrosis", (50, 50, 50)),
    "control": ("Control", (0, 160, 160)),
    "lymphoid": ("Lymphoid", (120, 80, 200)),
    "epidermis": ("Epidermis", (230, 170, 120)),
    "nerve": ("Nerve", (220, 220, 60)),
    "stroma_area": ("Stroma", (150, 200, 150)),
    "tissue": ("Result: Tissue", (120, 120, 120)),
    "centre": ("Result: Centre", (150, 20, 60)),
    "inner_margin": ("Result: Inner margin", (230, 80, 60)),
    "outer_margin": ("Result: Outer margin", (80, 150, 230)),
    "stroma": ("Result: Stroma", (170, 220, 170)),
    "interface": ("Result: Interface", (255, 220, 0)),
}
"""Class name and colour under which a region is written.

What follows from the annotations is below ``Result``, so that nobody takes it for one of them.
"""
_RESULT = "result:"

_NOT_DRAWN = {
    "cell": "cell objects",
    "pathcellobject": "cell objects",
    "detection": "detection objects",
    "pathdetectionobject": "detection objects",
    "tile": "tile objects",
    "pathtileobject": "tile objects",
    "tmacore": "TMA core objects",
    "pathtmacoreobject": "TMA core objects",
    "root": "root objects",
    "pathrootobject": "root objects",
}
_AREAS = ("Polygon", "MultiPolygon")
_LINES = ("LineString", "MultiLineString", "LinearRing")


def read_annotations(
    path: Path,
    *,
    pixel_size_um: float,
    slide_name: str,
    shape: tuple[int, int] | None = None,
) -> Regions:
    """Read areas and lines drawn in QuPath.

    Class names are matched whole, without regard to case, spaces, QuPath's trailing ``*`` and
    American or British spelling. Objects of one class are united, areas that cross themselves
    are mended, holes are kept. Objects without a class, with a class that means nothing to us,
    without a geometry, and cells, detections or tiles are counted in ``Regions.unknown``; the
    results that `write_regions` wrote among the annotations are passed over.

    Parameters
    ----------
    path
        A ``.geojson`` file: a FeatureCollection, one Feature, or a list of Features, in pixels
        of the full-resolution slide.
    pixel_size_um
        Edge of a full-resolution pixel in µm.
    slide_name
        Name of the slide, for messages.
    shape
        Height and width of the slide in pixels; None skips the check that something of what
        was drawn lies on it.

    Returns
    -------
    Regions
        Only the roles that the file draws; a margin line is a MultiLineString, all else a
        MultiPolygon. A file without any known class gives regions without shapes.

    Raises
    ------
    AnnotationError
        If the file cannot be read, is not GeoJSON or holds no object, a known class has the
        wrong kind of geometry, a coordinate is not a finite number, or everything known was
        drawn outside the slide.
    """
    name = Path(path).name
    drawn: defaultdict[str, list[BaseGeometry]] = defaultdict(list)
    unknown: Counter[str] = Counter()
    for feature in _features(Path(path)):
        properties = feature.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        kind = _object_kind(feature, properties)
        label = _class_name(properties)
        role = _ROLES.get(_plain(label))
        if _plain(label).startswith(_RESULT):
            continue
        if kind is not None:
            unknown[kind] += 1
        elif feature.get("geometry") is None:
            unknown["objects without geometry"] += 1
        elif role is None:
            unknown[label or "unclassified"] += 1
        else:
            drawn[role].append(_geometry(feature["geometry"], role, label, name))
    pixels = {role: _united(role, shapes) for role, shapes in drawn.items()}
    if empty := [role for role, drawing in pixels.items() if drawing.is_empty]:
        raise AnnotationError(
            f"{name}: what is drawn as {_CLASSES[empty[0]][0]} encloses nothing; draw it again"
        )
    if shape is not None and pixels:
        frame = shapely.box(0, 0, shape[1], shape[0])
        if not any(frame.intersects(drawing) for drawing in pixels.values()):
            raise AnnotationError(
                f"{name}: everything drawn lies outside {slide_name} ({shape[1]} x {shape[0]} "
                "pixels); export the annotations of this slide, in full-resolution pixels"
            )
    shapes = {
        role: shapely.transform(drawing, lambda xy: xy * pixel_size_um)
        for role, drawing in sorted(pixels.items())
    }
    return Regions(shapes, dict(sorted(unknown.items())))


def read_regions(path: Path, *, pixel_size_um: float) -> Regions:
    """Read back what `write_regions` wrote, results and proposals included.

    Parameters
    ----------
    path
        The ``regions.geojson`` of a result.
    pixel_size_um
        Edge of a full-resolution pixel in µm.

    Returns
    -------
    Regions
        Under the names they were written from, to a thousandth of a pixel.

    Raises
    ------
    AnnotationError
        If the file cannot be read or an object has no geometry that can be understood.
    """
    names = {label: name for name, (label, _) in _CLASSES.items()}
    shapes: dict[str, BaseGeometry] = {}
    for feature in _features(path):
        label = _class_name(feature.get("properties") or {})
        try:
            pixels = shapely.geometry.shape(feature["geometry"])
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.GEOSException):
            raise AnnotationError(
                f"{path.name}: the object {label or 'without a class'} has no geometry; "
                "make the result again with --overwrite"
            ) from None
        name = names.get(label, label)
        shape = shapely.transform(pixels, lambda xy: xy * pixel_size_um)
        shapes[name] = shapely.union(shapes[name], shape) if name in shapes else shape
    return Regions(shapes)


def write_regions(path: Path, regions: Regions, pixel_size_um: float) -> None:
    """Write regions as annotations that QuPath opens on the slide.

    Parameters
    ----------
    path
        File to write; it appears only when it is complete.
    regions
        Shapes in µm; empty ones are left out, names we have no class for are written as they
        are. Areas of the annotation roles are read back by `read_annotations`.
    pixel_size_um
        Edge of a full-resolution pixel in µm; coordinates are written in pixels, to a thousandth.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    features = []
    for name in regions:
        if regions[name].is_empty:
            continue
        label, colour = _CLASSES.get(name, (name, (128, 128, 128)))
        pixels = shapely.transform(regions[name], lambda xy: np.round(xy / pixel_size_um, 3))
        features.append(
            {
                "type": "Feature",
                "geometry": shapely.geometry.mapping(pixels),
                "properties": {
                    "objectType": "annotation",
                    "name": label,
                    "classification": {"name": label, "color": list(colour)},
                    "isLocked": True,
                },
            }
        )
    text = json.dumps({"type": "FeatureCollection", "features": features}, separators=(",", ":"))
    with atomic_path(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


def _features(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise AnnotationError(
            f"{path.name} cannot be read ({error.strerror}); check the path of the annotations"
        ) from None
    except (ValueError, RecursionError):
        raise AnnotationError(
            f"{path.name} is not JSON; export the annotations from QuPath as GeoJSON"
        ) from None
    if isinstance(content, dict) and content.get("type") == "FeatureCollection":
        content = content.get("features")
    elif isinstance(content, dict) and content.get("type") == "Feature":
        content = [content]
    if not isinstance(content, list) or not all(
        isinstance(item, dict) and item.get("type") == "Feature" for item in content
    ):
        raise AnnotationError(
            f"{path.name} is JSON but not GeoJSON features; "
            "export the annotations from QuPath as GeoJSON"
        )
    if not content:
        raise AnnotationError(
            f"{path.name} holds no objects; draw the tumour, or leave the annotations away"
        )
    return content


def _object_kind(feature: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    """Return what to count the object as where it was not drawn as an annotation."""
    for value in (properties.get("objectType"), properties.get("object_type"), feature.get("id")):
        if isinstance(value, str) and (kind := _NOT_DRAWN.get(_plain(value))):
            return kind
    return None


def _class_name(properties: Mapping[str, Any]) -> str:
    given = properties.get("classification")
    if isinstance(given, dict):
        names = given.get("names")
        given = ": ".join(map(str, names)) if isinstance(names, list) else given.get("name")
    return given.strip() if isinstance(given, str) else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_*-]+", "", name).lower()


def _geometry(given: Any, role: str, label: str, name: str) -> BaseGeometry:
    kind = given.get("type") if isinstance(given, dict) else None
    if kind == "GeometryCollection" and isinstance(given.get("geometries"), list):
        parts = [_geometry(part, role, label, name) for part in given["geometries"]]
        return _united(role, parts)
    fits = _AREAS + _LINES if role == "margin_line" else _AREAS
    if kind not in fits:
        wanted = "a line" if role == "margin_line" else "an area"
        raise AnnotationError(
            f"{name}: an object of class {label} is a {kind}; draw it as {wanted}"
        )
    if not _all_finite(given.get("coordinates")):
        raise AnnotationError(
            f"{name}: an object of class {label} has a coordinate that is not a number; "
            "export the annotations again"
        )
    try:
        shape = shapely.force_2d(shapely.geometry.shape(given))
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, shapely.GEOSException):
        raise AnnotationError(
            f"{name}: an object of class {label} has coordinates that make no {kind}; "
            "export the annotations again"
        ) from None
    if role == "margin_line":
        return shapely.boundary(shape) if kind in _AREAS else shape
    return _areas_of([shapely.make_valid(shape, method="structure", keep_collapsed=False)])


def _all_finite(coordinates: Any) -> bool:
    """Tell whether nested lists hold no NaN and no infinity; what is no number passes."""
    if isinstance(coordinates, list):
        return all(map(_all_finite, coordinates))
    return not isinstance(coordinates, float) or math.isfinite(coordinates)


def _united(role: str, shapes: Iterable[BaseGeometry]) -> BaseGeometry:
    together = shapely.union_all(list(shapes))
    if role != "margin_line":
        return _areas_of([together])
    lines = [p for p in shapely.get_parts(together) if p.geom_type in _LINES]
    return shapely.MultiLineString([shapely.LineString(p) for p in lines])


def _areas_of(shapes: Iterable[BaseGeometry]) -> shapely.MultiPolygon:
    parts: list[shapely.Polygon] = []
    waiting = list(shapes)
    while waiting:
        shape = waiting.pop()
        if isinstance(shape, shapely.Polygon):
            parts += [shape] if not shape.is_empty else []
        else:
            waiting += list(shapely.get_parts(shape))[::-1] if hasattr(shape, "geoms") else []
    return shapely.MultiPolygon(parts)
