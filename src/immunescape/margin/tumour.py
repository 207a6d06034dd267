"""The tumour region, derived from where the tumour cells lie."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import shapely

from immunescape.margin.grid import GridMask
from immunescape.margin.shapes import NO_TUMOUR, analysed_tissue, polygons_of
from immunescape.margin.strips import capped_distance, smoothed, sums_by_label
from immunescape.params import Between, Params
from immunescape.regions import Regions

__all__ = [
    "DerivedTumour",
    "TumourParams",
    "derive_tumour",
    "find_tumour",
]

Map = npt.NDArray[np.floating[Any]]
"""``(y, x)`` on the grid of the density."""

_CELLS_A_BANDWIDTH = 3.0
"""The grid of the density is so fine that a bandwidth holds this many of its cells."""

_UPPER = 75
"""Percentile of the densities at the tumour cells that stands for the upper mode."""

_WIDEST = 3.0
"""Sparse tumour cells widen the kernels by this factor at most."""

_NEST_CELLS = 5
"""Fewer cells than this called tumour side by side are strays, no nest."""


@dataclass(frozen=True, kw_only=True)
class TumourParams(Params):
    """How the tumour region is derived from the tumour cells.

    Parameters
    ----------
    bandwidth_um
        Standard deviation of the kernel that turns tumour cells into a density: what lies closer
        together than about this is one tumour.
    edge_bandwidth_um
        Standard deviation of the finer kernel that places the outline, within one bandwidth.
    packed_per_mm2
        Density of packed tumour cells. On a slide whose tumour is sparser, both kernels are wider
        by as much as its cells lie wider apart: chance gaps between them are no holes.
    edge_fraction
        The outline runs where the density falls to this share of what tumour cells nearby have.
    min_density_fraction
        Density nearby counts as at least this share of the densest quarter of tumour cells.
    min_density_per_mm2
        Places with fewer tumour cells than this are never tumour, however few there are elsewhere.
    min_area_um2
        Islands with less tissue than this are left out.
    min_island_cells
        Islands with fewer tumour cells than this are left out.
    min_hole_um2
        Patches of other tissue beside the tumour that are smaller than this are filled, also those
        that the frame cuts.
    """

    bandwidth_um: Annotated[float, Between(5, 200, step=1, unit="µm")] = 25.0
    edge_bandwidth_um: Annotated[float, Between(5, 200, step=1, unit="µm")] = 15.0
    packed_per_mm2: Annotated[float, Between(0, 20000, step=50, unit="1/mm²")] = 3800.0
    edge_fraction: Annotated[float, Between(0.1, 0.9, step=0.05)] = 0.65
    min_density_fraction: Annotated[float, Between(0.0, 1.0, step=0.05)] = 0.4
    min_density_per_mm2: Annotated[float, Between(0, 20000, step=50, unit="1/mm²")] = 500.0
    min_area_um2: Annotated[float, Between(0, 1e6, step=500, unit="µm²")] = 2500.0
    min_island_cells: Annotated[int, Between(1, 1000, step=1, unit="cells")] = 10
    min_hole_um2: Annotated[float, Between(0, 1e6, step=500, unit="µm²")] = 5000.0


@dataclass(frozen=True, eq=False)
class DerivedTumour:
    """The tumour region found from the tumour cells, and what was left out of it.

    Parameters
    ----------
    region
        In µm, with holes, clipped to the frame; it may lap over what is not analysed. Empty where
        there is no tumour: that is a result.
    islands_left_out
        Number of islands that were too small, by area or by cells.
    cells_left_out
        Tumour cells in them.
    warnings
        What a reader of the numbers should know.
    """

    region: shapely.MultiPolygon
    islands_left_out: int = 0
    cells_left_out: int = 0
    warnings: tuple[str, ...] = ()


def derive_tumour(
    points_um: npt.NDArray[np.float64],
    tissue: GridMask,
    params: TumourParams = TumourParams(),
    *,
    annotations: Regions | None = None,
) -> shapely.MultiPolygon:
    """Return the tumour region alone; see `find_tumour`."""
    return find_tumour(points_um, tissue, params, annotations=annotations).region


def find_tumour(
    points_um: npt.NDArray[np.float64],
    tissue: GridMask,
    params: TumourParams = TumourParams(),
    *,
    annotations: Regions | None = None,
) -> DerivedTumour:
    """Find the region in which tumour cells are about as dense as in the tumour nearby.

    The density is per area of analysed tissue, so that neither the frame nor glass nor an
    exclusion lowers it, and it is of tumour cells alone, so that other cells between them do not
    shrink the region. Its reference is the mean density of the tumour cells within two
    bandwidths: a nest that is sparser than the next keeps its true outline. What is tumour is
    decided with the full bandwidth, so that gaps between cells make no holes; where its outline
    runs, with the finer one, because a wide kernel cuts corners and fills bays, and a few µm of a
    crowded rim taken for tumour change the density inside.

    Parameters
    ----------
    points_um
        ``(n, 2)`` centroids of the tumour cells; those off the analysed tissue count for nothing.
    tissue
        Tissue on the working grid.
    params
        Bandwidth and thresholds.
    annotations
        What was drawn: neither cells nor area count where it takes a place out of the analysis,
        and cells in ``nerve`` and ``epidermis`` are not tumour, whatever they are called.
    """
    drawn = annotations or Regions()
    analysed = analysed_tissue(tissue, drawn)
    points = np.asarray(points_um, np.float64).reshape(-1, 2)
    points = points[analysed.at(points)]
    for role in NO_TUMOUR:
        if role in drawn:
            points = points[~drawn.covers(role, points)]
    if not len(points):
        return DerivedTumour(shapely.MultiPolygon())
    finest = min(params.edge_bandwidth_um, params.bandwidth_um)
    factor = max(int(finest / _CELLS_A_BANDWIDTH / tissue.grid_um), 1)
    height, islands, lost = _height(_coarsen(points, analysed, factor), params)
    warnings: tuple[str, ...] = ()
    if islands:
        warnings = (
            f"{islands} island(s) of tumour with {lost} tumour cells are smaller than "
            f"{params.min_area_um2:g} µm² or {params.min_island_cells} cells and are left out of "
            "the derived tumour region",
        )
    np.clip(height, -1, 1, out=height)
    region = _outlined(height, factor * tissue.grid_um, tissue.frame_um)
    return DerivedTumour(region, islands, lost, warnings)


@dataclass(frozen=True, eq=False)
class _Ground:
    """Tumour cells and the share of analysed tissue on a grid coarser than the working grid."""

    cells: Map
    tissue: Map
    edge_um: float

    def density_per_mm2(self, bandwidth_um: float) -> Map:
        """Return tumour cells per area of tissue, both smoothed."""
        sigma = bandwidth_um / self.edge_um
        area_mm2 = _smooth(self.tissue, sigma) * self.edge_um**2 / 1e6
        return _ratio(_smooth(self.cells, sigma), area_mm2)


def _height(ground: _Ground, params: TumourParams) -> tuple[Map, int, int]:
    """Return what is above 0 in the tumour; and how many islands, with their cells, are left out.

    The planes are as large as the slide allows: each goes when it has served.
    """
    wide, fine = _bandwidths_um(ground, params)
    needed, density = _needed(ground, wide, params)
    density /= needed
    density -= 1
    height, islands, lost = _without_small(density, ground, params)
    del density
    if fine < wide:
        placed = ground.density_per_mm2(fine)
        placed /= needed
        placed -= 1
        placed += _pull(height > 0, wide / ground.edge_um)
        height, _, _ = _without_small(placed, ground, params)
    return height, islands, lost


def _upper(ground: _Ground, density: Map) -> float:
    """Return the density that a quarter of the tumour cells exceed."""
    cells = ground.cells
    at_cells = np.repeat(density[cells > 0], cells[cells > 0].astype(int))
    return float(np.percentile(at_cells, _UPPER))


def _bandwidths_um(ground: _Ground, params: TumourParams) -> tuple[float, float]:
    """Return both bandwidths, wider where the tumour cells of the slide are sparse."""
    wide, fine = params.bandwidth_um, min(params.edge_bandwidth_um, params.bandwidth_um)
    per_mm2 = _upper(ground, ground.density_per_mm2(wide))
    wider = float(np.clip(np.sqrt(params.packed_per_mm2 / max(per_mm2, 1e-9)), 1.0, _WIDEST))
    return wide * wider, fine * wider


def _needed(ground: _Ground, bandwidth_um: float, params: TumourParams) -> tuple[Map, Map]:
    """Return the density that makes a place tumour, and the density there is."""
    density = ground.density_per_mm2(bandwidth_um)
    sigma = 2 * bandwidth_um / ground.edge_um
    nearby = _ratio(_smooth(ground.cells * density, sigma), _smooth(ground.cells, sigma))
    reference = np.maximum(nearby, params.min_density_fraction * _upper(ground, density))
    return np.maximum(params.edge_fraction * reference, params.min_density_per_mm2), density


def _pull(inside: npt.NDArray[np.bool_], reach: float) -> Map:
    """Return what keeps an outline near another: 0 there, 2 and more at its reach, in cells."""
    if inside.all() or not inside.any():
        return np.where(inside, 2.0, -2.0)
    within, beyond = (capped_distance(part, reach + 1) for part in (inside, ~inside))
    away = np.where(inside, within - 0.5, 0.5 - beyond) / reach
    return np.asarray(2 * np.clip(away, -1, 1) ** 3, np.float32)


def _without_small(height: Map, ground: _Ground, params: TumourParams) -> tuple[Map, int, int]:
    """Sink small islands, then fill small patches between; count islands lost and their cells."""
    from scipy import ndimage as ndi

    height, area_um2 = height.copy(), ground.tissue * ground.edge_um**2
    islands, number = ndi.label(height > 0)
    land, count = (sums_by_label(v, islands, number) for v in (area_um2, ground.cells))
    small = (land < params.min_area_um2) | (count < params.min_island_cells)
    small[0] = False
    height[small[islands]] = -1.0
    # Most of what sinks is one or two stray cells; only what looks like a nest is worth a word.
    lost = small & (count >= _NEST_CELLS)
    patches, number = ndi.label((height <= 0) & (area_um2 > 0), np.ones((3, 3), bool))
    land = sums_by_label(area_um2, patches, number)
    fill = land < params.min_hole_um2
    fill[0] = False
    # A patch is an enclave of the tumour only if tumour is beside it.
    beside = np.zeros(number + 1, bool)
    beside[np.unique(patches[ndi.binary_dilation(height > 0, np.ones((3, 3), bool))])] = True
    fill &= beside
    height[fill[patches]] = 1.0
    return height, int(lost.sum()), int(count[lost].sum())


def _coarsen(points: npt.NDArray[np.float64], tissue: GridMask, factor: int) -> _Ground:
    """Count cells and tissue on a grid ``factor`` times coarser."""
    rows, columns = (-(-n // factor) for n in tissue.mask.shape)
    row, column = (i // factor for i in tissue.index(points))
    cells = np.bincount(row * columns + column, minlength=rows * columns).reshape(rows, columns)
    by_row = np.add.reduceat(
        tissue.mask * tissue.widths_um.astype(np.float32),
        np.arange(0, tissue.mask.shape[1], factor),
        axis=1,
    )
    area = np.add.reduceat(
        by_row * tissue.heights_um[:, None].astype(np.float32),
        np.arange(0, tissue.mask.shape[0], factor),
        axis=0,
    )
    edge_um = factor * tissue.grid_um
    return _Ground(cells.astype(np.float32), area / np.float32(edge_um**2), edge_um)


def _smooth(values: Map, sigma: float) -> Map:
    return smoothed(values, sigma, mode="constant")


def _ratio(above: Map, below: Map) -> Map:
    """Divide; 0 where there is next to nothing to divide by."""
    some = below > 1e-9 * max(float(below.max()), 1e-300)
    return np.divide(above, below, out=np.zeros_like(above), where=some)


def _outlined(height: Map, edge_um: float, frame: tuple[float, float]) -> shapely.MultiPolygon:
    """Return where a height on the coarse grid is above 0, outlined by interpolation."""
    from skimage.measure import find_contours

    # Two rings more: the first goes on beyond the frame, the second closes every outline.
    padded = np.pad(np.pad(height, 1, mode="edge"), 1, constant_values=-1.0)
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
    return polygons_of(shapely.union_all(faces[inside]).intersection(shapely.box(0, 0, *frame)))


def _interpolated(height: Map, xy: Map) -> Map:
    from scipy import ndimage as ndi

    return np.asarray(ndi.map_coordinates(height, xy[:, ::-1].T, order=1, mode="nearest"))
