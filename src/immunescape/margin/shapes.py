"""The regions of a slide as geometry, and what an annotation takes out of them."""

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.io.masks import polygons_from_mask
from immunescape.margin.grid import GridMask, rasterise
from immunescape.regions import Regions

__all__ = [
    "LEFT_OUT",
    "NOT_STROMA",
    "NO_TUMOUR",
    "analysed_tissue",
    "control_mask",
    "left_out",
    "no_stroma_area",
    "polygons_of",
    "region_shapes",
]

NOT_STROMA = ("lymphoid", "epidermis", "nerve")
"""Annotations that are tissue but no stroma."""
NO_TUMOUR = ("epidermis", "nerve")
"""Annotations whose melanocytes and Schwann cells look like tumour cells and are none."""
LEFT_OUT = ("excluded", "necrosis", "control")
"""Annotations that are taken from the analysed tissue."""


def left_out(annotations: Regions, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell for each ``(n, 2)`` point whether a person took its place out of the analysis.

    Those are points in ``excluded``, ``necrosis`` or ``control``, and where ``analysed`` is drawn,
    those outside it.
    """
    out = np.zeros(len(points_um), bool)
    for role in LEFT_OUT:
        if role in annotations:
            out |= annotations.covers(role, points_um)
    if "analysed" in annotations:
        out |= ~annotations.covers("analysed", points_um)
    return out


def control_mask(annotations: Regions, points_um: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Tell for each ``(n, 2)`` point whether it lies in drawn control tissue.

    Such cells are no part of the analysis, but show that the stains worked.
    """
    if "control" not in annotations:
        return np.zeros(len(points_um), bool)
    return annotations.covers("control", points_um)


def no_stroma_area(annotations: Regions, frame: BaseGeometry, *, nodal: bool) -> BaseGeometry:
    """Return what is no stroma outside the tumour; in a node, all but the stroma drawn, if any."""
    area = shapely.union_all([annotations.get(role) for role in NOT_STROMA])
    if nodal and "stroma_area" in annotations:
        area = area.union(frame.difference(annotations["stroma_area"]))
    return area


def analysed_tissue(tissue: GridMask, annotations: Regions) -> GridMask:
    """Return the tissue that counts: within ``analysed`` where drawn, less what was left out.

    It is the rule of `left_out` by the middle of each grid cell.
    """
    mask = tissue.mask
    if "analysed" in annotations:
        mask = mask & rasterise(annotations["analysed"], tissue).mask
    for role in LEFT_OUT:
        if role in annotations:
            mask = mask & ~rasterise(annotations[role], tissue).mask
    return tissue.with_mask(mask)


def polygons_of(shape: BaseGeometry) -> shapely.MultiPolygon:
    """Return the areas of any geometry."""
    parts = [
        p for p in shapely.get_parts(shapely.get_parts(shape)) if isinstance(p, shapely.Polygon)
    ]
    return shapely.MultiPolygon([p for p in parts if not p.is_empty])


def region_shapes(
    tissue: GridMask,
    annotations: Regions,
    tumour: shapely.MultiPolygon,
    interface: BaseGeometry,
    width_um: float,
    *,
    no_stroma: BaseGeometry,
    clip_tumour: bool,
) -> Regions:
    """Return the regions as geometry, for pictures and QuPath.

    What was drawn is among them under its own role, so that the file of one result, given back
    as annotations, repeats it.
    """
    frame = shapely.box(0, 0, *tissue.frame_um)
    found: BaseGeometry = frame
    if not tissue.mask.all():
        found = frame.intersection(polygons_from_mask(tissue.mask, tissue.grid_um))
    left_out = shapely.union_all([annotations.get(role) for role in LEFT_OUT]).intersection(frame)
    if "analysed" in annotations:
        left_out = left_out.union(frame.difference(annotations["analysed"]))
    analysed = found.difference(left_out)
    stroma = analysed.difference(tumour).difference(no_stroma)
    # Jags finer than the grid cost minutes in a buffer and move no outline of it by a cell.
    zone = interface.simplify(max(tissue.grid_um / 4, width_um / 100)).buffer(width_um)
    within = analysed.intersection(tumour)
    drawn = {role: annotations[role] for role in annotations if role not in ("tumour", "excluded")}
    return Regions(
        {
            "tumour": polygons_of(tumour.intersection(found)) if clip_tumour else tumour,
            "centre": polygons_of(within.difference(zone)),
            "inner_margin": polygons_of(within.intersection(zone)),
            "outer_margin": polygons_of(stroma.intersection(zone)),
            "stroma": polygons_of(stroma.difference(zone)),
            "tissue": polygons_of(found),
            "excluded": polygons_of(left_out),
            "interface": interface,
            **drawn,
        }
    )
