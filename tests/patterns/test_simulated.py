"""Patients whose cells are points with planted calls, through the summary to the patterns."""

from pathlib import Path

from immunescape.patterns import pattern_table
from immunescape.samples import Sample, SampleResult
from immunescape.simulate import (
    CohortParams,
    PlantedPatient,
    PointParams,
    point_params,
    simulate_cells,
    simulate_cohort,
)
from immunescape.spatial import summarise
from tests.patterns.drawn import courses, shown

FIELD = PointParams(width_um=2000.0, height_um=1500.0, cd8="clustered", cluster_cells=3.0)


def results(patient: PlantedPatient) -> list[SampleResult]:
    """Return the results of one patient's three fields."""
    found = []
    for k, planted in enumerate(patient.timepoints):
        made = simulate_cells(point_params(planted, FIELD), seed=k)
        name = f"{patient.name}_{planted.timepoint}"
        sample = Sample(
            sample_id=name,
            slide=Path(name),
            patient=patient.name,
            timepoint=planted.timepoint,
            specimen=name,
        )
        summary = summarise(made.cells, made.pairs, made.areas, seed=k)
        found.append(SampleResult(sample, Path(name), {"summary": summary}))
    return found


def test_the_course_that_was_planted_is_named_and_none_where_nothing_was() -> None:
    still = CohortParams(patients=1, unplanted=1, patient_spread=0.05, specimen_spread=0.05)
    planted, nothing = (pattern_table(results(p)) for p in simulate_cohort(still, seed=8))
    assert "course_of_the_paper" in courses(planted)
    assert shown(planted, level="patient", timepoint="relapse") == {
        "t_cells_excluded", "pdl1_absent_on_tumour",
    }  # fmt: skip
    assert shown(planted, level="patient", timepoint="response") == {
        "t_cells_infiltrated", "pdl1_reactive",
    }  # fmt: skip
    assert courses(nothing) == {"course_unnamed"}
