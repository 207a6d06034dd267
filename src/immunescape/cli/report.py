"""``immunescape report``: the pages of results that are there, and their figures."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from immunescape.cohort.reporting import PLAN, report_again, save_cohort_figures
from immunescape.errors import OutputError
from immunescape.report.figures import save_figures, slide_sketches
from immunescape.report.html.slide_write import write_slide_report
from immunescape.report.told import load_told, result_folders

__all__ = ["report"]


def report(
    out: Path,
    /,
    *,
    figures: Path | None = None,
    quiet: Annotated[bool, Parameter(name=("--quiet", "-q"), negative=())] = False,
) -> int:
    """Write the report of every result in a folder again, from its files alone.

    Parameters
    ----------
    out
        Folder of a result, one that holds a folder a slide, or that of a cohort: then its page,
        those of its patients and its workbook are written too.
    figures
        Folder for every figure as SVG and as PNG with 300 dots an inch.
    quiet
        Print nothing.
    """
    if not out.is_dir():
        raise OutputError(f"{out.name or out} is no folder; give the folder that a run wrote to")
    folders = result_folders(out)
    cohort = (out / PLAN).is_file()
    if not folders and not cohort:
        raise OutputError(
            f"{out.name or out} holds no result; give the folder that a run wrote to with -o"
        )
    for folder in folders:
        told = load_told(folder)
        write_slide_report(folder, told)
        if figures is not None:
            save_figures(slide_sketches(told), figures, f"{folder.name}-")
        if not quiet:
            print(f"{folder.name}: report.html, report.xlsx")
    if cohort:
        written = report_again(out)
        if figures is not None:
            save_cohort_figures(out, figures)
        if not quiet:
            print(f"{out.name}: report.html, report.xlsx and {len(written) - 2} pages in patients/")
    return 0
