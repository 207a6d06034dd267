"""Simulated multiplex-immunofluorescence fields of melanoma, with their truth beside them."""

from immunescape.simulate.artefacts import ARTEFACTS
from immunescape.simulate.cohort import (
    PLANTED_COURSES,
    CohortParams,
    PlantedPatient,
    PlantedTimepoint,
    point_params,
    simulate_cohort,
)
from immunescape.simulate.cohort_files import write_cohort
from immunescape.simulate.evaluation import (
    EVALUATION,
    FIRST_EVALUATION_SEED,
    KEPT_SETTINGS,
    evaluation_field,
    evaluation_params,
    is_kept,
)
from immunescape.simulate.field import (
    TIMEPOINTS,
    SimulatedField,
    simulate_field,
    simulate_patient,
)
from immunescape.simulate.files import write_field, write_patient
from immunescape.simulate.points import (
    PlantedCells,
    PointParams,
    SimulatedCells,
    simulate_cells,
)
from immunescape.simulate.scenarios import SCENARIOS, Scenario
from immunescape.simulate.settings import CHANNELS, KINDS, FieldParams
from immunescape.simulate.truth import Truth

__all__ = [
    "ARTEFACTS",
    "CHANNELS",
    "EVALUATION",
    "FIRST_EVALUATION_SEED",
    "KEPT_SETTINGS",
    "KINDS",
    "PLANTED_COURSES",
    "SCENARIOS",
    "TIMEPOINTS",
    "CohortParams",
    "FieldParams",
    "PlantedCells",
    "PlantedPatient",
    "PlantedTimepoint",
    "PointParams",
    "Scenario",
    "SimulatedCells",
    "SimulatedField",
    "Truth",
    "evaluation_field",
    "evaluation_params",
    "is_kept",
    "point_params",
    "simulate_cells",
    "simulate_cohort",
    "simulate_field",
    "simulate_patient",
    "write_cohort",
    "write_field",
    "write_patient",
]
