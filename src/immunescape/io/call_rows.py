"""Which row of a table of calls belongs to which cell: by label, or by position."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.errors import CallsError
from immunescape.io.call_columns import Column, Unit

__all__ = ["Positions", "Rows", "find_rows", "read_positions"]

Rows = npt.NDArray[np.int64]
"""Row of the file for each cell, -1 for none."""


def _numbers(column: "pd.Series[str]", name: str) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(column.str.strip(), errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.argmax(bad))
        raise CallsError(
            f"{name}, row {row + 1}: {column.name} is {column.iloc[row]!r}; give a number"
        )
    return numbers


@dataclass(frozen=True, eq=False)
class Positions:
    """Where the rows of a file are.

    Parameters
    ----------
    points
        ``(n, 2)`` in the file's own unit.
    unit
        What the file says of that unit.
    scales
        By what the points may have to be multiplied to be µm; none where that is not known.
    """

    points: npt.NDArray[np.float64]
    unit: Unit
    scales: tuple[float, ...]


def read_positions(
    table: pd.DataFrame, columns: dict[str, Column], file: str, pixel_size_um: float | None
) -> Positions | None:
    """Return the positions of the rows; None where the columns do not tell them."""
    by_kind = {column.kind: name for name, column in columns.items()}
    ends = {axis: (f"{axis}_min", f"{axis}_max") for axis in "xy"}
    if {"x", "y"} <= by_kind.keys():
        used = [by_kind["x"], by_kind["y"]]
        points = np.column_stack([_numbers(table[name], file) for name in used])
    elif all(end in by_kind for pair in ends.values() for end in pair):
        used = [by_kind["x_min"]]
        points = np.column_stack(
            [
                np.mean([_numbers(table[by_kind[end]], file) for end in pair], axis=0)
                for pair in ends.values()
            ]
        )
    else:
        return None
    unit = columns[used[0]].unit
    if unit == "um":
        return Positions(points, unit, (1.0,))
    if unit == "px":
        return Positions(points, unit, () if pixel_size_um is None else (pixel_size_um,))
    return Positions(points, unit, (1.0,) if pixel_size_um is None else (1.0, pixel_size_um))


def find_rows(
    table: pd.DataFrame,
    columns: dict[str, Column],
    positions: Positions | None,
    cells: CellTable,
    within_um: float,
    file: str,
) -> tuple[Rows, tuple[str, ...]]:
    """Return the row of each cell, and what to say about how the two were matched.

    Parameters
    ----------
    table
        The file, every value as text.
    columns
        What its columns hold.
    positions
        Where its rows are, if it says so.
    cells
        Cells of the slide.
    within_um
        Farthest that a row may be from its cell.
    file
        Name of the file, for errors.
    """
    by_kind = {column.kind: name for name, column in columns.items()}
    if "label" in by_kind:
        rows = _rows_by_label(table[by_kind["label"]], cells, file)
        away = _disagreement(rows, positions, cells)
        if away > within_um:
            raise CallsError(
                f"{file}: the labels are not those of this slide's cells, their positions differ "
                f"by {away:.1f} µm; pass the masks they belong to with --labels, or "
                "remove the column label to match by position"
            )
        return rows, ()
    if "id" in by_kind:
        name = by_kind["id"]
        if positions is None:
            return _rows_by_label(table[name], cells, file), ()
        if not np.isfinite(pd.to_numeric(table[name], errors="coerce")).all():
            return _rows_by_position(positions, cells, within_um, file), ()
        rows = _rows_by_label(table[name], cells, file)
        most = 2 * int((rows >= 0).sum()) >= min(len(table), len(cells))
        if most and _disagreement(rows, positions, cells) <= within_um:
            return rows, ()
        note = f"{file}: {name} is no label of this slide; its cells were found by position"
        return _rows_by_position(positions, cells, within_um, file), (note,)
    if positions is None:
        raise CallsError(f"{file} has neither the column label nor x_um and y_um; add them")
    return _rows_by_position(positions, cells, within_um, file), ()


def _rows_by_label(column: "pd.Series[str]", cells: CellTable, file: str) -> Rows:
    numbers = _numbers(column, file)
    labels = pd.Index(numbers.astype(np.int64))
    if np.any(labels.to_numpy() != numbers) or (len(labels) and labels.min() < 1):
        row = int(np.argmax((numbers % 1 != 0) | (numbers < 1)))
        raise CallsError(
            f"{file}, row {row + 1}: {column.name} is {column.iloc[row]!r}; "
            "give a positive whole number"
        )
    if not labels.is_unique:
        raise CallsError(
            f"{file} has the {column.name} {labels[labels.duplicated()][0]} twice; "
            "keep one row a cell"
        )
    return np.asarray(labels.get_indexer(pd.Index(cells.labels)), dtype=np.int64)


def _disagreement(rows: Rows, positions: Positions | None, cells: CellTable) -> float:
    """Return how far the middle row is from the cell of its label; 0 without positions.

    Where the unit is not known, it is the one that fits best.
    """
    hit = rows >= 0
    if positions is None or not hit.any():
        return 0.0
    theirs, ours = positions.points[rows[hit]], cells.points_um[hit]
    scales = positions.scales
    if not scales or (positions.unit == "any" and len(scales) == 1):  # no pixel size is known
        square = float((theirs**2).sum())
        scales = (float((theirs * ours).sum()) / square if square > 0 else 1.0,)
    return min(float(np.median(np.linalg.norm(s * theirs - ours, axis=1))) for s in scales)


def _rows_by_position(positions: Positions, cells: CellTable, within_um: float, file: str) -> Rows:
    if not positions.scales:
        raise CallsError(f"{file} has positions in pixels; give x_um and y_um in µm")
    doubled = pd.DataFrame(positions.points).duplicated().to_numpy()
    if doubled.any():
        x, y = positions.points[np.argmax(doubled)]
        unit = {"um": " µm", "px": " px", "any": ""}[positions.unit]
        raise CallsError(f"{file} has the position {x:g}, {y:g}{unit} twice; keep one row a cell")
    tried = [_nearest(positions.points * s, cells, within_um) for s in positions.scales]
    found = [int((rows >= 0).sum()) for rows in tried]
    best = tried[int(np.argmax(found))]
    if positions.unit == "any" and len(cells) and 2 * max(found) < len(positions.points):
        raise CallsError(
            f"{file}: its positions, whose unit it does not say, fit {max(found)} of "
            f"{len(positions.points)} rows to cells; give x_um and y_um in µm"
        )
    return best


def _nearest(points: npt.NDArray[np.float64], cells: CellTable, within_um: float) -> Rows:
    """Give each cell the nearest of the rows whose nearest cell it is."""
    from scipy.spatial import cKDTree

    rows = np.full(len(cells), -1, dtype=np.int64)
    if not len(cells) or not len(points):
        return rows
    away, nearest = map(
        np.asarray,
        cKDTree(cells.points_um).query(
            points, distance_upper_bound=np.nextafter(within_um, np.inf)
        ),
    )
    order = np.argsort(away, kind="stable")
    order = order[np.isfinite(away[order])]
    farthest_first = order[::-1]
    rows[nearest[farthest_first]] = farthest_first
    return rows
