"""Area of each region, band and block, counted on the working grid."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from shapely.geometry.base import BaseGeometry

from immunescape.margin.grid import GridMask
from immunescape.margin.interface import frame_distance_um, grid_distance_um
from immunescape.results import BLOCK_COLUMNS, BLOCK_UM, REGION_NAMES

__all__ = ["PARTS", "Counted", "count_areas", "part_code"]

PARTS = REGION_NAMES[:4]
"""The four disjoint regions, in the order of their codes."""


def part_code(
    inside: npt.NDArray[np.bool_], distance: npt.NDArray[np.float64], width_um: float
) -> npt.NDArray[np.int8]:
    """Return the index into ``PARTS``; a distance of NaN is far from any margin."""
    near = distance <= width_um
    return np.where(inside, np.where(near, 1, 0), np.where(near, 2, 3)).astype(np.int8)


@dataclass(frozen=True, eq=False)
class Counted:
    """Areas of one slide.

    Parameters
    ----------
    areas_mm2
        Area of each of the seven regions.
    bands
        ``from_um, to_um, area_mm2``; no rows without an interface.
    by_block
        Columns ``BLOCK_COLUMNS``, see `immunescape.results.RegionAreas`; the others are its sums.
    censored_mm2
        Area nearer to the frame, or to what was not imaged, than to the interface.
    """

    areas_mm2: Mapping[str, float]
    bands: pd.DataFrame
    by_block: pd.DataFrame
    censored_mm2: float


def count_areas(
    counted: GridMask,
    inside: GridMask,
    interface: BaseGeometry,
    width_um: float,
    band_um: float,
    reach_um: float,
) -> Counted:
    """Add up the area of each region, band and block, some rows of the grid at a time.

    Parameters
    ----------
    counted
        Grid cells that give area.
    inside
        Grid cells within the tumour, on the same grid.
    interface
        Lines in µm; empty where the tumour has none.
    width_um
        Width of the margin on each side.
    band_um, reach_um
        Width of a band, and how far bands reach on each side; the last one may reach farther.
    """
    number = int(np.ceil(reach_um / band_um - 1e-9))
    edges: npt.NDArray[np.float64] = np.arange(-number, number + 1) * np.float64(band_um)
    columns = int((counted.x_um[-1]) // BLOCK_UM) + 1
    size = len(PARTS) * (2 * number + 1)  # band 0 is for area in no band
    sums: dict[int, float] = {}
    censored = 0.0
    for rows, distance in _strips(counted, interface):
        use = counted.mask[rows]
        area = np.broadcast_to(counted.heights_um[rows, None] * counted.widths_um, use.shape)[use]
        within, far = inside.mask[rows][use], distance[use]
        to_frame = np.broadcast_to(
            frame_distance_um(counted.x_um, counted.y_um[rows, None], counted.frame_um), use.shape
        )[use]
        if counted.gaps is not None:
            to_frame = np.minimum(to_frame, counted.gaps.distance_um[rows][use])
        cut = to_frame < far
        censored += float(area[cut].sum())
        signed = np.where(within, -far, far)
        kept = ~cut & (signed >= edges[0]) & (signed < edges[-1])
        band = np.where(kept, np.searchsorted(edges, signed, side="right"), 0)
        block_row = (counted.y_um[rows] // BLOCK_UM).astype(np.int64)
        block = (block_row - block_row[0])[:, None] * columns + (counted.x_um // BLOCK_UM).astype(
            np.int64
        )
        code = (block[use] * len(PARTS) + part_code(within, far, width_um)) * (
            2 * number + 1
        ) + band
        found = np.bincount(code, area)
        first = int(block_row[0]) * columns * size
        for at in np.flatnonzero(found):
            sums[first + int(at)] = sums.get(first + int(at), 0.0) + float(found[at])
    return _as_tables(sums, edges, columns, censored, has_bands=not interface.is_empty)


def _strips(
    grid: GridMask, interface: BaseGeometry
) -> Iterator[tuple[slice, npt.NDArray[np.float64]]]:
    """Yield some rows of the grid and the distance of their cells; NaN without an interface."""
    if not interface.is_empty:
        yield from grid_distance_um(interface, grid)
        return
    rows, columns = grid.mask.shape
    for start in range(0, rows, 256):
        strip = slice(start, min(start + 256, rows))
        yield strip, np.full((strip.stop - strip.start, columns), np.nan)


def _as_tables(
    sums: Mapping[int, float],
    edges: npt.NDArray[np.float64],
    columns: int,
    censored_um2: float,
    *,
    has_bands: bool,
) -> Counted:
    code = np.array(sorted(sums), np.int64)
    area = np.array([sums[int(c)] for c in code], np.float64)
    rest, band = np.divmod(code, len(edges))
    block, part = np.divmod(rest, len(PARTS))
    by_block = pd.DataFrame(
        {
            "row": block // columns,
            "column": block % columns,
            "region": np.array(PARTS, dtype=object)[part],
            "from_um": np.append(np.nan, edges[:-1])[band],
            "area_mm2": area / 1e6,
        }
    )
    in_bands = np.bincount(band, area, len(edges))[1:] / 1e6
    bands = pd.DataFrame({"from_um": edges[:-1], "to_um": edges[1:], "area_mm2": in_bands})
    return Counted(
        areas_mm2=_with_sums(np.bincount(part, area, len(PARTS)) / 1e6),
        bands=bands if has_bands else bands.iloc[:0],
        by_block=by_block[list(BLOCK_COLUMNS)],
        censored_mm2=censored_um2 / 1e6,
    )


def _with_sums(parts_mm2: npt.NDArray[np.float64]) -> Mapping[str, float]:
    centre, inner, outer, stroma = map(float, parts_mm2)
    return {
        "centre": centre,
        "inner_margin": inner,
        "outer_margin": outer,
        "stroma": stroma,
        "margin": inner + outer,
        "tumour": centre + inner,
        "tissue": centre + inner + outer + stroma,
    }
