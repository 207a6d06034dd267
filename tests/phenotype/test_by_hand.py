"""Calls that a person corrected: a marker that was set counts like one that was measured."""

import itertools

import numpy as np
import pytest

from immunescape.phenotype import Gate, call_phenotypes
from tests.phenotype.test_rules import slide

MARKERS = ("s100", "sox10", "cd8")
WORDS = {"+": "positive", "-": "negative", "?": "missing"}
COLUMNS = ["phenotype", "is_tumour", "conflict", "s100_only"]


def filled(rows):
    """Rows and, after them, cells that have every marker measured, so that all have gates."""
    return [*rows, "+++", "---"]


@pytest.mark.parametrize("place", [True, False])
@pytest.mark.parametrize("which", range(3))
def test_a_marker_set_by_hand_counts_like_one_that_was_measured(place, which):
    rows = ["".join(r) for r in itertools.product("+-?", repeat=3)]
    inside = np.full(len(rows) + 2, place)
    for sign, word in WORDS.items():
        truth = [r[:which] + sign + r[which + 1 :] for r in rows]
        cells, gates = slide(MARKERS, filled(rows))
        marker = MARKERS[which]
        by_hand = {marker: dict.fromkeys(range(1, len(rows) + 1), word)}
        got = call_phenotypes(cells, gates, inside_tumour=inside, by_hand=by_hand).cells
        expected, _ = slide(MARKERS, filled(truth))
        expected = call_phenotypes(expected, gates, inside_tumour=inside).cells
        for column in (*COLUMNS, *(f"{m}_positive" for m in MARKERS)):
            assert got[column].tolist() == expected[column].tolist() or (
                got[column].isna().equals(expected[column].isna())
                and got[column].dropna().equals(expected[column].dropna())
            ), column


def test_a_phenotype_set_by_hand_stands_whatever_its_markers():
    cells, gates = slide(MARKERS, ["-+-", "--+", "---", "+-?", "-+-"])
    by_hand = {"phenotype": {1: "other", 2: "tumour", 3: "cd8_t", 4: "unknown"},
               "cd8": {1: "positive", 3: "missing"}}  # fmt: skip
    got = call_phenotypes(cells, gates, inside_tumour=np.zeros(5, bool), by_hand=by_hand).cells
    assert got["phenotype"].tolist() == ["other", "tumour", "cd8_t", "unknown", "tumour"]
    tumour = got["is_tumour"]
    assert tumour.isna().tolist() == [False, False, False, True, False]
    assert tumour.fillna(False).tolist() == [False, True, False, False, True]
    assert got["cd8_positive"].isna().tolist() == [False, False, True, True, False]
    assert bool(got["cd8_positive"][1])


def test_a_cell_moved_to_another_parent_is_judged_by_its_gate():
    cells, gates = slide(("sox10",), ["+", "+", "-", "-"])
    cells = cells.with_columns({"pdl1_membrane_unshared": [7.0, 7.0, 7.0, 7.0]})
    gates += (
        Gate("pdl1", "tumour", "pdl1_membrane_unshared", "fixed", "fixed", 9.0),
        Gate("pdl1", "non_tumour", "pdl1_membrane_unshared", "fixed", "fixed", 3.0),
    )
    by_hand = {"phenotype": {1: "other"}, "sox10": {3: "positive"}, "pdl1": {2: "missing"}}
    got = call_phenotypes(cells, gates, inside_tumour=np.ones(4, bool), by_hand=by_hand).cells
    assert got["phenotype"].tolist() == ["other", "tumour", "tumour", "other"]
    pdl1 = got["pdl1_positive"]
    assert pdl1.isna().tolist() == [False, True, False, False]
    assert pdl1.fillna(False).tolist() == [True, False, False, True]


def test_one_cell_set_by_hand_makes_no_gate_for_the_others():
    """Without a gate of SOX10 CD8 T cells are told without it, whatever one cell was called."""
    cells, gates = slide(MARKERS, ["-?+", "-?+", "-?-"])
    plain = call_phenotypes(cells, gates, inside_tumour=np.zeros(3, bool))
    assert plain.cells["phenotype"].tolist()[:2] == ["cd8_t", "cd8_t"]
    by_hand = {"sox10": {3: "positive"}}
    got = call_phenotypes(cells, gates, inside_tumour=np.zeros(3, bool), by_hand=by_hand)
    assert got.cells["phenotype"].tolist() == ["cd8_t", "cd8_t", "tumour"]
    assert got.dropped == plain.dropped


def test_a_stain_for_both_is_set_for_both():
    cells, gates = slide(("s100_sox10", "cd8"), ["--", "+-", "+-"])
    by_hand = {"s100_sox10": {1: "positive", 2: "negative"}}
    got = call_phenotypes(cells, gates, inside_tumour=np.zeros(3, bool), by_hand=by_hand).cells
    assert got["phenotype"].tolist() == ["tumour", "other", "tumour"]


def test_labels_that_are_not_there_and_markers_without_a_gate_change_nothing():
    cells, gates = slide(MARKERS, ["-+-", "--+"])
    by_hand = {"cd8": {9: "positive"}, "foxp3": {1: "positive"}, "phenotype": {8: "other"}}
    got = call_phenotypes(cells, gates, inside_tumour=np.zeros(2, bool), by_hand=by_hand).cells
    assert got["phenotype"].tolist() == ["tumour", "cd8_t"]
    assert "foxp3_positive" not in got
