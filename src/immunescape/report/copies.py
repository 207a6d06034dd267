"""Copies of a result's tables, for a person to take along."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import OutputError
from immunescape.io.output import atomic_path, writing
from immunescape.io.tables import write_csv

if TYPE_CHECKING:
    from immunescape.blocks import Progress
    from immunescape.cells import CellTable

__all__ = ["copy_tables"]


def copy_tables(
    result: Path, cells: "CellTable", target: Path, progress: "Progress"
) -> tuple[str, ...]:
    """Copy the tables of a result, byte by byte, and write its cells as CSV.

    Parameters
    ----------
    result
        Folder of the result.
    cells
        Its cell table.
    target
        Where to; made where it is not there. Files of the same names are replaced, others stay.
    progress
        Called after each file.

    Returns
    -------
    tuple of str
        Names of the files.

    Raises
    ------
    OutputError
        If the target holds a result, this or another, or cannot be written.
    """
    if (target / "labels.zarr").exists():
        raise OutputError(f"{target.name} is the folder of a result; choose another")
    files = sorted(p for p in result.glob("*.csv") if p.name != "cells.csv")
    files += [p for p in (result / "study.toml", result / "provenance.json") if p.is_file()]
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
    for done, path in enumerate(files):
        progress("copy", done, len(files) + 1)
        with atomic_path(target / path.name) as beside:
            shutil.copyfile(path, beside)
    write_csv(target / "cells.csv", cells.frame.reset_index(), exact=True)
    progress("copy", len(files) + 1, len(files) + 1)
    return (*(p.name for p in files), "cells.csv")
