"""Tables in and out: cells as parquet, results as CSV, each written whole or not at all."""

from pathlib import Path

import pandas as pd

from immunescape.cells import CellTable
from immunescape.errors import OutputError
from immunescape.io.output import atomic_path

__all__ = ["read_cells", "write_cells", "write_csv"]


def write_csv(path: Path, table: pd.DataFrame, *, index: bool = False, exact: bool = False) -> None:
    """Write a table as UTF-8 CSV; a missing value is an empty field, truth is True or False.

    Numbers have nine digits; with ``exact`` as many as give the same number back.
    """
    with atomic_path(path) as beside:
        table.to_csv(
            beside, index=index, lineterminator="\n", float_format=None if exact else "%.9g"
        )


def write_cells(folder: Path, cells: CellTable, *, csv: bool = False) -> Path:
    """Write a cell table as ``cells.parquet``, or as ``cells.csv``, and return its path.

    The other of the two is removed, so that a folder never holds two versions. Both hold every
    number exactly: a later run that takes them over ends with the very same tables.
    """
    parquet, text = folder / "cells.parquet", folder / "cells.csv"
    if csv:
        write_csv(text, cells.frame.reset_index(), exact=True)
        parquet.unlink(missing_ok=True)
        return text
    with atomic_path(parquet) as beside:
        cells.frame.reset_index().to_parquet(beside, index=False, compression="zstd")
    text.unlink(missing_ok=True)
    return parquet


def read_cells(folder: Path) -> CellTable:
    """Read the cell table of a result folder.

    Raises
    ------
    OutputError
        If the folder holds none, or one that is damaged.
    """
    parquet, text = folder / "cells.parquet", folder / "cells.csv"
    try:
        if parquet.exists():
            frame = pd.read_parquet(parquet)
        elif text.exists():
            frame = pd.read_csv(text, engine="pyarrow")  # it rounds exactly in every version
        else:
            raise OutputError(
                f"{folder.name} holds no cell table; pass --overwrite to make it again"
            )
        return CellTable(frame.set_index("label"))
    except OutputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise OutputError(
            f"the cell table in {folder.name} is damaged; pass --overwrite to make it again"
        ) from error
