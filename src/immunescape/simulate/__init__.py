"""Simulated multiplex-immunofluorescence fields of melanoma, with their truth beside them."""

from immunescape.simulate.artefacts import ARTEFACTS
from immunescape.simulate.field import (
    TIMEPOINTS,
    SimulatedField,
    simulate_field,
    simulate_patient,
)
from immunescape.simulate.files import write_field, write_patient
from immunescape.simulate.scenarios import SCENARIOS, Scenario
from immunescape.simulate.settings import CHANNELS, KINDS, FieldParams
from immunescape.simulate.truth import Truth

__all__ = [
    "ARTEFACTS",
    "CHANNELS",
    "KINDS",
    "SCENARIOS",
    "TIMEPOINTS",
    "FieldParams",
    "Scenario",
    "SimulatedField",
    "Truth",
    "simulate_field",
    "simulate_patient",
    "write_field",
    "write_patient",
]
