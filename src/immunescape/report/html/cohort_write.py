"""The files of a cohort's report: its page, a page a patient, and the workbook."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import OutputError
from immunescape.io.output import atomic_path, check_folder_name, writing
from immunescape.report.html.cohort import cohort_page
from immunescape.report.html.page import link_to
from immunescape.report.html.patient import Course, patient_page
from immunescape.report.workbook import write_cohort_workbook
from immunescape.report.workbook_cohort import main_results
from immunescape.samples import timepoint_order

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.samples import Sample, SampleResult

__all__ = ["page_names", "write_cohort_reports"]

FOLDER = "patients"
"""Folder of the patients' pages in that of the cohort."""
_LONGEST = 80


def write_cohort_reports(
    out: Path,
    results: Sequence["SampleResult"],
    tables: Mapping[str, "pd.DataFrame"],
    lesions: "pd.DataFrame | None" = None,
    *,
    samples: Sequence["Sample"] = (),
    group_by: str = "",
    warnings: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Write ``report.html``, ``patients/<patient>.html`` and ``report.xlsx`` of a cohort.

    Parameters
    ----------
    out
        Folder of the cohort; it must exist. Slides have their results in ``slides`` in it.
    results
        The slides that were analysed, under shared gates, under each slide's own, or both.
    tables
        ``specimens, patients, comparisons, patterns, failures`` by name; what is not there is
        said to be absent.
    lesions
        ``lesions.csv``; None where there is none.
    samples
        The rows of the sample sheet, those that failed too; None takes those of the results.
    group_by
        The column of the sample sheet that patients are coloured by first; others can be chosen.
    warnings
        What a reader of the whole should know.

    Returns
    -------
    tuple of Path
        The files, each written whole or not at all.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    known = list(samples) or [r.sample for r in main_results(results)]
    timepoints = timepoint_order(known)
    patients = dict.fromkeys((*(s.patient for s in known), *_told_of(tables)))
    names = page_names(patients)
    links = {patient: link_to(FOLDER, f"{name}.html") for patient, name in names.items()}
    pages = out / FOLDER
    with writing(pages):
        pages.mkdir(exist_ok=True)
    written = []
    for patient, name in names.items():
        course = Course(
            patient=patient,
            timepoints=timepoints,
            results=[r for r in results if r.sample.patient == patient],
            tables=tables,
            lesions=lesions,
            samples=[s for s in known if s.patient == patient],
        )
        written.append(_write(pages / f"{name}.html", patient_page(course)))
    text = cohort_page(
        main_results(results), tables, timepoints, links, samples=known, group_by=group_by,
        warnings=warnings,
    )  # fmt: skip
    write_cohort_workbook(out, results, tables)
    return (*written, out / "report.xlsx", _write(out / "report.html", text))


def page_names(patients: Iterable[str]) -> dict[str, str]:
    """Return a file name for the page of each patient, safe on every system.

    Parameters
    ----------
    patients
        Their names, each once.

    Returns
    -------
    dict
        By patient, in their order, without suffix. A name that can be a file's stays; in another
        what cannot is an underscore. Names that a file system may take for the same, by case or
        by how accents are written, are numbered.

    Examples
    --------
    >>> page_names(["P01", "p01", "a/b", "con"])
    {'P01': 'P01', 'p01': 'p01-2', 'a/b': 'a_b', 'con': '_con'}
    """
    taken: set[str] = set()
    names = {}
    for patient in patients:
        name = _safe(patient)
        found, number = name, 1
        while _alike(found) in taken:
            number += 1
            found = f"{name}-{number}"
        taken.add(_alike(found))
        names[patient] = found
    return names


def _safe(name: str) -> str:
    """Return a name that can be a file's: as it is where it can."""
    kept = "".join("_" if c in '<>:"/\\|?*' or ord(c) < 32 else c for c in name)
    kept = kept.strip().rstrip(".")[:_LONGEST].rstrip(". ") or "_"
    try:
        return check_folder_name(kept)
    except OutputError:
        return check_folder_name(f"_{kept}")


def _alike(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def _told_of(tables: Mapping[str, "pd.DataFrame"]) -> list[str]:
    """Return the patients that only the table of failures knows."""
    failures = tables.get("failures")
    if failures is None or failures.empty:
        return []
    return [str(patient) for patient in failures["patient"].dropna() if str(patient)]


def _write(path: Path, text: str) -> Path:
    with atomic_path(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path
