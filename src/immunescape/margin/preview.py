"""The margin as it is seen while it is being set: bands at any width within a moment."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from immunescape.margin.doubts import is_lymph_node
from immunescape.margin.grid import GridMask, rasterise
from immunescape.margin.interface import line_interface, outline
from immunescape.margin.mapping import MarginParams
from immunescape.margin.shapes import analysed_tissue, no_stroma_area, polygons_of
from immunescape.regions import Regions

__all__ = ["INNER", "OUTER", "MarginGround", "margin_ground"]

INNER, OUTER = 1, 2
"""What `MarginGround.codes` says of the margin's two sides; 0 is neither."""

_FINEST_UM = 0.5
_CELLS = 1_500_000
_NEAR_UM = 0.01
"""The interface lies on the outline to within far less than this."""


@dataclass(frozen=True, eq=False)
class MarginGround:
    """All of the margin that does not depend on its width.

    Parameters
    ----------
    interface
        The counted part of the outline, or of the drawn margin line, in µm.
    not_counted
        The rest of it: at the frame, at glass, at what was left out.
    at_frame_um
        Length of the part of ``not_counted`` that lies at the frame of the image.
    distance_um
        ``(y, x)`` float32, signed distance of the middle of each cell to the interface, negative
        in the tumour; NaN where nothing is counted, and everywhere without an interface.
    grid_um
        Edge of one of its cells; the first begins at the slide's origin.
    tumour
        The tumour within the frame.
    """

    interface: BaseGeometry
    not_counted: BaseGeometry
    at_frame_um: float
    distance_um: npt.NDArray[np.float32]
    grid_um: float
    tumour: BaseGeometry

    @property
    def length_mm(self) -> float:
        """Length of the counted part in mm."""
        return float(self.interface.length) / 1e3

    def codes(self, width_um: float) -> npt.NDArray[np.uint8]:
        """Return the bands at a width as a picture: ``INNER``, ``OUTER`` or 0.

        Parameters
        ----------
        width_um
            Width on each side; what lies at just that distance belongs to the band.

        Returns
        -------
        numpy.ndarray
            ``(y, x)`` uint8. For the eye: areas are counted on the working grid.
        """
        with np.errstate(invalid="ignore"):
            within = np.abs(self.distance_um) <= width_um
            codes = np.where(self.distance_um < 0, INNER, OUTER).astype(np.uint8)
        codes[~within] = 0
        return codes

    def edges(self, width_um: float) -> shapely.MultiLineString:
        """Return where the bands end at a width, as lines in µm; tissue does not cut them."""
        if self.interface.is_empty:
            return shapely.MultiLineString()
        # Jags finer than a hundredth of the width cost minutes in a buffer and cannot be seen.
        zone = self.interface.simplify(width_um / 100).buffer(width_um)
        frame = shapely.box(0, 0, *(n * self.grid_um for n in self.distance_um.shape[::-1]))
        return _lines_of(shapely.intersection(shapely.boundary(zone), frame))


def margin_ground(
    tissue: GridMask,
    annotations: Regions,
    tumour: BaseGeometry,
    site: str = "",
    params: MarginParams = MarginParams(),
    *,
    most_cells: int = _CELLS,
) -> MarginGround:
    """Find the interface and the distance to it, for a picture of the margin.

    Interface, sides and what counts are found as by `map_margin`, so that the picture shows what
    will be counted; the distance is on a grid that a screen can show.

    Parameters
    ----------
    tissue
        Tissue on the working grid; where it is not known yet, the whole frame.
    annotations, tumour, site, params
        As for `map_margin`; the width is not looked at.
    most_cells
        Bound of the number of cells of the grid.
    """
    frame = shapely.box(0, 0, *tissue.frame_um)
    tumour = polygons_of(shapely.intersection(shapely.make_valid(tumour), frame))
    analysed = analysed_tissue(tissue, annotations)
    edge: BaseGeometry = shapely.boundary(tumour)
    interface: BaseGeometry = shapely.MultiLineString()
    if not tumour.is_empty:
        drawn = annotations.get("margin_line")
        if drawn.is_empty:
            interface = outline(tumour, analysed, params.edge_tolerance_um)
        else:
            interface = line_interface(drawn, analysed, params.edge_tolerance_um)
            edge = shapely.intersection(drawn, frame)
    rest: BaseGeometry = (
        edge if interface.is_empty else shapely.difference(edge, interface.buffer(_NEAR_UM))
    )
    rest = _lines_of(rest)
    at_frame = rest.intersection(shapely.boundary(frame).buffer(params.edge_tolerance_um)).length
    width, height = tissue.frame_um
    grid_um = max(_FINEST_UM, float(np.sqrt(width * height / most_cells)))
    fine = GridMask.whole(tissue.frame_um, grid_um)
    if interface.is_empty:
        distance = np.full(fine.mask.shape, np.nan, np.float32)
    else:
        no_stroma = no_stroma_area(annotations, frame, nodal=is_lymph_node(site))
        distance = _distance(interface, fine, rasterise(tumour, fine).mask, analysed, no_stroma)
    return MarginGround(interface, rest, float(at_frame), distance, grid_um, tumour)


def _lines_of(shape: BaseGeometry) -> shapely.MultiLineString:
    lines = [p for p in shapely.get_parts(shape) if isinstance(p, shapely.LineString)]
    return shapely.MultiLineString([p for p in lines if not p.is_empty])


def _distance(
    interface: BaseGeometry,
    fine: GridMask,
    inside: npt.NDArray[np.bool_],
    analysed: GridMask,
    no_stroma: BaseGeometry,
) -> npt.NDArray[np.float32]:
    """Return the signed distance to within half a cell, NaN where nothing is counted."""
    from scipy import ndimage as ndi

    away = np.ones(fine.mask.shape, bool)
    points = shapely.get_coordinates(shapely.segmentize(interface, fine.grid_um / 2))
    away[fine.index(points)] = False
    distance = ndi.distance_transform_edt(away, sampling=fine.grid_um).astype(np.float32)
    distance[inside] *= -1
    rows = np.minimum((fine.y_um / analysed.grid_um).astype(np.intp), analysed.mask.shape[0] - 1)
    columns = np.minimum((fine.x_um / analysed.grid_um).astype(np.intp), analysed.mask.shape[1] - 1)
    counted = analysed.mask[np.ix_(rows, columns)]
    counted &= inside | ~rasterise(no_stroma, fine).mask
    distance[~counted] = np.nan
    return np.asarray(distance, np.float32)
