"""Regions as napari's Shapes, and back; holes, ellipses and lines survive."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.napari.colours import ROLE_COLOURS, rgba
from immunescape.napari.drawn_geometry import AREA, HOLE, PART, geometry_of, shapes_of
from immunescape.regions import ANNOTATION_ROLES, Regions

__all__ = [
    "ROLE_TITLES",
    "regions_from_layers",
    "regions_layers",
    "role_of",
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
