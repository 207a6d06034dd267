"""Calls made elsewhere: which cells are positive for a marker, and what they are."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from immunescape.cells import CellTable
from immunescape.errors import CallsError
from immunescape.io.call_columns import SUFFIX, Column, read_column, values_of
from immunescape.io.call_rows import Rows, find_rows, read_positions

__all__ = ["ImportedCalls", "read_calls"]


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
        How many cells have no row or an empty one, how many rows no cell, and what else of the
        file was not used.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def markers(self) -> tuple[str, ...]:
        """Markers that the file calls, in its order."""
        names = map(str, self.frame.columns)
        return tuple(c.removesuffix(SUFFIX) for c in names if c.endswith(SUFFIX))

    @property
    def has_phenotype(self) -> bool:
        """Whether the file says what the cells are."""
        return "phenotype" in self.frame


def read_calls(
    path: str | Path,
    cells: CellTable,
    *,
    within_um: float = 3.0,
    pixel_size_um: float | None = None,
) -> ImportedCalls:
    """Read calls from a CSV, TSV or parquet file and find the cell of each row.

    Rows are matched by the column ``label``; where there is none, by position: each row
    (``x_um, y_um``) goes to the nearest centroid within `within_um`, and of several rows that
    choose one cell only the nearest counts, the first in the file where they tie. A file that has
    both is matched by label, provided that half of its positions agree.

    The numbers that another program gave its cells (``Cell ID``, ``Object Id``) count as labels
    unless the positions beside them disagree, most of them are no labels, or they are no numbers;
    then positions decide.
    Positions whose unit the file does not say (``Cell X Position``, ``XMin``) are tried in µm and
    in pixels, and must find a cell for half of the rows.

    Parameters
    ----------
    path
        File with ``label`` or ``x_um, y_um``, and any of ``<marker>_positive`` (1, 0, true,
        false, +, -, yes, no; empty is missing) and ``phenotype`` (tumour, cd8_t, other, unknown;
        empty is unknown); the names and values that inForm, QuPath and HALO write are known too,
        see `immunescape.io.call_columns`. Other columns are ignored.
    cells
        Cells of the slide.
    within_um
        Farthest that a row may be from its cell.
    pixel_size_um
        Pixel size of the slide, for positions in pixels.

    Raises
    ------
    CallsError
        If the file cannot be read, has no such columns, a value is none of these, a label or a
        position comes twice, or no row fits a cell.
    """
    path = Path(path)
    table = _read(path)
    columns = _columns(table, path.name)
    calls, notes = _calls(table, columns, path.name)
    positions = read_positions(table, columns, path.name, pixel_size_um)
    rows, by = find_rows(table, columns, positions, cells, within_um, path.name)
    if len(cells) and len(table) and not (rows >= 0).any():
        raise CallsError(
            f"{path.name} fits no cell of this slide; check that its labels, or its positions in "
            "µm, are those of this slide's cells"
        )
    frame = calls.iloc[rows[rows >= 0]].set_axis(cells.frame.index[rows >= 0])
    empty = tuple(
        f"{path.name}: {column.removesuffix(SUFFIX)} is empty for {count} cells: missing there"
        for column in map(str, frame.columns)
        if column.endswith(SUFFIX) and (count := int(frame[column].isna().sum()))
    )
    frame = frame.reindex(cells.frame.index)
    if "phenotype" in frame:
        frame["phenotype"] = frame["phenotype"].fillna("unknown")
    return ImportedCalls(frame, (*by, *_notes(path.name, rows, len(table)), *empty, *notes))


def _columns(table: pd.DataFrame, file: str) -> dict[str, Column]:
    """Return what each column that means something holds."""
    columns = {str(c): column for c in table.columns if (column := read_column(str(c)))}
    first: dict[str, str] = {}
    for name, column in columns.items():
        if column.kind == "dye":
            continue
        same = first.setdefault(column.name, name)
        if same is not name:
            what = (
                f"column {column.name} twice"
                if same.lower() == name.lower()
                else (f"columns {same} and {name}, which say the same")
            )
            raise CallsError(f"{file} has the {what}; remove one")
    return columns


def _calls(
    table: pd.DataFrame, columns: dict[str, Column], file: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return every call of the file, a row each, and what could not be used."""
    calls = pd.DataFrame(index=table.index)
    notes = [
        f"{file}: {name} names a dye and no marker, and is not used; name it like pdl1_positive"
        for name, column in columns.items()
        if column.kind == "dye"
    ]
    for kind in ("marker", "phenotype", "classes"):
        for name, column in columns.items():
            if column.kind != kind:
                continue
            try:
                values = values_of(column, table[name], file)
            except CallsError as error:
                if kind != "classes" or calls.columns.empty:
                    raise
                notes.append(f"{error}: not used")
                continue
            new = [c for c in values if c not in calls]
            calls = calls.join(values[new])
    if calls.columns.empty:
        raise CallsError(f"{file} holds no calls; name its columns like pdl1_positive or phenotype")
    return calls, tuple(notes)


def _notes(name: str, rows: Rows, n_rows: int) -> tuple[str, ...]:
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
