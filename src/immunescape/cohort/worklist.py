"""How far people are with each slide of a sheet, told from what they drew, set and answered."""

import csv
import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from immunescape.cohort.plan import SLIDES, look_at
from immunescape.cohort.rows import read_rows
from immunescape.cohort.sheet import Sheet, read_sheet
from immunescape.cohort.signing import (
    SIGNED,
    Signature,
    content_of,
    read_signatures,
    standing_signature,
)
from immunescape.cohort.state import State, read_state
from immunescape.errors import ImmunescapeError, SheetError
from immunescape.io.reviews import read_answers
from immunescape.pipeline.given import CORRECTIONS
from immunescape.samples import Sample
from immunescape.study import Study, read_study

if TYPE_CHECKING:
    from immunescape.phenotype import GateSpec

__all__ = [
    "STANDINGS",
    "Entry",
    "Standing",
    "content_signed",
    "entry_of",
    "gates_to_carry",
    "is_sheet",
    "kept_folder",
    "next_sample",
    "read_worklist",
    "with_kept",
]

Standing = Literal["to do", "annotated", "gated", "reviewed", "signed"]
STANDINGS: tuple[Standing, ...] = get_args(Standing)
"""How far a slide is, in the order of the work."""

_SHEETS = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm")
_NEEDED = ("slide", "patient", "timepoint")
_MOST_BYTES = 10_000_000
_GATES = "gates.csv"
_REVIEW = "review.csv"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One slide of a sheet and how far people are with it.

    Parameters
    ----------
    sample
        Its row, with the files that a person made in place of those of the sheet.
    annotated
        Whether something is drawn on it.
    gates, gates_left
        Gates that somebody confirmed on this slide, and those of its result that nobody did, such
        as ``pdl1@tumour``; the latter are unknown, and empty, before there is a result.
    gated_by
        Who confirmed them; empty where nobody is named.
    answers, readers
        Answers to blinded cells, and who gave them.
    signature
        The signature that stands.
    withdrawn
        The last signature, where what it stood for changed since.
    state
        How far its run is.
    problems
        Files of a person that cannot be read.
    """

    sample: Sample
    annotated: bool = False
    gates: tuple[str, ...] = ()
    gates_left: tuple[str, ...] = ()
    gated_by: str = ""
    answers: int = 0
    readers: tuple[str, ...] = ()
    signature: Signature | None = None
    withdrawn: Signature | None = None
    state: State
    problems: tuple[str, ...] = ()

    @property
    def gated(self) -> bool:
        """Whether a person confirmed every gate, as far as its gates are known."""
        if self.sample.calls is not None and not self.gates_left:
            return True
        return bool(self.gates) and not self.gates_left and bool(self.gated_by)

    @property
    def standing(self) -> Standing:
        """The furthest that was reached, whatever was left out before it."""
        if self.signature is not None:
            return "signed"
        if self.answers:
            return "reviewed"
        if self.gated:
            return "gated"
        return "annotated" if self.annotated else "to do"


def is_sheet(path: Path) -> bool:
    """Whether a file is a sample sheet: its header names slide, patient and timepoint."""
    try:
        if path.suffix.lower() not in _SHEETS or not path.is_file():
            return False
        if path.stat().st_size > _MOST_BYTES:
            return False
        return set(_NEEDED) <= set(read_rows(path, _NEEDED).columns)
    except (OSError, SheetError):
        return False


def read_worklist(path: Path, out: Path, base: Study = Study()) -> Sheet:
    """Read a sample sheet to work through it.

    Parameters
    ----------
    path
        The sheet.
    out
        Folder of the cohort: a slide is opened as a person set it there. What they made and
        cannot be read is no problem of the sheet: they are told once they open that slide.
    base
        Study that all slides have in common.

    Raises
    ------
    SheetError
        Listing every problem with its line.
    """

    def look(sample: Sample) -> tuple[str, list[str]]:
        own = with_kept(sample, out).study
        try:
            if own is not None and own != sample.study:
                read_study(own)
        except ImmunescapeError:
            own = sample.study
        return look_at(dataclasses.replace(sample, study=own), base)

    return read_sheet(path.resolve(), look)


def kept_folder(out: Path, sample: Sample) -> Path:
    """Return the folder of what a person drew, corrected and set on a sample."""
    return out / SLIDES / f"{sample.sample_id}.session"


def with_kept(sample: Sample, out: Path) -> Sample:
    """Return a sample with the files that a person made in place of those of the sheet."""
    if not sample.sample_id:
        return sample
    kept = kept_folder(out, sample)
    named = {
        "annotations": kept / "annotations.geojson",
        "study": kept / "study.toml",
        "edits": kept / CORRECTIONS,
    }
    made = {what: path for what, path in named.items() if path.is_file()}
    return dataclasses.replace(sample, **made)  # type: ignore[arg-type]


def entry_of(sample: Sample, out: Path) -> Entry:
    """Return how far people are with a sample; nothing is opened but small files.

    Parameters
    ----------
    sample
        A row of the sheet.
    out
        Folder of the cohort.
    """
    kept, own = kept_folder(out, sample), with_kept(sample, out)
    problems: list[str] = []
    gates: tuple[GateSpec, ...] = ()
    gated_by = ""
    if own.study is not None:
        try:
            study = read_study(own.study)
            gates, gated_by = study.gate, study.reviewed_by
        except ImmunescapeError as error:
            problems.append(str(error))
    confirmed: set[tuple[str, str]] = {(g.marker, g.parent) for g in gates if g.confirmed}
    answers, readers = 0, tuple[str, ...]()
    try:
        table = read_answers(kept / _REVIEW)
        answers, readers = len(table), tuple(dict.fromkeys(table["reader"].astype(str)))
    except ImmunescapeError as error:
        problems.append(str(error))
    signature = withdrawn = None
    try:
        rows = read_signatures(kept / SIGNED)
        signature = standing_signature(rows, content_signed(sample, out))
        if rows and signature is None and rows[-1].content:
            withdrawn = rows[-1]
    except ImmunescapeError as error:
        problems.append(str(error))
    return Entry(
        sample=own,
        annotated=own.annotations is not None and own.annotations.is_file(),
        gates=_names(confirmed) if gated_by else (),
        gates_left=_names(_unconfirmed(out / SLIDES / sample.sample_id / _GATES, confirmed)),
        gated_by=gated_by if confirmed else "",
        answers=answers,
        readers=readers,
        signature=signature,
        withdrawn=withdrawn,
        state=read_state(out, sample.sample_id),
        problems=tuple(problems),
    )


def content_signed(sample: Sample, out: Path) -> str:
    """Return the hash of what a signature under a sample stands for.

    That is what is drawn, the corrections and the study, whether a person made them here or the
    sheet names them.
    """
    own = with_kept(sample, out)
    edits = own.edits or out / SLIDES / sample.sample_id / CORRECTIONS
    return content_of({"annotations": own.annotations, "edits": edits, "study": own.study})


def gates_to_carry(sample: Sample, samples: Iterable[Sample], out: Path) -> tuple[str, Study]:
    """Return gates that people confirmed on another slide of the patient.

    Parameters
    ----------
    sample
        The slide that they are carried to.
    samples
        All slides, in the order of the sheet; the nearest one before it is taken, else the
        nearest one after it.
    out
        Folder of the cohort.

    Returns
    -------
    str
        The sample that they come from; empty where there is none, or a person set or signed this
        slide.
    Study
        Its study.
    """
    kept = kept_folder(out, sample)
    touched = (kept / "study.toml").is_file() or (kept / SIGNED).is_file()
    if touched or sample.calls is not None:
        return "", Study()
    own = [s for s in samples if s.patient == sample.patient]
    at = [s.sample_id for s in own].index(sample.sample_id)
    for other in (*reversed(own[:at]), *own[at + 1 :]):
        try:
            study = read_study(kept_folder(out, other) / "study.toml")
        except ImmunescapeError:
            continue
        if study.reviewed_by and any(g.confirmed for g in study.gate):
            return other.sample_id, study
    return "", Study()


def _unconfirmed(path: Path, confirmed: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the gates of a result that nobody confirmed; an imported call needs no gate."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [
                (row["marker"], row["parent"])
                for row in csv.DictReader(file)
                if row["threshold"] and row["source"] != "imported"
            ]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error):
        return set()
    return {r for r in rows if r not in confirmed and (r[0], "all") not in confirmed}


def _names(gates: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted(m if parent == "all" else f"{m}@{parent}" for m, parent in gates))


def next_sample(samples: Sequence[Sample], current: str, step: int) -> Sample | None:
    """Return the sample so many rows on from one; None beyond either end.

    Parameters
    ----------
    samples
        In the order of the sheet.
    current
        Its name; with one that is not there, forward begins at the first and backward at the last.
    step
        1 or -1.
    """
    names = [s.sample_id for s in samples]
    at = names.index(current) + step if current in names else (0 if step > 0 else len(names) - 1)
    return samples[at] if 0 <= at < len(names) else None
