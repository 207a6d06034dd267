"""Where a gate is taken from, and what a study may say about it."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import ParameterError, StudyError
from immunescape.phenotype import (
    Gate,
    GateParams,
    GateSpec,
    fit_gate,
    gate_table,
    gate_warnings,
    parse_gate,
)
from immunescape.phenotype.specs import find_spec
from immunescape.results import GATES_COLUMNS

SPEC = GateSpec("pdl1")


def dim(seed, n, mean=2.0):
    return np.random.default_rng(seed).lognormal(mean, 0.35, n)


def gate(own, control, spec=SPEC, parent="tumour", **params):
    return fit_gate(own, control, spec, "pdl1_membrane_mean", GateParams(**params), parent=parent)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["gmm", "otsu"])
def test_relapse_takes_the_gate_of_the_positive_control_and_no_tumour_cell_is_positive(
    seed, method
):
    tumour = dim(seed, 1500)
    control = np.concatenate([dim(seed + 50, 400), dim(seed + 99, 150, mean=4.2)])
    found = gate(tumour, control, GateSpec("pdl1", "tumour", method))
    assert found.source == "slide:non_tumour"
    assert "no second population" in found.note
    assert np.mean(tumour > found.threshold) < 0.01


@pytest.mark.parametrize("seed", range(5))
def test_light_of_positive_neighbours_does_not_make_tumour_cells_positive(seed):
    tumour = dim(seed, 1500)
    tumour[:150] *= 3.0
    tumour[150:250] *= 4.0
    control = np.concatenate([dim(seed + 50, 600), dim(seed + 99, 250, mean=5.0)])
    alone, found = gate(tumour, None), gate(tumour, control)
    assert np.mean(tumour > alone.threshold) > 0.12
    assert found.source == "slide:non_tumour"
    assert "dimmer than the control's positive cells" in found.note
    assert np.mean(tumour > found.threshold) < 0.05
    reverse = gate(control, tumour, parent="non_tumour")
    assert reverse.source == "slide:non_tumour"
    assert np.mean(control > reverse.threshold) == pytest.approx(250 / 850, abs=0.03)


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_baseline_uses_the_tumour_cells_own_gate_though_they_stain_weaker(share, seed):
    n = 1500
    positive = np.arange(n) < share * n
    tumour = np.where(positive, dim(seed, n, mean=3.7), dim(seed + 9, n))
    control = np.concatenate([dim(seed + 50, 500), dim(seed + 99, 200, mean=4.3)])
    found = gate(tumour, control)
    assert found.source == "slide:tumour"
    assert np.mean(tumour > found.threshold) == pytest.approx(share, abs=0.05)


def test_all_tumour_cells_may_be_positive():
    tumour = dim(0, 800, mean=4.2)
    control = np.concatenate([dim(1, 500), dim(2, 200, mean=4.3)])
    found = gate(tumour, control)
    assert found.source == "slide:non_tumour"
    assert np.mean(tumour > found.threshold) > 0.97


def test_too_few_tumour_cells_borrow_the_control():
    control = np.concatenate([dim(1, 500), dim(2, 200, mean=4.3)])
    found = gate(dim(0, 30), control)
    assert found.source == "slide:non_tumour"
    assert "30 cells are too few" in found.note


def test_without_control_the_studys_value_is_used_and_then_nothing():
    spec = GateSpec("pdl1", "tumour", "gmm", 20.0)
    found = gate(dim(0, 500), dim(1, 500), spec)
    assert (found.source, found.threshold, found.method) == ("fixed", 20.0, "fixed")
    assert "value given by the study" in found.note
    nothing = gate(dim(0, 500), dim(1, 500))
    assert (nothing.source, nothing.threshold, nothing.confirmed) == ("missing", None, False)
    assert "tumour cells" in nothing.note and "non_tumour cells" in nothing.note


def test_a_fixed_gate_asks_no_cell():
    found = gate([], None, GateSpec("pdl1", "tumour", "fixed", 3.64))
    assert (found.source, found.threshold, found.confirmed) == ("fixed", 3.64, True)


def test_a_constant_channel_is_said_to_hold_no_signal():
    found = fit_gate(np.zeros(500), None, GateSpec("cd8"), "cd8_membrane_mean")
    assert found.threshold is None
    assert found.note == "cells: the channel holds no signal"
    assert gate_warnings([found]) == (
        "cd8 has no gate (cells: the channel holds no signal); set one with "
        "--gate cd8@all=fixed:VALUE",
    )


def test_table_counts_the_parents_cells_and_missing_ones():
    is_tumour = pd.array([True, True, True, False, False, None], dtype="boolean")
    positive = pd.array([True, False, None, True, False, True], dtype="boolean")
    frame = pd.DataFrame(
        {"x_um": 0.0, "y_um": 0.0, "is_tumour": is_tumour, "pdl1_positive": positive},
        index=pd.RangeIndex(1, 7, name="label"),
    )
    gates = [
        Gate("pdl1", "all", "pdl1_membrane_mean", "gmm", "slide:all", 3.0),
        Gate("pdl1", "tumour", "pdl1_membrane_mean", "gmm", "slide:tumour", 3.0),
        Gate("pdl1", "non_tumour", "pdl1_membrane_mean", "gmm", "missing", None, note="none"),
    ]
    table = gate_table(gates, CellTable(frame))
    assert tuple(table.columns) == GATES_COLUMNS
    assert table[["positive", "negative", "missing"]].to_numpy().tolist() == [
        [3, 2, 1],
        [1, 1, 1],
        [1, 1, 0],
    ]
    assert table["threshold"].isna().tolist() == [False, False, True]
    assert tuple(gate_table([], CellTable(frame)).columns) == GATES_COLUMNS


def test_gates_as_written_on_the_command_line():
    assert parse_gate("pdl1@tumour=fixed:3.6") == GateSpec("pdl1", "tumour", "fixed", 3.6)
    assert parse_gate(" CD8 = otsu ") == GateSpec("cd8", "all", "otsu")
    assert parse_gate("pdl1=gmm") == GateSpec("pdl1", "all", "gmm")
    assert parse_gate("pdl1@non_tumour=gmm:12") == GateSpec("pdl1", "non_tumour", "gmm", 12.0)
    assert parse_gate("cd8=tail").method == "tail"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pdl1", "MARKER[@PARENT]=METHOD"),
        ("=otsu", "MARKER[@PARENT]=METHOD"),
        ("pdl1@stroma=otsu", "all, tumour, non_tumour"),
        ("pdl1=kmeans", "gmm, otsu, tail or fixed:VALUE"),
        ("pdl1=fixed", "has no value"),
        ("pdl1=fixed:high", "no number"),
        ("pdl1=fixed:nan", "give a number"),
        ("pd-l1=otsu", "lower-case letters"),
    ],
)
def test_a_gate_that_cannot_be_is_refused_in_one_line(text, says):
    with pytest.raises(StudyError, match=r".+") as caught:
        parse_gate(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_nearest_and_last_setting_wins():
    specs = (
        GateSpec("pdl1", "all", "otsu"),
        GateSpec("pdl1", "tumour", "fixed", 1.0),
        GateSpec("pdl1", "tumour", "fixed", 2.0),
    )
    params = GateParams()
    assert find_spec(specs, "pdl1", "tumour", params).value == 2.0
    assert find_spec(specs, "pdl1", "non_tumour", params).method == "otsu"
    assert find_spec(specs, "cd8", "all", params) == GateSpec("cd8", "all", "gmm")


def test_params_are_refused_outside_their_range():
    with pytest.raises(ParameterError, match="min_separation"):
        GateParams(min_separation=0.1)
    with pytest.raises(ParameterError, match="gmm, otsu, tail"):
        GateParams(method="kmeans")
