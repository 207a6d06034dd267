"""What is doubtful about a gate is said in its note, one test a case."""

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.phenotype import (
    GateParams,
    GateSpec,
    Group,
    Slidemate,
    fit_gate,
    gate_by_parent,
    gate_warnings,
    load_gates,
)
from tests.phenotype.test_rules import panel_of

SPEC = GateSpec("pdl1", "tumour")
QUICK = GateParams(bootstrap_draws=0)


def draw(seed, *parts):
    """Cells of some log-normal populations, each as ``(number, median)``."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.lognormal(np.log(median), 0.25, n) for n, median in parts])


def broad(seed):
    """Many cells of one broad population that fills the gap between two narrow ones."""
    return np.random.default_rng(seed).lognormal(np.log(22.0), 0.7, 9000)


ONE = ((900, 10.0),)
TWO = ((500, 10.0), (300, 60.0))


def gate(own, control=None, *others, spec=SPEC, params=QUICK):
    mates = [Slidemate(Group(a), None if b is None else Group(b)) for a, b in others]
    return fit_gate(own, control, spec, "pdl1_membrane_mean", params, others=mates)


# Values given by hand


@pytest.mark.parametrize(("value", "side"), [(5000.0, "above"), (0.01, "below"), (-3.0, "below")])
def test_a_threshold_beyond_every_cell(value, side):
    spec = GateSpec("pdl1", "tumour", "fixed", value)
    found = gate(draw(0, *TWO), draw(1, *ONE), spec=spec)
    assert (found.source, found.threshold) == ("fixed", value)
    assert found.note == f"the threshold lies {side} every cell of the slide"
    assert gate_warnings([found]) == (f"the gate of pdl1 on tumour cells: {found.note}",)


def test_a_threshold_above_tumour_cells_alone_is_nothing_odd():
    """No PD-L1+ tumour cell beside positive others is what the question is about."""
    spec = GateSpec("pdl1", "tumour", "fixed", 40.0)
    dim = np.linspace(5.0, 15.0, 100)
    assert gate(dim, draw(1, *TWO), spec=spec).note == ""
    assert gate(dim, None, spec=spec).note != ""
    assert gate(np.full(3, np.nan), None, spec=spec).note == ""


# Slides that share a gate


def test_nothing_to_doubt_is_not_doubted():
    found = gate(draw(0, *TWO), draw(1, *TWO), (draw(2, *TWO), draw(3, *TWO)))
    assert (found.source, found.note) == ("patient:tumour", "")
    assert gate_warnings([found]) == ()


def test_slides_that_were_stained_otherwise_are_not_asked():
    found = gate(draw(0, *TWO), None, (draw(2, *TWO), None), (8 * draw(3, *TWO), None))
    assert found.source == "patient:tumour"
    assert found.note == (
        "1 of 2 other slides of the patient are not asked: their dim cells are not as bright as "
        "here, stain or exposure differ"
    )


def test_a_shared_threshold_that_does_not_part_this_slide():
    """Here the positive cells are at 40, on the other slides at 2,000."""
    own = draw(0, (500, 10.0), (300, 40.0))
    others = [(draw(k, (3000, 10.0), (3000, 2000.0)), None) for k in (1, 2)]
    found = gate(own, None, *others)
    assert found.source == "slide:tumour"
    assert 12 < found.threshold < 35
    assert found.note.startswith("the threshold shared by the patient, ")
    assert found.note.endswith(
        ", does not part the two populations of this slide, whose own is taken: its stain differs"
    )


def test_the_slides_own_threshold_where_all_together_have_none():
    found = gate(draw(0, *TWO), None, (broad(1), None))
    assert found.source == "slide:tumour"
    assert found.note == (
        "tumour cells of the patient: no second population; threshold of this slide's own"
    )


def test_the_control_of_all_slides():
    found = gate(draw(0, *ONE), draw(1, *ONE), (draw(2, *ONE), draw(3, *TWO)))
    assert found.source == "patient:non_tumour"
    assert found.note == (
        "tumour cells of the patient: no second population; threshold of its non_tumour cells"
    )
    assert gate_warnings([found]) == (f"the gate of pdl1 on tumour cells: {found.note}",)


def test_the_control_of_this_slide_where_that_of_all_has_none():
    blurred = (draw(2, *ONE), broad(3))
    found = gate(draw(0, *ONE), draw(1, *TWO), blurred)
    assert found.source == "slide:non_tumour"
    assert found.note.endswith("; threshold of the slide's non_tumour cells")


def test_the_other_slides_where_this_one_shows_nothing_of_its_own():
    params = GateParams(share="slide", bootstrap_draws=0)
    found = gate(draw(0, *ONE), draw(1, *ONE), (draw(2, *TWO), draw(3, *TWO)), params=params)
    assert found.source == "patient:tumour"
    assert found.note == (
        "tumour cells: no second population; non_tumour cells: no second population; "
        "threshold of the other slides' tumour cells"
    )


# One slide


def test_cells_whose_dimmer_population_is_positive_too():
    """Tumour cells at 50 and 90, the control's negative ones at 10 and positive ones at 300."""
    own = np.random.default_rng(0).lognormal(0, 0.08, 900) * np.repeat([50.0, 90.0], 450)
    control = draw(1, (600, 3.0), (400, 150.0))
    found = gate(own, control)
    assert found.source == "slide:non_tumour"
    assert "the dimmer population is positive under the control" in found.note
    assert (own > found.threshold).all()


def test_populations_too_unequal_for_otsu():
    """Negative cells with a long tail, and few positive ones: Otsu would part the negative ones."""
    rng = np.random.default_rng(0)
    negative = 5 + rng.gamma(2.0, 5.0, 4000)
    values = np.concatenate([negative, draw(1, (60, 70.0))])
    found = gate(values, None, spec=GateSpec("pdl1", "tumour", "otsu"))
    assert found.threshold is None
    assert found.note == "tumour cells: the populations are too unequal for Otsu's threshold"


def test_a_gate_that_rests_on_one_place():
    """All positive cells lie in one block of 100 µm: a third of the draws lack it."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1000, (1500, 2))
    values = draw(1, (1500, 10.0))
    corner = (points < 100).all(axis=1)
    values[corner] = draw(2, (int(corner.sum()), 200.0))
    assert corner.sum() >= 10
    found = fit_gate(Group(values, points), None, SPEC, "pdl1_membrane_mean")
    assert found.threshold is not None
    said = [part for part in found.note.split("; ") if "bootstrap" in part]
    assert said
    missed = int(said[0].split(" %")[0])
    assert said[0] == f"{missed} % of the bootstrap draws show no gate"
    assert missed == pytest.approx(100 * (1 - 1 / 100) ** 100, abs=15)  # (1 - 1/blocks)^blocks


# Columns that were not measured


def cells_with(**columns):
    n = 400
    values = draw(0, (200, 10.0), (200, 60.0))
    frame = pd.DataFrame(
        {
            "x_um": np.arange(n, dtype=float),
            "y_um": 0.0,
            "is_tumour": pd.array(np.arange(n) % 2 == 0, dtype="boolean"),
            **{name: values if given is None else given for name, given in columns.items()},
        },
        index=pd.RangeIndex(1, n + 1, name="label"),
    )
    return CellTable(frame)


def by_parent(cells, *specs):
    return gate_by_parent(cells, panel_of("pdl1"), specs, QUICK)


@pytest.mark.parametrize("unshared", [{}, {"pdl1_membrane_unshared": np.nan}])
def test_the_mean_stands_in_for_a_membrane_that_was_not_measured(unshared):
    for found in by_parent(cells_with(pdl1_membrane_mean=None, **unshared)):
        assert found.statistic == "pdl1_membrane_mean"
        assert found.threshold is not None
        assert found.note == (
            "gated on pdl1_membrane_mean, since pdl1_membrane_unshared was not measured"
        )


def test_a_value_for_another_column_is_not_used():
    spec = GateSpec("pdl1", "tumour", "fixed", 3.6, "pdl1_membrane_p35")
    tumour, _ = by_parent(cells_with(pdl1_membrane_mean=None), spec)
    assert (tumour.source, tumour.threshold) == ("missing", None)
    assert tumour.note == "its value is on pdl1_membrane_p35, which was not measured"


def test_a_marker_that_was_not_measured():
    for found in by_parent(cells_with()):
        assert (found.source, found.threshold) == ("missing", None)
        assert found.note == "the cells have no column pdl1_membrane_unshared"


# Gates of a file


def test_rows_of_a_gate_file_that_set_nothing(tmp_path):
    path = tmp_path / "gates.csv"
    path.write_text(
        "marker,parent,source,threshold,gate_low,gate_high\n"
        "cd8,all,slide:all,4,3,5\n"
        "sox10,all,missing,,,\n"
        "s100,all,slide:all,,,\n"
        "pdl1,tumour,slide:tumour,9,3,5\n"
    )
    found = load_gates(path)
    assert [(s.marker, s.value, s.gate_low) for s in found.specs] == [
        ("cd8", 4.0, 3.0),
        ("pdl1", 9.0, None),
    ]
    assert found.notes == (
        "gates.csv, row 2: sox10@all is missing and sets no gate",
        "gates.csv, row 3: s100@all is without a threshold and sets no gate",
        "gates.csv, row 4: the range of pdl1@tumour does not hold its threshold",
    )
