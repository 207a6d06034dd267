"""Patterns of a cohort: every patient at every timepoint."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from immunescape.report.html.patient_patterns import AXIS_TITLES, course_said, holds
from immunescape.report.plots_cohort_parts import text_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Chip", "MatrixRow", "matrix_of"]

_SHORT = {"unnamed": "none shown", "not_evaluable": "not evaluable"}
_TINTS = {
    "t_cells_excluded": "a", "t_cells_infiltrated": "b", "t_cells_desert": "c",
    "pdl1_reactive": "b", "pdl1_absent_on_tumour": "a", "pdl1_constitutive": "d",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One pattern in a cell of the matrix."""

    axis: str
    short: str
    words: str
    tint: str


@dataclass(frozen=True, kw_only=True)
class MatrixRow:
    """One patient: chips at each timepoint, why there are none, and the courses in words."""

    patient: str
    link: str
    chips: tuple[tuple[Chip, ...], ...]
    empty: tuple[str, ...]
    courses: tuple[str, ...]


def matrix_of(
    patterns: "pd.DataFrame",
    timepoints: Sequence[str],
    links: Mapping[str, str],
    taken: Collection[tuple[str, str]],
) -> list[MatrixRow]:
    """Return the patterns of every patient at every timepoint.

    Parameters
    ----------
    patterns
        Rows of ``patterns.csv`` under one kind of gates.
    timepoints
        In the order of time.
    links
        Page of each patient.
    taken
        Patients and timepoints of which a slide was analysed.
    """
    if patterns.empty:
        return []
    held = patterns[[holds(row) for row in patterns.to_dict("records")]]
    rows = []
    for patient in dict.fromkeys(map(str, patterns["patient"])):
        mine = held[held["patient"].astype(str) == patient]
        over = mine[(mine["level"] == "patient") & (mine["timepoint"].map(text_of) == "")]
        chips = tuple(_chips(mine[mine["timepoint"] == t]) for t in timepoints)
        empty = tuple("none read" if (patient, t) in taken else "no slide" for t in timepoints)
        courses = course_said(over.to_dict("records")).verdicts
        rows.append(
            MatrixRow(
                patient=patient,
                link=links.get(patient, ""),
                chips=chips,
                empty=empty,
                courses=courses,
            )
        )
    return rows


def _chips(held: "pd.DataFrame") -> tuple[Chip, ...]:
    level = "patient" if (held["level"] == "patient").any() else "slide"
    return tuple(
        Chip(
            axis=AXIS_TITLES.get(text_of(row["axis"]), ""),
            short=_short(text_of(row["axis"]), text_of(row["pattern"])),
            words=text_of(row["words"]),
            tint=_TINTS.get(text_of(row["pattern"]), "none"),
        )
        for row in held[held["level"] == level].to_dict("records")
    )


def _short(axis: str, pattern: str) -> str:
    name = pattern.removeprefix(f"{axis}_")
    return _SHORT.get(name, name.replace("_", " "))
