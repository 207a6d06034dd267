"""Patterns in few words, for page one: what holds, and what cannot be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from immunescape.report.plots_cohort_parts import text_of

__all__ = ["AXIS_TITLES", "Said", "course_said", "holds", "in_short", "unjudged"]

AXIS_TITLES = {"t_cells": "T cells", "pdl1": "PD-L1", "course": "The course"}
"""What patterns are about, where people read it."""
_STEPS = "course_steps"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of a patient's course.

    Parameters
    ----------
    verdicts
        The courses that hold, in words; or that none does.
    steps
        What is shown at each timepoint.
    evidence, against
        The numbers for it, and what argues against it.
    """

    verdicts: tuple[str, ...]
    steps: str = ""
    evidence: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


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
    return text_of(row["words"])


def course_said(held: Sequence[Mapping[Any, Any]]) -> Said:
    """Return what is said of a course.

    Parameters
    ----------
    held
        The rows of a patient that hold; those of a single timepoint are left out.
    """
    over = [row for row in held if not text_of(row["timepoint"])]
    steps = [row for row in over if text_of(row["pattern"]) == _STEPS]
    rest = [row for row in over if row not in steps]
    against = dict.fromkeys(
        text_of(row["reason" if unjudged(row) else "evidence_against"]) for row in (*rest, *steps)
    )
    evidence = dict.fromkeys(
        text_of(row["evidence_for"]) for row in (*rest, *steps) if not unjudged(row)
    )
    return Said(
        verdicts=tuple(dict.fromkeys(in_short(row) for row in rest)),
        steps="; ".join(text_of(row["words"]) for row in steps),
        evidence=tuple(filter(None, evidence)),
        against=tuple(filter(None, against)),
    )
