"""The sample sheet: which slide is of which patient and timepoint; all that is wrong at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from immunescape.cohort.rows import Row, Table, read_rows
from immunescape.errors import OutputError, SheetError
from immunescape.io.output import check_folder_name
from immunescape.results import (
    COHORT_COLUMNS,
    COMPARISONS_COLUMNS,
    FAILURES_COLUMNS,
    PATIENTS_COLUMNS,
    PATTERNS_COLUMNS,
    SPECIMENS_COLUMNS,
)
from immunescape.samples import TIMEPOINTS, Sample, timepoint_order

__all__ = ["LESIONS_COLUMNS", "Sheet", "read_sheet"]

_NEEDED = ("slide", "patient", "timepoint")
_FILES = ("annotations", "calls", "study", "control", "edits")
_OPTIONAL = (
    "sample_id", "specimen", "lesion", "site", "batch", "annotations", "labels", "calls", "study",
    "control", "edits", "day",
)  # fmt: skip
_LISTED = ";|"
LESIONS_COLUMNS = ("patient", "lesion", "day", "area_mm2")
_RESULTS = {
    *COHORT_COLUMNS, *SPECIMENS_COLUMNS, *PATIENTS_COLUMNS, *COMPARISONS_COLUMNS,
    *PATTERNS_COLUMNS, *FAILURES_COLUMNS, "parameter", "parameter_value",
} - {*_NEEDED, *_OPTIONAL}  # fmt: skip
"""Columns of the results, which no column of a sheet may be mistaken for."""

Look = Callable[[Sample], tuple[str, Iterable[str]]]
"""Opens the files of a sample: gives the slide's name and what is wrong with them."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """A sample sheet without problems.

    Parameters
    ----------
    path
        The file.
    samples
        Its rows in order.
    carried
        Names of its further columns.
    lesions
        Area of lesions over days: ``patient, lesion, day, area_mm2``; without rows where no
        ``lesions.csv`` lies beside the sheet.
    warnings
        What a reader should know.
    """

    path: Path
    samples: tuple[Sample, ...]
    carried: tuple[str, ...]
    lesions: pd.DataFrame
    warnings: tuple[str, ...] = ()


def read_sheet(path: Path, look: Look, *, batches: bool = False) -> Sheet:
    """Read a sample sheet and the lesions beside it.

    Parameters
    ----------
    path
        CSV or xlsx with ``slide, patient, timepoint`` and, as far as wanted, ``sample_id,
        specimen, lesion, site, batch, annotations, labels, calls, study, control, edits, day``; any
        further column is carried along. Paths are relative to the sheet; two label images
        (nuclei and cells) are parted by ``|``.
    look
        Opens the files of a sample.
    batches
        Whether every slide needs a batch.

    Raises
    ------
    SheetError
        Listing every problem with its line; nothing was written.
    """
    table = read_rows(path, (*_NEEDED, *_OPTIONAL))
    problems = [(1, f"the column {c} is absent; add it") for c in _absent(table, _NEEDED)]
    problems += [
        (1, f"the column {c} has the name of a column of the results; rename it")
        for c in table.columns
        if c in _RESULTS
    ]
    if not problems and not table.rows:
        problems.append((1, "no row follows the header; add one a slide"))
    carried = tuple(c for c in table.columns if c not in (*_NEEDED, *_OPTIONAL))
    samples: list[Sample] = []
    if not _absent(table, _NEEDED):
        for row in table.rows:
            sample, wrong = _sample(row, table, path.parent, carried, batches)
            if sample.slide.exists() and not any(w.startswith("slide ") for w in wrong):
                name, found = look(sample)
                wrong += [w for w in found if w not in wrong]
                sample = _named(sample, name)
            samples.append(sample)
            problems += [(row.line, w) for w in wrong]
        problems += _among(samples)
    lines = [f"line {line}: {text}" for line, text in sorted(problems, key=lambda p: p[0])]
    lesions, wrong, told = _lesions(path.parent / "lesions.csv", samples)
    if lines or wrong:
        raise SheetError(path.name, (*lines, *wrong))
    return Sheet(path, tuple(samples), carried, lesions, (*_order_warnings(samples), *told))


def _absent(table: Table, needed: tuple[str, ...]) -> list[str]:
    return [c for c in needed if c not in table.columns]


def _sample(
    row: Row, table: Table, folder: Path, carried: tuple[str, ...], batches: bool
) -> tuple[Sample, list[str]]:
    """Return a row as a sample, and what is wrong with it by itself."""
    told = row.values
    wrong = [f"{c} is empty; fill it in" for c in _NEEDED if not told[c]]
    if row.extra:
        wrong.append("there are more values than columns; put text with a separator in quotes")
    files = {c: _file(folder, told.get(c, "")) for c in _FILES}
    listed = told.get("labels", "")
    for mark in _LISTED:
        listed = listed.replace(mark, "\n")
    labels = tuple(p for part in listed.split("\n") if (p := _file(folder, part.strip())))
    slide = _file(folder, told["slide"]) or Path()
    if told["slide"] and not slide.exists():
        wrong.append(f"slide {told['slide']} does not exist; paths are relative to the sheet")
    given = [*files.items(), *(("labels", p) for p in labels)]
    wrong += [
        f"{column} {file.name} does not exist; paths are relative to the sheet"
        for column, file in given
        if file is not None and not file.exists()
    ]
    day = None
    if text := told.get("day", ""):
        day = table.number(text)
        if day is None:
            wrong.append(f"day is {text!r}; give a number of days, or leave it empty")
    if batches and not told.get("batch"):
        wrong.append("batch is empty, and gates are shared by batch; fill it in")
    name = told.get("sample_id", "")
    if name:
        wrong += _unusable(name)
    timepoint = told["timepoint"]
    if timepoint.lower() in TIMEPOINTS:
        timepoint = timepoint.lower()
    parts = (told["patient"], told.get("lesion", ""), timepoint)
    return (
        Sample(
            sample_id=name,
            slide=slide,
            patient=told["patient"],
            timepoint=timepoint,
            specimen=told.get("specimen") or "_".join(p for p in parts if p),
            lesion=told.get("lesion", ""),
            site=told.get("site", ""),
            batch=told.get("batch", ""),
            day=day,
            annotations=files["annotations"],
            labels=labels,
            calls=files["calls"],
            study=files["study"],
            control=files["control"],
            edits=files["edits"],
            carried={c: told.get(c, "") for c in carried},
            line=row.line,
        ),
        wrong,
    )


def _file(folder: Path, text: str) -> Path | None:
    return folder / Path(text).expanduser() if text else None


def _unusable(name: str) -> list[str]:
    try:
        check_folder_name(name)
    except OutputError as error:
        return [f"sample_id: {error}"]
    return []


def _named(sample: Sample, slide_name: str) -> Sample:
    """Return a sample that has a name: that of its slide, where the sheet gives none."""
    if sample.sample_id or not slide_name:
        return sample
    import dataclasses

    return dataclasses.replace(sample, sample_id=slide_name)


def _among(samples: list[Sample]) -> Iterator[tuple[int, str]]:
    """Yield what is wrong with rows beside each other."""
    seen: dict[str, Sample] = {}
    for sample in samples:
        if not sample.sample_id:
            continue
        if first := seen.get(sample.sample_id.casefold()):
            how = "" if first.sample_id == sample.sample_id else ", but for capital letters"
            yield (
                sample.line,
                (
                    f"sample_id {sample.sample_id} is that of line {first.line}{how}; "
                    "give each row its own in the column sample_id"
                ),
            )
        seen.setdefault(sample.sample_id.casefold(), sample)
    slides: dict[tuple[Path, Path | None], Sample] = {}
    for sample in samples:
        if not sample.slide.exists():
            continue
        # another study may choose another scene of the file
        key = sample.slide.resolve(), sample.study and sample.study.resolve()
        if first := slides.get(key):
            yield sample.line, f"slide {sample.slide.name} is that of line {first.line}; remove one"
        slides.setdefault(key, sample)
    yield from _alike(samples, "patient", lambda s: s.patient)
    yield from _alike(samples, "timepoint", lambda s: s.timepoint)
    specimens: dict[str, Sample] = {}
    for sample in samples:
        first = specimens.setdefault(sample.specimen, sample)
        for what in ("patient", "timepoint", "lesion", "site", "day"):
            one, other = getattr(first, what), getattr(sample, what)
            if one != other and sample.patient and sample.timepoint:
                yield (
                    sample.line,
                    (
                        f"specimen {sample.specimen} has the {what} {_shown(other)} here and "
                        f"{_shown(one)} on line {first.line}; a specimen has one, "
                        "name another in the column specimen"
                    ),
                )


def _shown(value: object) -> str:
    if value is None or value == "":
        return "(empty)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _alike(
    samples: list[Sample], what: str, of: Callable[[Sample], str]
) -> Iterator[tuple[int, str]]:
    """Yield words that differ in capitals or space alone: nobody means two patients by them."""
    first: dict[str, Sample] = {}
    for sample in samples:
        word = of(sample)
        earlier = first.setdefault("".join(word.casefold().split()), sample)
        if word and of(earlier) != word:
            yield (
                sample.line,
                (
                    f"{what} {word!r} is written {of(earlier)!r} on line {earlier.line}; "
                    "write both alike"
                ),
            )


def _order_warnings(samples: list[Sample]) -> Iterator[str]:
    """Yield patients whose days contradict the usual order of their timepoints."""
    for patient in dict.fromkeys(s.patient for s in samples):
        own = [s for s in samples if s.patient == patient and s.timepoint in TIMEPOINTS]
        order = timepoint_order(own)
        if order != tuple(sorted(order, key=TIMEPOINTS.index)):
            yield f"{patient}: by their days the timepoints come in the order {', '.join(order)}"


def _lesions(
    path: Path, samples: list[Sample]
) -> tuple[pd.DataFrame, list[str], tuple[str, ...]]:  # fmt: skip
    """Read the table of lesions, what is wrong with it, and what to tell of it."""
    empty = pd.DataFrame(
        {"patient": pd.Series(dtype=str), "lesion": pd.Series(dtype=str),
         "day": pd.Series(dtype=float), "area_mm2": pd.Series(dtype=float)}
    )  # fmt: skip
    if not path.exists():
        return empty, [], ()
    try:
        table = read_rows(path, LESIONS_COLUMNS)
    except SheetError as error:
        return empty, [f"{path.name}: {problem}" for problem in error.problems], ()
    absent = _absent(table, LESIONS_COLUMNS)
    wrong = [f"{path.name}, line 1: the column {c} is absent; add it" for c in absent]
    if absent:
        return empty, wrong, ()
    rows = []
    seen: dict[tuple[str, str, float], int] = {}
    for row in table.rows:
        where = f"{path.name}, line {row.line}"
        day, area = (table.number(row.values[c]) for c in ("day", "area_mm2"))
        patient, lesion = row.values["patient"], row.values["lesion"]
        if not patient:
            wrong.append(f"{where}: patient is empty; fill it in")
        if day is None:
            wrong.append(f"{where}: day is {row.values['day']!r}; give a number of days")
        if area is None or area < 0:
            wrong.append(f"{where}: area_mm2 is {row.values['area_mm2']!r}; give an area in mm²")
        if day is None or area is None:
            continue
        if first := seen.setdefault((patient, lesion, day), row.line):
            if first != row.line:
                wrong.append(f"{where}: {patient} {lesion} on day {day:g} stands on line {first}")
        rows.append((patient, lesion, day, area))
    known = {s.patient for s in samples}
    others = sorted({r[0] for r in rows} - known - {""})
    told = (f"{path.name}: no slide is of {', '.join(others)}",) if others else ()
    frame = pd.DataFrame(rows, columns=list(LESIONS_COLUMNS)) if rows else empty
    return frame, wrong, told
