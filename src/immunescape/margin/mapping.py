"""From tumour, tissue and annotations to regions, distances and areas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.margin.grid import GridMask, number_pieces, rasterise
from immunescape.margin.interface import (
    distance_um,
    frame_distance_um,
    grid_distance_um,
    line_interface,
    outline,
)
from immunescape.margin.shapes import LEFT_OUT, NOT_STROMA, polygons_of, region_shapes
from immunescape.params import Between, Params
from immunescape.regions import Regions
from immunescape.results import RegionAreas

__all__ = ["MarginMap", "MarginParams", "map_margin"]

_PARTS = ("centre", "inner_margin", "outer_margin", "stroma")
_EXCLUDED = len(_PARTS)


@dataclass(frozen=True, kw_only=True)
class MarginParams(Params):
    """How wide the margin is, and how distance to it is counted.

    Parameters
    ----------
    width_um
        Width of the margin on each side of the tumour outline. Others use 40 (ImmunoProfile), 360
        (MSKCC melanoma) or 500 (1 mm zone of the TIL working group).
    band_um
        Width of one band of the profile over distance.
    band_reach_um
        How far the profile reaches into the tumour and out of it.
    edge_tolerance_um
        A tumour outline nearer than this to the end of the analysed tissue is no margin there.
    """

    width_um: Annotated[float, Between(5, 2000, step=5, unit="µm")] = 100.0
    band_um: Annotated[float, Between(1, 500, step=1, unit="µm")] = 20.0
    band_reach_um: Annotated[float, Between(1, 5000, step=10, unit="µm")] = 500.0
    edge_tolerance_um: Annotated[float, Between(0, 100, step=0.5, unit="µm")] = 4.0


@dataclass(frozen=True, eq=False)
class MarginMap:
    """Regions of one slide: their areas, their shapes, and the region of any cell.

    Parameters
    ----------
    areas
        Areas of regions and bands, and what cannot be judged.
    regions
        ``tumour, centre, inner_margin, outer_margin, stroma, tissue, excluded, interface`` in
        µm; those of a tumour are clipped to the frame, the others to analysed tissue.
    analysed
        Analysed tissue on the working grid: it gives the areas and says which cells count.
    not_stroma
        Grid cells of classes that are tissue but no stroma.
    pieces
        Number of the tissue piece of each grid cell, the largest is 1, 0 is off the tissue.
    width_um
        Width of the margin on each side.
    warnings
        What a reader of the numbers should know.
    """

    areas: RegionAreas
    regions: Regions
    analysed: GridMask
    not_stroma: GridMask
    pieces: npt.NDArray[Any]
    width_um: float
    warnings: tuple[str, ...] = ()

    def locate(self, points_um: npt.NDArray[np.float64]) -> pd.DataFrame:
        """Return the region, distance and piece of each point.

        Parameters
        ----------
        points_um
            ``(n, 2)`` x and y in µm; none give a table without rows.

        Returns
        -------
        pandas.DataFrame
            One row a point: ``region`` (one of the four, or ``excluded`` where the working grid has
            no analysed tissue, or tissue outside the tumour that is no stroma),
            ``distance_to_margin_um`` (exact, negative inside the tumour; NaN without an
            interface), ``edge_censored`` (nearer to the frame than to the interface; never
            without one), ``piece`` (0 off the tissue). A point just on the tumour outline is
            inside, one at just the margin's width belongs to the margin. Without an interface
            the tumour is all ``centre`` and the rest all ``stroma``.
        """
        points = np.asarray(points_um, np.float64).reshape(-1, 2)
        tumour, interface = self.regions["tumour"], self.regions["interface"]
        inside = self.regions.covers("tumour", points)
        if tumour.is_empty:
            inside = np.zeros(len(points), bool)
        distance = distance_um(points, interface)
        code = _code(inside, distance, self.width_um)
        code[~self.analysed.at(points) | (~inside & self.not_stroma.at(points))] = _EXCLUDED
        to_frame = frame_distance_um(points[:, 0], points[:, 1], self.analysed.frame_um)
        names = np.array([*_PARTS, "excluded"], dtype=object)
        return pd.DataFrame(
            {
                "region": names[code],
                "distance_to_margin_um": np.where(inside, -distance, distance),
                "edge_censored": to_frame < distance,
                "piece": self.pieces[self.analysed.index(points)].astype(np.int64),
            }
        )


def map_margin(
    tissue: GridMask,
    annotations: Regions,
    tumour: BaseGeometry,
    tumour_source: str,
    site: str = "",
    params: MarginParams = MarginParams(),
) -> MarginMap:
    """Divide analysed tissue by its distance to the tumour margin.

    Parameters
    ----------
    tissue
        Tissue of the slide on the working grid on which areas are counted.
    annotations
        What was drawn. ``analysed`` limits the tissue, ``excluded``, ``necrosis`` and ``control``
        are taken from it; a ``margin_line`` replaces the tumour outline, the tumour still says
        which side is inside; ``lymphoid``, ``epidermis`` and ``nerve`` are no stroma. Its
        ``tumour`` is not looked at.
    tumour
        The tumour region in µm; an empty one is a result.
    tumour_source
        ``drawn``, ``imported`` or ``derived``.
    site
        Where the lesion was; ``lymph_node``, however the two words are joined, makes the outer
        side not evaluable unless lymphoid tissue is drawn and tissue remains outside it.
    params
        Widths.

    Returns
    -------
    MarginMap
        Areas count grid cells whose middle lies in a region, by the same signs and thresholds as
        `MarginMap.locate` decides for cells; a straight margin of 100 µm is exact to within one
        row of grid cells, which is 1 % at just 45° and next to nothing at most angles.
    """
    warnings: list[str] = []
    frame = shapely.box(0, 0, *tissue.frame_um)
    tumour = polygons_of(shapely.intersection(shapely.make_valid(tumour), frame))
    analysed = tissue
    if "analysed" in annotations:
        analysed = _and(analysed, rasterise(annotations["analysed"], tissue))
    for role in LEFT_OUT:
        if role in annotations:
            analysed = _and(analysed, rasterise(annotations[role], tissue), inverse=True)
    not_stroma = rasterise(
        shapely.union_all([annotations.get(role) for role in NOT_STROMA]), tissue
    )
    drawn_line = annotations.get("margin_line")
    if tumour.is_empty:
        interface: BaseGeometry = shapely.MultiLineString()
        if not drawn_line.is_empty:
            warnings.append(
                "a margin line is drawn but there is no tumour region to tell its inner side"
            )
    elif not drawn_line.is_empty:
        interface = line_interface(drawn_line, analysed, params.edge_tolerance_um)
        if interface.is_empty:
            warnings.append("the drawn margin line lies outside the analysed tissue")
        elif shapely.boundary(tumour).distance(interface) > params.width_um:
            warnings.append(
                "the drawn margin line is farther from the tumour outline than the margin's width"
            )
    else:
        interface = outline(tumour, analysed, params.edge_tolerance_um)

    counted = _count(analysed, not_stroma, tumour, interface, params)
    beyond = analysed.mask & ~not_stroma.mask & ~rasterise(tumour, tissue).mask
    nodal = _is_lymph_node(site) and not ("lymphoid" in annotations and bool(beyond.any()))
    areas = RegionAreas(
        areas_mm2=_with_sums(counted.parts_um2),
        not_evaluable=_not_evaluable(tumour, interface, nodal),
        bands=counted.bands,
        edge_censored_mm2=counted.censored_um2 / 1e6,
        margin_width_um=params.width_um,
        margin_length_mm=float(interface.length) / 1e3,
        tumour_source="" if tumour.is_empty else tumour_source,
    )
    return MarginMap(
        areas=areas,
        regions=region_shapes(tissue, annotations, tumour, interface, params.width_um),
        analysed=analysed,
        not_stroma=not_stroma,
        pieces=number_pieces(tissue),
        width_um=params.width_um,
        warnings=tuple(warnings),
    )


def _is_lymph_node(site: str) -> bool:
    return re.sub(r"[^a-z]", "", site.casefold()) in ("lymphnode", "lymphnodes")


def _and(grid: GridMask, other: GridMask, *, inverse: bool = False) -> GridMask:
    return grid.with_mask(grid.mask & (~other.mask if inverse else other.mask))


def _code(
    inside: npt.NDArray[np.bool_], distance: npt.NDArray[np.float64], width_um: float
) -> npt.NDArray[np.int8]:
    """Return the index into ``_PARTS``; a distance of NaN is far from any margin."""
    near = distance <= width_um
    return np.where(inside, np.where(near, 1, 0), np.where(near, 2, 3)).astype(np.int8)


@dataclass(frozen=True, eq=False)
class _Counted:
    parts_um2: npt.NDArray[np.float64]
    bands: pd.DataFrame
    censored_um2: float


def _count(
    analysed: GridMask,
    not_stroma: GridMask,
    tumour: BaseGeometry,
    interface: BaseGeometry,
    params: MarginParams,
) -> _Counted:
    """Add up the area of each region and band, some rows of the grid at a time."""
    inside = rasterise(tumour, analysed).mask
    counted = analysed.mask & (inside | ~not_stroma.mask)
    number = int(np.ceil(params.band_reach_um / params.band_um - 1e-9))
    edges = np.arange(-number, number + 1) * params.band_um
    parts, in_bands, censored = np.zeros(len(_PARTS)), np.zeros(2 * number), 0.0
    if interface.is_empty:
        everywhere = np.full(analysed.mask.shape[1], np.nan)
        strips = ((slice(row, row + 1), everywhere[None]) for row in range(analysed.mask.shape[0]))
    else:
        strips = ((rows, far) for rows, far in grid_distance_um(interface, analysed))
    for rows, distance in strips:
        use = counted[rows]
        area = np.broadcast_to(analysed.heights_um[rows, None] * analysed.widths_um, use.shape)[use]
        within, far = inside[rows][use], distance[use]
        parts += np.bincount(_code(within, far, params.width_um), area, len(_PARTS))
        to_frame = np.broadcast_to(
            frame_distance_um(analysed.x_um, analysed.y_um[rows, None], analysed.frame_um),
            use.shape,
        )[use]
        cut = to_frame < far
        censored += float(area[cut].sum())
        signed = np.where(within, -far, far)
        kept = ~cut & (signed >= edges[0]) & (signed < edges[-1])
        band = np.searchsorted(edges, signed[kept], side="right") - 1
        in_bands += np.bincount(band, area[kept], 2 * number)
    bands = pd.DataFrame({"from_um": edges[:-1], "to_um": edges[1:], "area_mm2": in_bands / 1e6})
    return _Counted(parts, bands.iloc[:0] if interface.is_empty else bands, censored)


def _with_sums(parts_um2: npt.NDArray[np.float64]) -> Mapping[str, float]:
    centre, inner, outer, stroma = (float(a) / 1e6 for a in parts_um2)
    return {
        "centre": centre,
        "inner_margin": inner,
        "outer_margin": outer,
        "stroma": stroma,
        "margin": inner + outer,
        "tumour": centre + inner,
        "tissue": centre + inner + outer + stroma,
    }


def _not_evaluable(tumour: BaseGeometry, interface: BaseGeometry, nodal: bool) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if interface.is_empty:
        reason = "the tumour has no margin within the analysed tissue"
        if tumour.is_empty:
            reason = "no tumour region on this slide"
            found["tumour"] = reason
        found |= dict.fromkeys(("centre", "inner_margin", "outer_margin", "margin"), reason)
    if nodal:
        for name in ("outer_margin", "stroma", "margin"):
            found.setdefault(
                name, "lymph node: the node's own lymphoid tissue is not told from stroma"
            )
    return found
