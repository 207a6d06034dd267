"""The same slide judged otherwise, case by case on a handful of cells."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.phenotype import Gate, call_phenotypes
from immunescape.pipeline.alternatives import Judged, alternatives, with_rim_fractions
from immunescape.pipeline.calling import Called, ToCall
from immunescape.regions import Regions
from immunescape.study import Study

COLUMN = "pdl1_membrane_unshared"


def gate(parent, threshold, **more):
    return Gate("pdl1", parent, COLUMN, "gmm", f"slide:{parent}", threshold, **more)


def judged(*pdl1):
    """Tumour cells of 10, 20, 30 and other cells of 10, 20, 30."""
    frame = pd.DataFrame(
        {"x_um": 1.0, "y_um": 1.0, "sox10": [9.0] * 3 + [1.0] * 3, COLUMN: [10.0, 20, 30] * 2},
        index=pd.RangeIndex(1, 7, name="label"),
    )
    cells = CellTable(frame)
    gates = (Gate("sox10", "all", "sox10", "gmm", "slide:all", 5.0), *pdl1)
    calls = call_phenotypes(cells, gates, inside_tumour=np.ones(6, bool))
    called = Called(calls, gates, None, "imported", np.ones(6, bool))
    measured = SimpleNamespace(cells=cells, proposals={})
    slide = ToCall(measured, Regions())
    return Judged(slide, called, None, calls.cells, {}, {}, {"cd8": "the panel lacks CD8"})


def positive(found, variant):
    (mine,) = [a for a in found if a.variant == variant]
    return mine.cells["pdl1_positive"].tolist()


def test_tumour_cells_are_judged_by_the_gate_of_the_others_where_the_two_disagree():
    found = list(alternatives(judged(gate("tumour", 15.0), gate("non_tumour", 25.0)), Study()))
    assert positive(found, "pdl1_of_other_cells") == [False, False, True] * 2
    # a control gate, or one that is the same, is no other way
    for same in (gate("non_tumour", 15.0), gate("non_tumour", None)):
        found = alternatives(judged(gate("tumour", 15.0), same), Study())
        assert "pdl1_of_other_cells" not in [a.variant for a in found]


def test_both_ends_of_a_gate_move_the_calls_of_its_parent():
    ends = {"gate_low": 5.0, "gate_high": 25.0}
    found = list(
        alternatives(judged(gate("tumour", 15.0, **ends), gate("non_tumour", 15.0)), Study())
    )
    assert positive(found, "pdl1_low") == [True, True, True, False, True, True]
    assert positive(found, "pdl1_high") == [False, False, True, False, True, True]
    assert not [a for a in found if a.variant.startswith("cd8")]


def test_a_rim_is_judged_by_no_threshold_of_the_whole_cell():
    name = "pdl1_membrane_fraction"
    rims = pd.DataFrame({f"pdl1_rim_{k}": [float(10 * k)] * 6 for k in range(8)})
    rims.index = pd.RangeIndex(1, 7, name="label")

    def fractions(statistic):
        given = judged(Gate("pdl1", "all", statistic, "fixed", "fixed", 35.0))
        stains = (SimpleNamespace(marker="pdl1"),)
        given.slide.measured.rims = rims
        given.slide.measured.panel = SimpleNamespace(markers=stains)
        cells = given.cells.with_columns({name: np.nan})
        return with_rim_fractions(given.slide, given.called, cells)[name]

    assert fractions(COLUMN).tolist() == [0.5] * 6
    assert fractions("sox10").isna().all()
