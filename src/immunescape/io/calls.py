"""Calls made elsewhere: which cells are positive for a marker, and what they are."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.errors import CallsError
from immunescape.results import PHENOTYPES

__all__ = ["ImportedCalls", "read_calls"]

_YES = ("1", "1.0", "true", "+", "yes", "positive", "pos")
_NO = ("0", "0.0", "false", "-", "no", "negative", "neg")
_EMPTY = ("", "na", "nan", "none", "null", "<na>")
_SUFFIX = "_positive"


@dataclass(frozen=True, eq=False)
class ImportedCalls:
    """Calls of a file, one row for each cell of the slide in the order of its cell table.

    Parameters
    ----------
    frame
        Columns ``<marker>_positive`` (nullable boolean) and perhaps ``phenotype`` (``tumour``,
        ``cd8_t``, ``other``, ``unknown``), indexed by label. A cell without a row in the file is
        missing and ``unknown``.
    notes
        How many cells have no row, and how many rows no cell.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers that the file calls, in its order."""
        names = map(str, self.frame.columns)
        return tuple(c.removesuffix(_SUFFIX) for c in names if c.endswith(_SUFFIX))

    @property
    def has_phenotype(self) -> bool:
        """Whether the file says what the cells are."""
        return "phenotype" in self.frame


def read_calls(path: str | Path, cells: CellTable, *, within_um: float = 3.0) -> ImportedCalls:
    """Read calls from a CSV, TSV or parquet file and find the cell of each row.

    Rows are matched by the column ``label``; where there is none, by position: each row
    (``x_um, y_um``) goes to the nearest centroid within `within_um`, and of several rows that
    choose one cell only the nearest counts, the first in the file where they tie. A file that has
    both is matched by label, provided that half of its positions agree.

    Parameters
    ----------
    path
        File with ``label`` or ``x_um, y_um``, and any of ``<marker>_positive`` (1, 0, true,
        false, +, -, yes, no; empty is missing) and ``phenotype`` (tumour, cd8_t, other, unknown;
        empty is unknown). Other columns are ignored.
    cells
        Cells of the slide.
    within_um
        Farthest that a row may be from its cell.

    Raises
    ------
    CallsError
        If the file cannot be read, has no such columns, a value is none of these, a label or a
        position comes twice, or no row fits a cell.
    """
    path = Path(path)
    table = _read(path)
    columns = {c: _key(c) for c in table.columns}
    keys = list(columns.values())
    if twice := sorted({k for k in keys if k and keys.count(k) > 1}):
        raise CallsError(f"{path.name} has the column {twice[0]} twice; remove one")
    table = table[[c for c, key in columns.items() if key]].rename(columns=columns)
    called = [c for c in map(str, table.columns) if c.endswith(_SUFFIX)]
    calls = pd.DataFrame({c: _boolean(table[c], path.name) for c in called}, index=table.index)
    if "phenotype" in table:
        calls["phenotype"] = _phenotype(table["phenotype"], path.name)
    if calls.columns.empty:
        raise CallsError(
            f"{path.name} holds no calls; name its columns like pdl1_positive or phenotype"
        )
    if "label" in table:
        rows = _rows_by_label(table, cells, within_um, path.name)
    elif {"x_um", "y_um"} <= set(table.columns):
        rows = _rows_by_position(table, cells, within_um, path.name)
    else:
        raise CallsError(f"{path.name} has neither the column label nor x_um and y_um; add them")
    if len(cells) and len(table) and not (rows >= 0).any():
        raise CallsError(
            f"{path.name} fits no cell of this slide; check that its labels, or its positions in "
            "µm, are those of this slide's cells"
        )
    frame = calls.iloc[rows[rows >= 0]].set_axis(cells.frame.index[rows >= 0])
    frame = frame.reindex(cells.frame.index)
    if "phenotype" in frame:
        frame["phenotype"] = frame["phenotype"].fillna("unknown")
    return ImportedCalls(frame, _notes(path.name, rows, len(table)))


def _notes(name: str, rows: npt.NDArray[np.int64], n_rows: int) -> tuple[str, ...]:
    notes = []
    if without := int((rows < 0).sum()):
        notes.append(f"{name} has no row for {without} of {len(rows)} cells: they are unknown")
    if spare := n_rows - int((rows >= 0).sum()):
        notes.append(f"{name}: {spare} of {n_rows} rows have no cell and were left out")
    return tuple(notes)


def _read(path: Path) -> pd.DataFrame:
    """Read every cell of the file as text."""
    if not path.is_file():
        raise CallsError(f"{path.name} is no file; give a CSV, TSV or parquet table of calls")
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            table = pd.read_parquet(path)
            if table.index.name is not None:
                table = table.reset_index()
            return table.astype(object).where(table.notna(), "").astype(str)
        with path.open(encoding="utf-8-sig") as file:
            head = file.readline()
        separator = max("\t;,", key=head.count)
        return pd.read_csv(
            path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig",
            index_col=False, on_bad_lines="error",
        )  # fmt: skip
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise CallsError(
            f"{path.name} cannot be read as a table; save it as CSV, TSV or parquet"
        ) from error


def _key(column: str) -> str:
    """Return the name a column counts as, or an empty text for one that is ignored."""
    name = str(column).strip().lower()
    if name in ("label", "x_um", "y_um", "phenotype"):
        return name
    if name.endswith(_SUFFIX):
        marker = re.sub(r"[^a-z0-9_]", "", name.removesuffix(_SUFFIX))
        return f"{marker}{_SUFFIX}" if marker else ""
    return ""


def _boolean(column: "pd.Series[str]", name: str) -> "pd.Series[bool]":
    words = column.str.strip().str.lower()
    known = words.isin([*_YES, *_NO, *_EMPTY])
    if not known.all():
        row = int(np.argmin(known.to_numpy()))
        raise CallsError(
            f"{name}, row {row + 1}: {column.name} is {column.iloc[row]!r}; give 1 or 0, "
            "true or false, + or -, yes or no, or leave it empty"
        )
    result = pd.Series(pd.NA, index=column.index, dtype="boolean")
    result[words.isin(_YES)] = True
    result[words.isin(_NO)] = False
    return result


def _phenotype(column: "pd.Series[str]", name: str) -> "pd.Series[str]":
    words = column.str.strip().str.lower()
    words = words.mask(words.isin(_EMPTY), "unknown")
    known = words.isin(PHENOTYPES)
    if not known.all():
        row = int(np.argmin(known.to_numpy()))
        raise CallsError(
            f"{name}, row {row + 1}: phenotype is {column.iloc[row]!r}; "
            f"give one of {', '.join(PHENOTYPES)}"
        )
    return words


def _numbers(column: "pd.Series[str]", name: str) -> npt.NDArray[np.float64]:
    numbers = pd.to_numeric(column.str.strip(), errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(np.argmax(bad))
        raise CallsError(
            f"{name}, row {row + 1}: {column.name} is {column.iloc[row]!r}; give a number"
        )
    return numbers


def _rows_by_label(
    table: pd.DataFrame, cells: CellTable, within_um: float, name: str
) -> npt.NDArray[np.int64]:
    """Return the row of each cell, -1 for none."""
    numbers = _numbers(table["label"], name)
    labels = pd.Index(numbers.astype(np.int64))
    if np.any(labels.to_numpy() != numbers) or (len(labels) and labels.min() < 1):
        row = int(np.argmax((numbers % 1 != 0) | (numbers < 1)))
        raise CallsError(
            f"{name}, row {row + 1}: label is {table['label'].iloc[row]!r}; "
            "give a positive whole number"
        )
    if not labels.is_unique:
        raise CallsError(
            f"{name} has the label {labels[labels.duplicated()][0]} twice; keep one row a cell"
        )
    rows = np.asarray(labels.get_indexer(pd.Index(cells.labels)), dtype=np.int64)
    hit = rows >= 0
    if {"x_um", "y_um"} <= set(table.columns) and hit.any():
        points = np.column_stack([_numbers(table[c], name) for c in ("x_um", "y_um")])
        away = np.linalg.norm(points[rows[hit]] - cells.points_um[hit], axis=1)
        if np.median(away) > within_um:
            raise CallsError(
                f"{name}: the labels are not those of this slide's cells, their positions differ "
                f"by {np.median(away):.1f} µm; pass the masks they belong to with --labels, or "
                "remove the column label to match by position"
            )
    return rows


def _rows_by_position(
    table: pd.DataFrame, cells: CellTable, within_um: float, name: str
) -> npt.NDArray[np.int64]:
    """Return the row of each cell, -1 for none."""
    from scipy.spatial import cKDTree

    points = np.column_stack([_numbers(table[c], name) for c in ("x_um", "y_um")])
    doubled = pd.DataFrame(points).duplicated().to_numpy()
    if doubled.any():
        x, y = points[np.argmax(doubled)]
        raise CallsError(f"{name} has the position {x:g}, {y:g} µm twice; keep one row a cell")
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
