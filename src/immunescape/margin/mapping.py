"""From tumour, tissue and annotations to regions, distances and areas."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.margin.counting import PARTS, count_areas, part_code
from immunescape.margin.doubts import is_lymph_node, line_doubts, margin_doubts, tissue_doubts
from immunescape.margin.grid import GridMask, number_pieces, rasterise
from immunescape.margin.interface import distance_um, frame_distance_um, line_interface, outline
from immunescape.margin.shapes import (
    analysed_tissue,
    no_stroma_area,
    polygons_of,
    region_shapes,
)
from immunescape.params import Between, Params
from immunescape.regions import Regions
from immunescape.results import RegionAreas

__all__ = ["MarginMap", "MarginParams", "map_margin"]

_EXCLUDED = len(PARTS)


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
        µm, and what was drawn under its own role. The tumour is clipped to the frame, and to
        tissue where it was derived; the others to analysed tissue.
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
            interface), ``edge_censored`` (nearer to the frame, or to what was not imaged, than to
            the interface; never without one), ``piece`` (0 off the tissue). A point just on the
            tumour outline is inside, one at just the margin's width belongs to the margin. Without
            an interface the tumour is all ``centre`` and the rest all ``stroma``.
        """
        points = np.asarray(points_um, np.float64).reshape(-1, 2)
        tumour, interface = self.regions["tumour"], self.regions["interface"]
        inside = self.regions.covers("tumour", points)
        if tumour.is_empty:
            inside = np.zeros(len(points), bool)
        distance = distance_um(points, interface)
        code = part_code(inside, distance, self.width_um)
        code[~self.analysed.at(points) | (~inside & self.not_stroma.at(points))] = _EXCLUDED
        to_frame = frame_distance_um(points[:, 0], points[:, 1], self.analysed.frame_um)
        if (gaps := self.analysed.gaps) is not None:
            to_frame = np.minimum(to_frame, gaps.distance_um[self.analysed.index(points)])
        names = np.array([*PARTS, "excluded"], dtype=object)
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
        which side is inside, and where the line leaves the outline out there is no margin;
        ``lymphoid``, ``epidermis`` and ``nerve`` are no stroma. In a lymph node a
        ``stroma_area`` is all the stroma there is. Its ``tumour`` is not looked at.
    tumour
        The tumour region in µm; an empty one is a result.
    tumour_source
        ``drawn``, ``imported`` or ``derived``.
    site
        Where the lesion was; ``lymph_node``, however the two words are joined, makes the outer
        side not evaluable unless lymphoid tissue or stroma is drawn and stroma remains.
    params
        Widths.

    Returns
    -------
    MarginMap
        Areas count grid cells whose middle lies in a region, by the same signs and thresholds as
        `MarginMap.locate` decides for cells; a straight margin of 100 µm is exact to within one
        row of grid cells, which is 1 % at just 45° and next to nothing at most angles.
    """
    frame = shapely.box(0, 0, *tissue.frame_um)
    tumour = polygons_of(shapely.intersection(shapely.make_valid(tumour), frame))
    analysed = analysed_tissue(tissue, annotations)
    inside = rasterise(tumour, tissue)
    node = is_lymph_node(site)
    no_stroma = no_stroma_area(annotations, frame, nodal=node)
    not_stroma = rasterise(no_stroma, tissue)
    interface, line_warnings = _interface(tumour, annotations, analysed, params)
    counted = count_areas(
        analysed.with_mask(analysed.mask & (inside.mask | ~not_stroma.mask)),
        inside,
        interface,
        params.width_um,
        params.band_um,
        params.band_reach_um,
    )
    beyond = bool((analysed.mask & ~not_stroma.mask & ~inside.mask).any())
    told = "lymphoid" in annotations or "stroma_area" in annotations
    doubts = margin_doubts(
        tumour,
        interface,
        annotations,
        analysed,
        tumour_area_um2=counted.areas_mm2["tumour"] * 1e6,
        nodal=node and not (told and beyond),
        width_um=params.width_um,
        tolerance_um=params.edge_tolerance_um,
    )
    unused: tuple[str, ...] = ()
    if "stroma_area" in annotations and not node:
        unused = (
            "Stroma is drawn; it is used in lymph nodes only: all tissue outside the tumour is "
            "stroma here",
        )
    areas = RegionAreas(
        areas_mm2=counted.areas_mm2,
        not_evaluable=doubts.not_evaluable,
        bands=counted.bands,
        edge_censored_mm2=counted.censored_mm2,
        margin_width_um=params.width_um,
        margin_length_mm=float(interface.length) / 1e3,
        tumour_source="" if tumour.is_empty else tumour_source,
        by_block=counted.by_block,
    )
    return MarginMap(
        areas=areas,
        regions=region_shapes(
            tissue,
            annotations,
            tumour,
            interface,
            params.width_um,
            no_stroma=no_stroma,
            clip_tumour=tumour_source == "derived",
        ),
        analysed=analysed,
        not_stroma=not_stroma,
        pieces=number_pieces(tissue),
        width_um=params.width_um,
        warnings=(*tissue_doubts(tissue, analysed), *line_warnings, *doubts.warnings, *unused),
    )


def _interface(
    tumour: BaseGeometry, annotations: Regions, analysed: GridMask, params: MarginParams
) -> tuple[BaseGeometry, tuple[str, ...]]:
    """Return the drawn margin line, else the outline; and how far the one is from the other."""
    if tumour.is_empty:
        return shapely.MultiLineString(), ()
    found = outline(tumour, analysed, params.edge_tolerance_um)
    drawn = annotations.get("margin_line")
    if drawn.is_empty:
        return found, ()
    line = line_interface(drawn, analysed, params.edge_tolerance_um)
    return line, () if line.is_empty else line_doubts(line, found, tumour, params.width_um)
