"""Patterns in few words, for page one: what holds, and what cannot be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.plots_parts import shortened

__all__ = ["AXIS_TITLES", "Said", "course_said", "holds", "in_short", "moment_said", "unjudged"]

AXIS_TITLES = {"t_cells": "T cells", "pdl1": "PD-L1", "course": "The course"}
"""What patterns are about, where people read it."""
_STEPS = "course_steps"
_GATES = "gates found automatically"
_SHORT, _LONG, _WHOLE = 170, 360, 700
"""Letters of a text on page one, and of that on a whole course, which stands there once; all of it
stands below, among the patterns."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of a patient's course.

    Parameters
    ----------
    verdicts
        The courses that hold, in words; or that none does.
    steps
        What is shown at each timepoint.
    evidence, against, why
        The numbers for it, what argues against it, and why something cannot be judged.
    """

    verdicts: tuple[str, ...] = ()
    steps: str = ""
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    why: tuple[str, ...] = ()


def holds(row: Mapping[Any, Any]) -> bool:
    """Whether a row of ``patterns.csv`` holds; not where it cannot be judged."""
    return bool(pd.notna(row["holds"]) and row["holds"])


def unjudged(row: Mapping[Any, Any]) -> bool:
    """Whether a row says that its axis cannot be judged."""
    return text_of(row["pattern"]).endswith("_not_evaluable")


def in_short(row: Mapping[Any, Any]) -> str:
    """Return a row that holds in words, without the reasons of what cannot be judged."""
    if unjudged(row):
        axis = text_of(row["axis"])
        return f"{AXIS_TITLES.get(axis, axis)}: not evaluable"
    if text_of(row["pattern"]).endswith("_unnamed"):
        axis = text_of(row["axis"])
        return f"{AXIS_TITLES.get(axis, axis)}: no pattern shown"
    return text_of(row["words"])


def course_said(held: Sequence[Mapping[Any, Any]]) -> Said:
    """Return what is said of a course.

    Parameters
    ----------
    held
        The rows of a patient that hold; those of a single timepoint are left out.
    """
    return _said([row for row in held if not text_of(row["timepoint"])], _LONG)


def moment_said(held: Sequence[Mapping[Any, Any]]) -> Said:
    """Return what is said of one timepoint, from its rows that hold."""
    return _said(held, _SHORT)


def _said(held: Sequence[Mapping[Any, Any]], most: int) -> Said:
    steps = [row for row in held if text_of(row["pattern"]) == _STEPS]
    rest = [row for row in held if text_of(row["pattern"]) != _STEPS]
    known = [row for row in rest if not unjudged(row)]

    def of(column: str, rows: Sequence[Mapping[Any, Any]], most: int = most) -> tuple[str, ...]:
        texts = dict.fromkeys(_without_gates(text_of(row[column])) for row in rows)
        return tuple(shortened(text, most) for text in texts if text)

    return Said(
        verdicts=tuple(dict.fromkeys(in_short(row) for row in rest)),
        steps="; ".join(text_of(row["words"]) for row in steps),
        # courses that hold share their numbers: told timepoint by timepoint, each stands once
        evidence=of("evidence_for", steps, _WHOLE) or of("evidence_for", known),
        against=of("evidence_against", [*known, *steps]),
        why=of("reason", [row for row in rest if unjudged(row)]),
    )


def _without_gates(text: str) -> str:
    """Leave out gates that nobody confirmed: the lines on adequacy say the same, by name."""
    parts = [part for part in text.split("; ") if not part.startswith(_GATES)]
    return "; ".join(parts)
