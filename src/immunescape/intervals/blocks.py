"""Blocks of the slide: what cells and area are summed over, and windows of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from immunescape.results import BLOCK_UM, REGION_NAMES

__all__ = ["REGION_MEMBERS", "Blocks", "Windows", "find_blocks"]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

REGION_MEMBERS = np.array(
    [
        [1, 0, 0, 0, 0],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 0, 1, 0],
        [0, 1, 1, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0],
    ],
    np.int64,
)
"""Rows of ``REGION_NAMES``, columns the four disjoint regions and ``excluded``."""

_WINDOWS = (2, 4)
"""Edges of the windows that are drawn, in blocks."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Rows over which cells and area of a slide are summed: one block's share of one region.

    Counts of a row are those of one square of ``BLOCK_UM`` and one of the four disjoint regions.
    Blocks are what is resampled; regions are kept apart, because a difference between regions
    is no chance.

    Parameters
    ----------
    row, column
        ``(b,)`` place of each row's block.
    region
        ``(b,)`` index of each row's region into the four disjoint ones.
    area_mm2
        ``(b,)`` tissue of each row; 0 where only cells are known.
    of_cells
        ``(n,)`` row of each cell, -1 for excluded ones.
    of_areas
        ``(m,)`` row of each line of `RegionAreas.by_block`.
    """

    row: Counts
    column: Counts
    region: Counts
    area_mm2: Floats
    of_cells: Counts
    of_areas: Counts

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def number(self) -> Counts:
        """``(b,)`` number of each row's block, from 0; rows of one block share it."""
        key = self.row * (int(self.column.max(initial=0)) + 1) + self.column
        return np.asarray(np.unique(key, return_inverse=True)[1], np.int64).reshape(-1)

    @cached_property
    def by_region(self) -> tuple[Counts, ...]:
        """Rows of each region that has any."""
        return tuple(np.flatnonzero(self.region == region) for region in np.unique(self.region))

    @cached_property
    def windows(self) -> tuple["Windows", ...]:
        """Windows of each edge that are drawn."""
        return tuple(_lay_windows(self, edge) for edge in _WINDOWS)

    def count(self, kind: npt.ArrayLike, kinds: int) -> Counts:
        """Count cells by row and kind.

        Parameters
        ----------
        kind
            ``(n,)`` code of each cell, 0 to ``kinds - 1``; -1 leaves a cell out.
        kinds
            Number of codes.

        Returns
        -------
        numpy.ndarray
            ``(b, kinds)``.
        """
        code = np.asarray(kind, np.int64)
        use = (self.of_cells >= 0) & (code >= 0)
        flat = self.of_cells[use] * kinds + code[use]
        return np.bincount(flat, minlength=len(self) * kinds).reshape(len(self), kinds)


@dataclass(frozen=True, eq=False)
class Windows:
    """Squares of blocks, at every place where they hold one.

    Parameters
    ----------
    edge
        Blocks along one side.
    holds
        Sparse ``(windows, b)``: which rows each window holds. Every row is in ``edge`` squared
        of them, because windows reach over borders.
    form, form_squared
        Sparse ``(b, b)`` quadratic form that gives the variance of a sum from its residuals, and
        its entries squared.
    form_by_region
        Columns of the form for the rows of each region.
    """

    edge: int
    holds: Any
    form: Any
    form_squared: Any
    form_by_region: tuple[Any, ...]


def find_blocks(points_um: npt.ArrayLike, region: npt.ArrayLike, by_block: pd.DataFrame) -> Blocks:
    """Sort the cells and the area of a slide into blocks.

    Parameters
    ----------
    points_um
        ``(n, 2)`` centroids, x and y.
    region
        ``(n,)`` index of each cell's region into the four disjoint ones; 4 or -1 for excluded.
    by_block
        Columns ``BLOCK_COLUMNS``; see `RegionAreas.by_block`. Without rows every cell still has a
        block, but none holds tissue, so that nothing is resampled.

    Returns
    -------
    Blocks
        Only blocks with a cell or with area, in the order of their rows and columns.
    """
    points = np.asarray(points_um, np.float64).reshape(-1, 2)
    at = np.floor(points / BLOCK_UM).astype(np.int64)
    code = np.asarray(region, np.int64)
    inside = (code >= 0) & (code < 4)
    of_region = pd.Index(REGION_NAMES[:4]).get_indexer(pd.Index(by_block["region"].astype(object)))
    places = np.concatenate(
        [
            np.column_stack([at[inside, 1], at[inside, 0], code[inside]]),
            np.column_stack(
                [by_block["row"].astype(np.int64), by_block["column"].astype(np.int64), of_region]
            ),
        ]
    )
    found, number = np.unique(places, axis=0, return_inverse=True)
    number = number.reshape(-1)
    cells = int(inside.sum())
    of_cells = np.full(len(points), -1, np.int64)
    of_cells[inside] = number[:cells]
    area = by_block["area_mm2"].to_numpy(np.float64)
    return Blocks(
        row=found[:, 0],
        column=found[:, 1],
        region=found[:, 2],
        area_mm2=np.bincount(number[cells:], area, len(found)).astype(np.float64),
        of_cells=of_cells,
        of_areas=number[cells:],
    )


def _lay_windows(blocks: Blocks, edge: int) -> Windows:
    wide = int(blocks.column.max(initial=0)) + edge
    rows = np.arange(len(blocks))
    steps = range(edge)
    keys = [(blocks.row + i) * wide + blocks.column + j for i in steps for j in steps]
    found, window = np.unique(np.concatenate(keys), return_inverse=True)
    place = (window.reshape(-1), np.tile(rows, edge * edge))
    holds = sparse.csr_array((np.ones(len(rows) * edge**2), place), shape=(len(found), len(rows)))
    form = ((holds.T @ holds) / edge**2).tocsc()
    squared = form.multiply(form).tocsr()
    return Windows(edge, holds, form, squared, tuple(form[:, mine] for mine in blocks.by_region))
