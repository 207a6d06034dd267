"""Courses of patients drawn by hand."""

import pandas as pd
import pytest

from immunescape.patterns import pattern_table
from tests.patterns.drawn import (
    ABSENT,
    BETWEEN,
    CONSTITUTIVE,
    DESERT,
    EXCLUDED,
    INFILTRATED,
    NEITHER,
    REACTIVE,
    course,
    courses,
    line,
    result,
    shown,
)

EX_RE, EX_AB = {**EXCLUDED, **REACTIVE}, {**EXCLUDED, **ABSENT}
IN_RE, IN_AB = {**INFILTRATED, **REACTIVE}, {**INFILTRATED, **ABSENT}
IN_CO, DE_NO = {**INFILTRATED, **CONSTITUTIVE}, {**DESERT, **NEITHER}
NOTHING = {**BETWEEN, **NEITHER}
UNKNOWN: dict = {}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((EX_RE, IN_RE, EX_AB), {"course_of_the_paper", "pdl1_lost_on_tumour", "t_cells_lost"}),
        ((EX_RE, IN_RE, IN_AB), {"pdl1_lost_on_tumour"}),
        ((EX_RE, EX_RE, EX_AB), {"pdl1_lost_on_tumour", "t_cells_never_inside"}),
        ((EX_AB, EX_AB, EX_AB), {"pdl1_never_on_tumour", "t_cells_never_inside"}),
        ((EX_AB, IN_RE, EX_AB), {"t_cells_lost"}),
        ((IN_RE, IN_RE, EX_RE), {"t_cells_lost"}),
        ((IN_RE, IN_RE, DE_NO), {"t_cells_lost"}),
        ((EX_RE, IN_RE, IN_RE), {"answered_but_grew"}),
        ((IN_CO, IN_CO, IN_CO), {"pdl1_constitutive_course"}),
        ((NOTHING, NOTHING, NOTHING), {"course_unnamed"}),
        # lost is lost from somewhere: an earlier slide that shows nothing is no proof of PD-L1
        ((NOTHING, NOTHING, EX_AB), {"course_unnamed"}),
        # nor is one that cannot be judged; what was there before is unknown
        ((UNKNOWN, UNKNOWN, EX_AB), {"course_not_evaluable"}),
        ((EX_RE, UNKNOWN, EX_AB), {"pdl1_lost_on_tumour", "t_cells_never_inside"}),
        # the last timepoint decides, and cannot be judged
        ((EX_AB, EX_AB, UNKNOWN), {"course_not_evaluable"}),
    ],
)
def test_a_course_follows_from_its_steps(steps: tuple, expected: set[str]) -> None:
    assert courses(pattern_table(course(*steps))) == expected


def test_the_course_of_the_paper_is_told_with_its_numbers() -> None:
    table = pattern_table(course(EX_RE, IN_RE, EX_AB))
    row = line(table, "course_of_the_paper", level="patient", timepoint="")
    assert row["words"].startswith("consistent with the course of Zaretsky et al. 2016")
    assert (
        "response: CD8 in the centre 700 per mm² (95 % interval 600 to 820" in row["evidence_for"]
    )
    assert "relapse: PD-L1-positive, tumour cells touching CD8 4.0 %" in row["evidence_for"]
    steps = line(table, "course_steps", level="patient", timepoint="")
    assert steps["words"] == (
        "baseline: T cells excluded, PD-L1 reactive → response: T cells infiltrated, PD-L1 "
        "reactive → relapse: T cells excluded, PD-L1 absent on tumour cells"
    )


def test_one_timepoint_makes_no_course() -> None:
    table = pattern_table([result(EX_AB)])
    assert courses(table) == {"course_not_evaluable"}
    row = line(table, "pdl1_lost_on_tumour", level="patient", timepoint="")
    assert pd.isna(row["holds"])
    assert row["reason"] == "one timepoint only; a course needs two"


def test_timepoints_go_by_their_days() -> None:
    """The same slides in another order of days are another course."""
    steps = {"baseline": (EX_AB, 500.0), "response": (IN_RE, 90.0), "relapse": (EX_RE, 0.0)}
    results = [result(s, t, sample={"day": day}) for t, (s, day) in steps.items()]
    assert "course_of_the_paper" in courses(pattern_table(results))


def test_timepoints_unlike_each_other_are_said_to_be() -> None:
    results = [
        result(EX_RE, "baseline", sample={"site": "skin", "lesion": "L1", "batch": "A"}),
        result(EX_AB, "relapse", sample={"site": "viscera", "lesion": "L2", "batch": "A"}),
    ]
    row = line(pattern_table(results), "pdl1_lost_on_tumour", level="patient", timepoint="")
    assert "the timepoints have several sites: skin, viscera" in row["evidence_against"]
    assert "several lesions: L1, L2" in row["evidence_against"]
    assert "batches" not in row["evidence_against"]


def fields(*numbers: dict) -> list:
    """Return several slides of one timepoint."""
    return [result(n, name=f"f{k}") for k, n in enumerate(numbers)]


@pytest.mark.parametrize(
    ("slides", "expected"),
    [
        ((EX_AB, EX_AB, NOTHING), {"t_cells_excluded", "pdl1_absent_on_tumour"}),
        ((EX_AB, NOTHING), {"t_cells_unnamed", "pdl1_unnamed"}),  # half is not more than half
        ((EX_AB, EX_AB, IN_RE), {"t_cells_unnamed", "pdl1_unnamed"}),  # they contradict
        ((EX_AB, UNKNOWN, UNKNOWN), {"t_cells_excluded", "pdl1_absent_on_tumour"}),
        ((UNKNOWN, UNKNOWN), {"t_cells_not_evaluable", "pdl1_not_evaluable"}),
    ],
)
def test_slides_of_one_timepoint_are_read_together(slides: tuple, expected: set[str]) -> None:
    table = pattern_table(fields(*slides))
    assert shown(table, level="patient") == expected


def test_slides_that_disagree_stand_beside_each_other() -> None:
    table = pattern_table(fields(EX_AB, EX_AB, NOTHING))
    row = line(table, "t_cells_excluded", level="patient")
    assert "f0: consistent with T cells excluded to the margin (" in row["evidence_for"]
    assert "f2: not shown: T cells excluded to the margin (" in row["evidence_against"]
    unknown = pattern_table(fields(UNKNOWN, UNKNOWN))
    row = line(unknown, "t_cells_not_evaluable", level="patient")
    assert "f0: " in row["reason"]
    assert "f1: " in row["reason"]


def test_two_slides_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="sample_id"):
        pattern_table([result(EX_AB), result(EX_AB)])
