"""The report of one slide as files: written again from its result alone."""

from pathlib import Path

from immunescape.io.output import atomic_path
from immunescape.report.html.slide import slide_report
from immunescape.report.told import Told, load_told
from immunescape.report.workbook import write_slide_workbook

__all__ = ["write_slide_report"]

_PAGE, _WORKBOOK = "report.html", "report.xlsx"


def write_slide_report(folder: Path, told: Told | None = None) -> tuple[Path, ...]:
    """Write ``report.html`` and ``report.xlsx`` into the folder of a result.

    Parameters
    ----------
    folder
        The result; neither its slide nor the network is needed.
    told
        What the folder tells, where it was read already.

    Returns
    -------
    tuple of Path
        The page and the workbook.

    Raises
    ------
    OutputError
        If the folder holds no complete result, or cannot be written.
    """
    told = load_told(folder) if told is None else told
    with atomic_path(folder / _PAGE) as beside:
        beside.write_text(slide_report(told), encoding="utf-8")
    write_slide_workbook(folder, told.result.name, told.result.tables)
    return folder / _PAGE, folder / _WORKBOOK
