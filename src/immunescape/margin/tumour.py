"""The tumour region, derived from where the tumour cells lie."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import shapely

from immunescape.margin.grid import GridMask
from immunescape.params import Between, Params

__all__ = ["TumourParams", "derive_tumour"]

_UPPER = 75
"""Percentile of the densities at the tumour cells that stands for the upper mode."""


@dataclass(frozen=True, kw_only=True)
class TumourParams(Params):
    """How the tumour region is derived from the tumour cells.

    Parameters
    ----------
    bandwidth_um
        Standard deviation of the kernel that turns tumour cells into a density.
    edge_fraction
        The outline runs where the density falls to this share of what tumour cells nearby have.
    min_density_fraction
        Density nearby counts as at least this share of the densest quarter of tumour cells.
    min_density_per_mm2
        Places with fewer tumour cells than this are never tumour, however few there are elsewhere.
    min_area_um2
        Islands smaller than this are left out.
    min_hole_um2
        Holes smaller than this are filled.
    """

    bandwidth_um: Annotated[float, Between(5, 200, step=1, unit="µm")] = 30.0
    edge_fraction: Annotated[float, Between(0.1, 0.9, step=0.05)] = 0.6
    min_density_fraction: Annotated[float, Between(0.0, 1.0, step=0.05)] = 0.4
    min_density_per_mm2: Annotated[float, Between(0, 20000, step=50, unit="1/mm²")] = 500.0
    min_area_um2: Annotated[float, Between(0, 1e6, step=500, unit="µm²")] = 5000.0
    min_hole_um2: Annotated[float, Between(0, 1e6, step=500, unit="µm²")] = 5000.0


def derive_tumour(
    points_um: npt.NDArray[np.float64],
    tissue: GridMask,
    params: TumourParams = TumourParams(),
) -> shapely.MultiPolygon:
    """Return the region in which tumour cells are about as dense as in the tumour nearby.

    The density is per area of tissue, so that neither the frame nor glass lowers it, and it is
    of tumour cells alone, so that other cells between them do not shrink the region. Its
    reference is the mean density of the tumour cells within two bandwidths: a nest that is
    sparser than the next keeps its true outline.

    Parameters
    ----------
    points_um
        ``(n, 2)`` centroids of the tumour cells; those off the tissue count for nothing.
    tissue
        Tissue on the working grid.
    params
        Bandwidth and thresholds.

    Returns
    -------
    shapely.MultiPolygon
        In µm, with holes, clipped to the frame; it may lap over the free edge of the tissue,
        where no area is counted. Empty where there is no tumour: that is a result.
    """
    points = np.asarray(points_um, np.float64).reshape(-1, 2)
    points = points[tissue.at(points)]
    if not len(points):
        return shapely.MultiPolygon()
    coarse = max(int(params.bandwidth_um / 5 / tissue.grid_um), 1)
    cells, area, edge_um = _coarsen(points, tissue, coarse)
    sigma = params.bandwidth_um / edge_um
    density = _ratio(_smooth(cells, sigma), _smooth(area, sigma) * edge_um**2) * 1e6
    rows, columns = np.nonzero(cells)
    upper = float(np.percentile(np.repeat(density[rows, columns], cells[rows, columns].astype(int)),
                                _UPPER))  # fmt: skip
    nearby = _ratio(_smooth(cells * density, 2 * sigma), _smooth(cells, 2 * sigma))
    needed = np.maximum(
        params.edge_fraction * np.maximum(nearby, params.min_density_fraction * upper),
        params.min_density_per_mm2,
    )
    return _outlined(density / needed - 1, edge_um, tissue.frame_um, params)


def _coarsen(
    points: npt.NDArray[np.float64], tissue: GridMask, factor: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], float]:
    """Return cells and share of tissue on a grid ``factor`` times coarser, and its edge."""
    rows, columns = (-(-n // factor) for n in tissue.mask.shape)
    row, column = (i // factor for i in tissue.index(points))
    cells = np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)
    by_row = np.add.reduceat(
        tissue.mask * tissue.widths_um.astype(np.float32),
        np.arange(0, tissue.mask.shape[1], factor),
        axis=1,
    )
    area = np.add.reduceat(
        by_row * tissue.heights_um[:, None], np.arange(0, tissue.mask.shape[0], factor), axis=0
    )
    edge_um = factor * tissue.grid_um
    return cells.astype(np.float64), area / edge_um**2, edge_um


def _smooth(values: npt.NDArray[np.float64], sigma: float) -> npt.NDArray[np.float64]:
    from scipy import ndimage as ndi

    return np.asarray(ndi.gaussian_filter(values, sigma, mode="constant", truncate=4.0))


def _ratio(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Divide; 0 where there is next to nothing to divide by."""
    some = below > 1e-9 * max(float(below.max()), 1e-300)
    return np.divide(above, below, out=np.zeros_like(above), where=some)


def _outlined(
    height: npt.NDArray[np.float64],
    edge_um: float,
    frame: tuple[float, float],
    params: TumourParams,
) -> shapely.MultiPolygon:
    """Return where a height on the coarse grid is above 0, outlined by interpolation."""
    from skimage.measure import find_contours

    # Two rings more: the first goes on beyond the frame, the second closes every outline.
    padded = np.pad(np.clip(np.pad(height, 1, mode="edge"), -1, 1), 1, constant_values=-1.0)
    rings = [
        shapely.LineString((contour[:, ::-1] - 1.5) * edge_um)
        for contour in find_contours(padded, 0.0)
        if len(contour) > 3
    ]
    if not rings:
        return shapely.MultiPolygon()
    faces = shapely.get_parts(shapely.polygonize(shapely.get_parts(shapely.union_all(rings))))
    middle = shapely.get_coordinates(shapely.point_on_surface(faces)) / edge_um + 1.5
    inside = _interpolated(padded, middle) > 0
    whole = shapely.union_all(faces[inside]).intersection(shapely.box(0, 0, *frame))
    islands = [
        shapely.Polygon(
            part.exterior,
            [h for h in part.interiors if shapely.Polygon(h).area >= params.min_hole_um2],
        )
        for part in shapely.get_parts(whole)
        if isinstance(part, shapely.Polygon) and part.area >= params.min_area_um2
    ]
    united = shapely.get_parts(shapely.union_all(islands))
    return shapely.MultiPolygon([p for p in united if isinstance(p, shapely.Polygon)])


def _interpolated(
    height: npt.NDArray[np.float64], xy: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    from scipy import ndimage as ndi

    return np.asarray(ndi.map_coordinates(height, xy[:, ::-1].T, order=1, mode="nearest"))
