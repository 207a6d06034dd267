"""Membranes: how bright a cell's own rim is, although its neighbours' membranes touch it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable

__all__ = ["Pieces", "join_pieces", "rim_columns", "rim_fraction", "split_rims"]

Floats = npt.NDArray[np.float64]

P35 = 0.35
_EIGHTHS = 8
_HIDDEN = re.compile(r".+_rim_(?:[0-7]|share)")


@dataclass(frozen=True, eq=False)
class Pieces:
    """Rims parted by cell, sector and the other cells within reach; pieces of blocks add up.

    Parameters
    ----------
    cell
        ``(p,)`` int64, row of the cell in the table.
    sector
        ``(p,)`` int8, 0 to 7, or 8 for the pixel at the very centre of its cell.
    start, near
        Piece ``p`` is within reach of the cells in the rows ``near[start[p]:start[p + 1]]``.
    light, count
        ``(m, p)``: for each membrane marker the sum of the values and how many there are.
    rest, rest_cell
        ``(m, r)`` values, and rows, of rim pixels of cells that several blocks share.
    """

    cell: npt.NDArray[np.int64]
    sector: npt.NDArray[np.int8]
    start: npt.NDArray[np.int64]
    near: npt.NDArray[np.int64]
    light: Floats
    count: npt.NDArray[np.int32]
    rest: npt.NDArray[Any]
    rest_cell: npt.NDArray[np.int64]


def join_pieces(parts: list[Pieces], n_markers: int) -> Pieces:
    """Return the pieces of all blocks; those of one cell, sector and reach may stay several.

    The list is emptied, for all pieces of a slide are not to be in memory twice.
    """
    none = np.zeros(0, np.int64)
    empty = np.zeros((n_markers, 0))
    given, parts = parts, [
        Pieces(none, none.astype(np.int8), np.zeros(1, np.int64), none, empty,
               empty.astype(np.int32), empty, none),
        *parts,
    ]  # fmt: skip
    lengths = np.concatenate([np.diff(p.start) for p in parts])
    arrays = {field.name: [getattr(p, field.name) for p in parts] for field in fields(Pieces)}
    given.clear()
    parts.clear()

    def joined(name: str, axis: int = 0) -> Any:
        return np.concatenate(arrays.pop(name), axis=axis)

    start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Pieces(
        joined("cell"), joined("sector"), start, joined("near"), joined("light", 1),
        joined("count", 1), joined("rest", 1), joined("rest_cell"),
    )  # fmt: skip


def rim_columns(
    pieces: Pieces, markers: Sequence[str], p35: Floats, n_cells: int
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return what the rims tell of every cell: the statistics, and the sectors behind them.

    Parameters
    ----------
    pieces
        Pieces of all blocks.
    markers
        Membrane markers, in the order of ``light``.
    p35
        ``(m, n)`` quantile of the cells that lie in one block; the others' is filled in.
    n_cells
        Rows of the cell table.

    Returns
    -------
    statistics
        ``<marker>_membrane_unshared`` and ``<marker>_membrane_p35``.
    sectors
        ``<marker>_rim_0`` to ``_7`` and ``<marker>_rim_share``.
    """
    from immunescape.measure._rims import quantiles
    from immunescape.measure._sharing import brightest_of, list_neighbours, own_sectors

    order, begin, side, side_begin, back = list_neighbours(
        pieces.cell, pieces.start, pieces.near, n_cells
    )
    statistics: dict[str, Floats] = {}
    sectors: dict[str, Floats] = {}
    several = np.unique(pieces.rest_cell)
    owner = np.searchsorted(several, pieces.rest_cell)
    for m, marker in enumerate(markers):
        sums, counts, share = own_sectors(
            order, begin, pieces.start, side, side_begin, back, pieces.sector,
            pieces.count[m], pieces.light[m],
        )  # fmt: skip
        statistics[f"{marker}_membrane_unshared"] = brightest_of(sums, counts)
        filled = p35[m].copy()
        filled[several] = quantiles(
            np.ascontiguousarray(pieces.rest[m], np.float64), owner, len(several), P35
        )
        statistics[f"{marker}_membrane_p35"] = filled
        means = np.full(sums.shape, np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        for k in range(_EIGHTHS):
            sectors[f"{marker}_rim_{k}"] = means[:, k]
        sectors[f"{marker}_rim_share"] = share
    return statistics, sectors


def split_rims(cells: CellTable) -> tuple[CellTable, pd.DataFrame]:
    """Take the hidden columns of the rims out of a cell table.

    Returns
    -------
    CellTable
        The table without them.
    pandas.DataFrame
        ``<marker>_rim_0`` to ``_rim_7`` and ``<marker>_rim_share`` of each membrane marker, by
        label; without columns if the table has none.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {"x_um": [1.0], "y_um": [2.0], "pdl1_rim_0": [3.0]}, index=pd.Index([7], name="label")
    ... )
    >>> cells, rims = split_rims(CellTable(frame))
    >>> list(cells.frame), list(rims)
    (['x_um', 'y_um'], ['pdl1_rim_0'])
    """
    hidden = [c for c in cells.frame.columns if _HIDDEN.fullmatch(str(c))]
    return CellTable(cells.frame.drop(columns=hidden)), cells.frame[hidden]


def rim_fraction(rims: pd.DataFrame, marker: str, threshold: npt.ArrayLike) -> Floats:
    """Return the share of a cell's own rim sectors that are brighter than a threshold.

    Parameters
    ----------
    rims
        What :func:`split_rims` took out.
    marker
        A membrane marker.
    threshold
        One number, or one a cell; a sector that equals it is not brighter. NaN where there is
        none.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` float64; NaN where a cell has no sector of its own, or no threshold, and
        everywhere if the rims hold nothing of the marker.

    Examples
    --------
    >>> rims = pd.DataFrame({"pdl1_rim_0": [9.0, 1.0], "pdl1_rim_1": [2.0, np.nan]})
    >>> rim_fraction(rims, "pdl1", 5.0)
    array([0.5, 0. ])
    """
    names = [f"{marker}_rim_{k}" for k in range(_EIGHTHS)]
    values = rims.reindex(columns=names).to_numpy(np.float64)
    limits = np.broadcast_to(np.asarray(threshold, np.float64), len(rims))
    known = np.isfinite(values).sum(axis=1)
    above = (values > limits[:, None]).sum(axis=1)
    fraction = np.full(len(rims), np.nan)
    np.divide(above, known, out=fraction, where=(known > 0) & ~np.isnan(limits))
    return fraction
