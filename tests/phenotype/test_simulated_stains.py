"""Gates of rendered fields, measured on their true labels: what is true of them is recorded."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from immunescape.measure import measure_cells, split_rims
from immunescape.panel import Panel, Stain
from immunescape.phenotype import GateParams, GateSpec, fit_gate
from immunescape.simulate import SCENARIOS, FieldParams, simulate_field

PANEL = Panel(
    (
        Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear"),
        Stain(channel="CD8", marker="cd8", compartment="membrane", role="marker"),
        Stain(channel="PD-L1", marker="pdl1", compartment="membrane", role="marker"),
        Stain(channel="S100", marker="s100", compartment="cytoplasm", role="marker"),
        Stain(channel="SOX10", marker="sox10", compartment="nucleus", role="marker"),
    )
)
SMALL = FieldParams(width_um=420, height_um=420)
NO_RANGE = GateParams(bootstrap_draws=0)


@cache
def cells_of(scenario, seed, gain=(1.0, 1.0, 1.0, 1.0, 1.0), params=SMALL):
    """The cell table of a field and the record of what is true, in the same order."""
    field = simulate_field(params, scenario, seed, stain_gain=gain)
    cells, _ = split_rims(measure_cells(field.slide, field.nuclei, field.cells, PANEL))
    truth = field.truth.cells.set_index("label").loc[cells.labels]
    return cells.frame, truth


def gate_of(marker, parent, frame, truth, by=0.0, factor=1.0):
    """A gate, intensities and truth of the parent's cells."""
    statistic = f"{marker}_membrane_unshared"
    values = frame[statistic].to_numpy(float) * factor + by
    tumour = (truth["phenotype"] == "tumour").to_numpy()
    own = {"all": np.ones(len(tumour), bool), "tumour": tumour, "non_tumour": ~tumour}[parent]
    control = None if parent == "all" else values[~own]
    spec = GateSpec(marker, parent)
    gate = fit_gate(values[own], control, spec, statistic, NO_RANGE, parent=parent)
    return gate, values[own], truth[f"{marker}_positive"].to_numpy(bool)[own]


@pytest.mark.parametrize("scenario", ["baseline", "relapse", "response"])
def test_an_unstained_channel_has_no_gate(scenario):
    frame, truth = cells_of(scenario, 7, (1.0, 0.0, 0.0, 1.0, 1.0))
    for marker, parent in (("pdl1", "tumour"), ("pdl1", "non_tumour"), ("cd8", "all")):
        gate, *_ = gate_of(marker, parent, frame, truth)
        assert (gate.source, gate.threshold) == ("missing", None)
        assert "no second population" in gate.note


@pytest.mark.parametrize("scenario", ["baseline", "response"])
def test_gates_lie_near_the_best_threshold(scenario):
    frame, truth = cells_of(scenario, 7)
    for marker, parent in (("pdl1", "tumour"), ("cd8", "all")):
        gate, values, positive = gate_of(marker, parent, frame, truth)
        assert gate.source == f"slide:{parent}"
        errors = [np.mean((values > t) != positive) for t in (gate.threshold, *values)]
        assert errors[0] < min(errors[1:]) + 0.02
        assert abs(np.mean(values > gate.threshold) - positive.mean()) < 0.05


@pytest.mark.parametrize(("by", "factor"), [(500.0, 1.0), (-80.0, 3.7)])
def test_a_pedestal_or_another_exposure_changes_no_call(by, factor):
    frame, truth = cells_of("response", 7)
    for marker, parent in (("pdl1", "tumour"), ("pdl1", "non_tumour"), ("cd8", "all")):
        gate, values, _ = gate_of(marker, parent, frame, truth)
        other, moved, _ = gate_of(marker, parent, frame, truth, by, factor)
        assert np.array_equal(values > gate.threshold, moved > other.threshold)


def test_relapse_without_a_positive_tumour_cell_counts_none():
    """Nothing else stains either: no tumour cell may be positive, and the control says so."""
    none = replace(SCENARIOS["relapse"], pdl1_tumour=(0.0, 0.0, 0.0))
    params = replace(SMALL, unspecific_fraction=0.0, encircled_fraction=0.0)
    frame, truth = cells_of(none, 7, params=params)
    gate, values, positive = gate_of("pdl1", "tumour", frame, truth)
    assert not positive.any()
    assert gate.source == "slide:non_tumour"
    assert np.mean(values > gate.threshold) < 0.01
