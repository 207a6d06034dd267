"""Handing over to a run what people made in the window: a sheet that names their files."""

import csv
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from immunescape.cohort.sheet import Sheet
from immunescape.cohort.worklist import with_kept
from immunescape.io.output import atomic_path, writing
from immunescape.samples import Sample

__all__ = ["HANDED_OVER", "sheet_to_run"]

HANDED_OVER = "worklist.csv"
"""Sheet in the folder of a cohort: that of its people, with the files that they made since."""
_LESIONS = "lesions.csv"
_COLUMNS = (
    "sample_id", "slide", "patient", "timepoint", "specimen", "lesion", "site", "batch", "day",
    "annotations", "labels", "calls", "edits", "study", "control",
)  # fmt: skip


def sheet_to_run(sheet: Sheet, out: Path) -> Path:
    """Return the sheet that a run should be given.

    Parameters
    ----------
    sheet
        The sheet as people gave it.
    out
        Folder of the cohort, where they drew and set.

    Returns
    -------
    Path
        Their own sheet where they made nothing; else ``worklist.csv`` in the folder, written
        anew, in which what they made has the place of what the sheet names. Slides and files are
        named from that folder on, so that both may be moved together.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    made = [with_kept(sample, out) for sample in sheet.samples]
    if made == list(sheet.samples):
        return sheet.path
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_COLUMNS, *sheet.carried))
    writer.writerows(_row(sample, sheet.carried, out) for sample in made)
    target = out / HANDED_OVER
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with atomic_path(target) as beside:
            beside.write_text(text.getvalue(), encoding="utf-8")
        lesions = sheet.path.parent / _LESIONS
        if lesions.is_file() and lesions.resolve() != (out / _LESIONS).resolve():
            with atomic_path(out / _LESIONS) as beside:
                shutil.copyfile(lesions, beside)
    return target


def _row(sample: Sample, carried: Iterable[str], out: Path) -> list[str]:
    told = {
        "sample_id": sample.sample_id, "patient": sample.patient, "timepoint": sample.timepoint,
        "specimen": sample.specimen, "lesion": sample.lesion, "site": sample.site,
        "batch": sample.batch, "day": "" if sample.day is None else repr(sample.day),
        "labels": "|".join(_from(out, path) for path in sample.labels),
    }  # fmt: skip
    for what in ("slide", "annotations", "calls", "edits", "study", "control"):
        path = getattr(sample, what)
        told[what] = "" if path is None else _from(out, path)
    return [*(told[c] for c in _COLUMNS), *(sample.carried.get(c, "") for c in carried)]


def _from(folder: Path, path: Path) -> str:
    """Return a path as it is named from a folder; whole where that lies on another disk."""
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()
