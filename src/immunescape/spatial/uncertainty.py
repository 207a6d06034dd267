"""Counts of a slide by block and region, and the intervals that they give."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.intervals.bootstrap import (
    Blocks,
    find_blocks,
    log_odds_interval,
    rate_ratio_interval_blocks,
    ratio_intervals,
)
from immunescape.results import REGION_NAMES, RegionAreas
from immunescape.spatial.kinds import REGION_MEMBERS, Kinds

__all__ = ["Bounds", "Resampling", "density_bounds", "resampling_of", "subset"]

_SEVEN = len(REGION_NAMES)
_Floats = npt.NDArray[np.float64]
_Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Bounds:
    """Both ends of some intervals and how each was found; NaN and empty where it was not."""

    low: _Floats
    high: _Floats
    method: npt.NDArray[Any]

    def at(self, *index: int) -> tuple[float, float, str]:
        """Return one of them."""
        return float(self.low[index]), float(self.high[index]), str(self.method[index])


@dataclass(frozen=True, eq=False)
class Resampling:
    """Rows over which the cells of one slide are summed, and the intervals of such sums.

    Parameters
    ----------
    blocks
        ``b`` rows, each one block's share of one of the four disjoint regions.
    seed
        Of the resampling; None asks for no interval at all.
    """

    blocks: Blocks
    seed: int | None

    @property
    def members(self) -> _Counts:
        """``(7, b)`` whether each region holds a row."""
        return np.asarray(REGION_MEMBERS[:, self.blocks.region], np.int64)

    def count(self, kinds: Kinds, mask: npt.NDArray[np.bool_] | None = None) -> _Counts:
        """Count cells, of a mask or all, as ``(b, 4 phenotypes, 3 PD-L1 codes)``."""
        code = kinds.phenotype * 3 + kinds.pdl1
        code = code if mask is None else np.where(mask, code, -1)
        return self.blocks.count(code, 12).reshape(-1, 4, 3)

    def by_region(self, counts: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Sum ``(b, ...)`` over the rows of each region, as ``(7, ...)``."""
        return np.tensordot(self.members, counts, axes=(1, 0))

    def fractions(self, numerators: npt.NDArray[Any], denominators: npt.NDArray[Any]) -> Bounds:
        """Return intervals of fractions of ``(b, k)`` cells, as ``(7, k)``."""
        k = numerators.shape[1]
        if self.seed is None:
            return _nothing((_SEVEN, k))
        found = ratio_intervals(
            self.blocks, self._apart(numerators), self._apart(denominators),
            kind="fraction", tissue=np.repeat(self._area(), k, axis=1), seed=self.seed,
        )  # fmt: skip
        return _shaped(found, (_SEVEN, k))

    def densities(self, counts: npt.NDArray[Any]) -> Bounds:
        """Return intervals of densities per mm² of ``(b, k)`` cells, as ``(7, k)``."""
        k = counts.shape[1]
        if self.seed is None:
            return _nothing((_SEVEN, k))
        areas = np.repeat(self._area(), k, axis=1)
        found = density_bounds(self.blocks, self._apart(counts), areas, self.seed)
        return _shaped(found, (_SEVEN, k))

    def log_odds(self, *table: npt.NDArray[Any]) -> Bounds:
        """Return intervals of log odds ratios of four ``(b, k)`` counts, as ``(7, k)``."""
        k = table[0].shape[1]
        if self.seed is None:
            return _nothing((_SEVEN, k))
        found = log_odds_interval(
            self.blocks, *(self._apart(part) for part in table),
            tissue=np.repeat(self._area(), k, axis=1), seed=self.seed,
        )  # fmt: skip
        return _shaped(found, (_SEVEN, k))

    def rate_ratio(self, counts: npt.NDArray[Any], above: str, below: str) -> Bounds:
        """Return the interval of the ratio of two regions' densities of ``(b,)`` cells."""
        if self.seed is None:
            return _nothing((1,))
        over, under = (self.members[REGION_NAMES.index(name)] for name in (above, below))
        area = self.blocks.area_mm2
        found = rate_ratio_interval_blocks(
            self.blocks, counts * over, area * over, counts * under, area * under, seed=self.seed
        )
        return Bounds(*found)

    def _apart(self, counts: npt.NDArray[Any]) -> _Floats:
        """Turn ``(b, k)`` into ``(b, 7 k)``: the rows of each region alone, one after another."""
        parted = self.members.T[:, :, None] * counts[:, None, :]
        return np.asarray(parted, np.float64).reshape(len(counts), -1)

    def _area(self) -> _Floats:
        return np.asarray(self.members.T * self.blocks.area_mm2[:, None], np.float64)


def resampling_of(
    cells: CellTable, kinds: Kinds, areas: RegionAreas, seed: int | None
) -> Resampling:
    """Return the rows of a slide: its blocks, or one a region where blocks are not known.

    Parameters
    ----------
    cells
        Cells with their centroids.
    kinds
        Kind of each cell, which holds its region.
    areas
        ``by_block`` holds the area of each block by region.
    seed
        Of the resampling; None asks for no interval at all, and blocks are then not looked at.
    """
    if seed is not None and len(areas.by_block):
        return Resampling(find_blocks(cells.points_um, kinds.region, areas.by_block), seed)
    four = np.arange(4, dtype=np.int64)
    area = np.array([areas.areas_mm2.get(name, 0.0) for name in REGION_NAMES[:4]], np.float64)
    of_cells = np.where(kinds.region < 4, kinds.region, -1)
    return Resampling(Blocks(0 * four, 0 * four, four, area, of_cells, four[:0]), seed)


def density_bounds(
    blocks: Blocks, counts: npt.NDArray[Any], areas: npt.NDArray[Any], seed: int
) -> Bounds:
    """Return ``(k,)`` intervals of densities per mm², of ``(b, k)`` cells and areas."""
    if not len(blocks):
        return _nothing((counts.shape[1],))
    found = ratio_intervals(blocks, counts, areas, kind="density", seed=seed)
    return _shaped(found, (counts.shape[1],))


def subset(blocks: Blocks, rows: npt.NDArray[np.bool_]) -> Blocks:
    """Return some rows alone; which row a cell is in is then not known."""
    none = np.zeros(0, np.int64)
    return replace(
        blocks, row=blocks.row[rows], column=blocks.column[rows], region=blocks.region[rows],
        area_mm2=blocks.area_mm2[rows], of_cells=none, of_areas=none,
    )  # fmt: skip


def _nothing(shape: tuple[int, ...]) -> Bounds:
    return Bounds(np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, "", object))


def _shaped(found: Any, shape: tuple[int, ...]) -> Bounds:
    return Bounds(*(part.reshape(shape) for part in (found.low, found.high, found.method)))
