"""Phenotypes against a table of cases that can be checked by eye."""

import itertools

import numpy as np
import pandas as pd
import pytest

from immunescape.cells import CellTable
from immunescape.errors import StudyError
from immunescape.io.calls import ImportedCalls
from immunescape.panel import EXPECTED_MARKERS, Panel, Stain
from immunescape.phenotype import (
    Gate,
    GateSpec,
    Rule,
    call_phenotypes,
    gate_by_parent,
    gate_lineage,
    gate_table,
    gate_warnings,
    markers_by_parent,
    spec_warnings,
    statistic_of,
)
from immunescape.phenotype.rules import decide

NAN = float("nan")
SIGNS = {"+": 10.0, "-": 1.0, "?": NAN}


def panel_of(*markers):
    known = {**EXPECTED_MARKERS, "s100_sox10": "cell", "pd1": "membrane"}
    known |= dict.fromkeys(("cd3", "cd68"), "membrane")
    nuclear = Stain(channel="DAPI", marker="dapi", compartment="nucleus", role="nuclear")
    stains = [Stain(channel=m.upper(), marker=m, compartment=known[m]) for m in markers]
    return Panel((nuclear, *stains))


def slide(markers, rows):
    """Cells written as one sign a marker: + above the threshold of 5, - below, ? missing."""
    panel = panel_of(*markers)
    values = np.array([[SIGNS[s] for s in row] for row in rows]).reshape(len(rows), len(markers))
    columns = {statistic_of(panel[m]): values[:, k] for k, m in enumerate(markers)}
    frame = pd.DataFrame(
        {"x_um": 0.0, "y_um": 0.0, **columns},
        index=pd.RangeIndex(1, len(rows) + 1, name="label"),
    )
    gates = tuple(Gate(m, "all", statistic_of(panel[m]), "fixed", "fixed", 5.0) for m in markers)
    return CellTable(frame), gates


# s100 sox10 cd8 inside: phenotype
CASES = """
-  -  -  no   other
-  -  +  no   cd8_t
-  +  -  no   tumour
+  +  -  no   tumour
+  -  -  no   other
+  -  -  yes  tumour
+  -  +  yes  cd8_t
-  -  +  yes  cd8_t
-  +  +  no   tumour
+  +  +  yes  tumour
?  +  -  no   tumour
-  +  ?  no   tumour
-  -  ?  no   unknown
-  ?  +  no   unknown
-  ?  -  no   unknown
+  ?  -  yes  tumour
+  ?  -  no   unknown
?  -  -  yes  unknown
?  -  -  no   other
?  -  +  yes  cd8_t
?  ?  ?  no   unknown
+  -  ?  yes  unknown
"""


def test_default_rules_case_by_case():
    rows = [line.split() for line in CASES.strip().splitlines()]
    cells, gates = slide(("s100", "sox10", "cd8"), [r[:3] for r in rows])
    inside = np.array([r[3] == "yes" for r in rows])
    calls = call_phenotypes(cells, gates, inside_tumour=inside)
    assert list(calls.cells["phenotype"]) == [r[4] for r in rows]
    assert list(calls.cells["conflict"]) == [r[1:3] == ["+", "+"] for r in rows]
    assert calls.conflicts == 2
    assert calls.s100_elsewhere == 1
    assert calls.dropped == ()
    assert "2 cells are positive for SOX10 and CD8: not counted as CD8 T cells" in calls.warnings
    sox10 = calls.cells["sox10_positive"]
    assert str(sox10.dtype) == "boolean"
    assert sox10.isna().tolist() == [r[1] == "?" for r in rows]


def test_a_cell_is_unknown_only_where_its_missing_calls_matter():
    """Three-valued answers equal the set of answers over all ways to fill what is missing."""
    rows = list(itertools.product("+-?", repeat=3))
    cells, gates = slide(("s100", "sox10", "cd8"), rows)
    for place in (True, False):
        inside = np.full(len(rows), place)
        got = call_phenotypes(cells, gates, inside_tumour=inside).cells["phenotype"]
        for row, phenotype in zip(rows, got, strict=True):
            filled = itertools.product(*[("+-" if s == "?" else s) for s in row])
            possible = set()
            for s100, sox10, cd8 in filled:
                if cd8 == "+" and sox10 == "-":
                    possible.add("cd8_t")
                elif sox10 == "+" or (s100 == "+" and place):
                    possible.add("tumour")
                else:
                    possible.add("other")
            if phenotype == "unknown":
                assert len(possible) > 1, row
            else:
                assert possible == {phenotype}, row


def test_before_the_region_is_known_rules_with_a_place_are_named_and_left_out():
    cells, gates = slide(("s100", "sox10", "cd8"), ["+--", "-+-", "--+"])
    calls = call_phenotypes(cells, gates)
    assert list(calls.cells["phenotype"]) == ["other", "tumour", "cd8_t"]
    assert calls.dropped == (
        "rule 'tumour = s100+ inside the tumour region' is not used: there is no tumour region",
    )


def test_without_sox10_on_the_panel_s100_makes_tumour_cells_anywhere():
    cells, gates = slide(("s100", "cd8"), ["+-", "++", "-+", "--"])
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(4, bool))
    assert list(calls.cells["phenotype"]) == ["tumour", "cd8_t", "cd8_t", "other"]
    assert calls.dropped == (
        "rule 'cd8_t = cd8+ sox10-' is used without sox10, which the panel lacks",
        "rule 'tumour = sox10+' is not used: the panel lacks sox10",
    )
    assert calls.callable_phenotypes == {"tumour", "cd8_t", "other"}


def test_a_cocktail_of_s100_and_sox10_stands_for_both():
    cells, gates = slide(("s100_sox10", "cd8"), ["+-", "++", "-+", "--", "?-"])
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(5, bool))
    expected = ["tumour", "tumour", "cd8_t", "other", "unknown"]
    assert list(calls.cells["phenotype"]) == expected
    assert calls.dropped == ()
    assert "s100_sox10_positive" in calls.cells
    assert "sox10_positive" not in calls.cells


def test_a_phenotype_whose_markers_are_all_absent_cannot_be_called():
    cells, gates = slide(("s100", "sox10"), ["+-", "-+"])
    calls = call_phenotypes(cells, gates, inside_tumour=np.ones(2, bool))
    assert list(calls.cells["phenotype"]) == ["tumour", "tumour"]
    assert calls.callable_phenotypes == {"tumour", "other"}
    assert calls.dropped[0] == "rule 'cd8_t = cd8+ sox10-' is not used: the panel lacks cd8"


def test_a_missing_gate_makes_calls_missing_never_negative():
    cells, gates = slide(("sox10", "cd8"), ["--", "+-"])
    gates = (gates[0], Gate("cd8", "all", "cd8_membrane_mean", "gmm", "missing", None))
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(2, bool))
    assert calls.cells["cd8_positive"].isna().all()
    assert list(calls.cells["phenotype"]) == ["unknown", "tumour"]


def test_without_a_gate_of_sox10_cd8_t_cells_are_still_cd8_t_cells():
    """A biopsy without tumour has no SOX10+ cell to find a gate by, and its T cells count."""
    cells, gates = slide(("sox10", "cd8"), ["-+", "--", "++"])
    gates = (Gate("sox10", "all", "sox10_nucleus_mean", "gmm", "missing", None), gates[1])
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(3, bool))
    assert list(calls.cells["phenotype"]) == ["cd8_t", "unknown", "cd8_t"]
    assert calls.cells["sox10_positive"].isna().all()
    told = "rule 'cd8_t = cd8+ sox10-' is used without sox10, which has no gate on this slide"
    assert told in calls.warnings


def test_pdl1_of_each_parent_has_its_own_gate_and_unknown_cells_need_both():
    markers = ("sox10", "cd8", "pdl1")
    rows = ["+-?", "+-?", "--?", "--?", "?-?", "?-?", "?-?"]
    cells, gates = slide(markers, rows)
    pdl1 = [6.0, 4.0, 6.0, 9.0, 4.0, 6.0, 9.0]
    cells = cells.with_columns({"pdl1_membrane_mean": pdl1})
    apart = (
        Gate("pdl1", "tumour", "pdl1_membrane_mean", "gmm", "slide:tumour", 5.0),
        Gate("pdl1", "non_tumour", "pdl1_membrane_mean", "gmm", "slide:non_tumour", 8.0),
    )
    calls = call_phenotypes(cells, (*gates[:2], *apart), inside_tumour=np.zeros(7, bool))
    assert list(calls.cells["phenotype"])[4:] == ["unknown"] * 3
    positive = calls.cells["pdl1_positive"]
    assert positive.isna().tolist() == [False] * 5 + [True, False]
    assert positive.dropna().tolist() == [True, False, False, True, False, True]
    table = gate_table(apart, calls.cells)
    assert table[["positive", "negative", "missing"]].to_numpy().tolist() == [[1, 1, 0], [1, 1, 0]]


def test_without_a_cd8_gate_it_is_still_known_what_is_no_tumour_cell():
    cells, gates = slide(("sox10", "cd8", "pdl1"), ["+-+", "--+", "?-+", "---"])
    missing = Gate("cd8", "all", "cd8_membrane_mean", "gmm", "missing", None)
    calls = call_phenotypes(cells, (gates[0], missing), inside_tumour=np.zeros(4, bool))
    assert list(calls.cells["phenotype"]) == ["tumour", "unknown", "unknown", "unknown"]
    assert calls.cells["is_tumour"].tolist() == [True, False, pd.NA, False]
    apart = (
        Gate("pdl1", "tumour", "pdl1_membrane_mean", "fixed", "fixed", 99.0),
        Gate("pdl1", "non_tumour", "pdl1_membrane_mean", "fixed", "fixed", 5.0),
    )
    calls = call_phenotypes(cells, (gates[0], missing, *apart), inside_tumour=np.zeros(4, bool))
    assert calls.cells["pdl1_positive"].tolist() == [False, True, pd.NA, False]


def test_a_value_at_the_threshold_is_negative():
    cells, gates = slide(("cd8",), ["+", "-"])
    cells = cells.with_columns({"cd8_membrane_mean": [5.0, np.nextafter(5.0, 6.0)]})
    calls = call_phenotypes(cells, gates)
    assert calls.cells["cd8_positive"].tolist() == [False, True]


def simulated(seed, n, pdl1_share):
    draw = np.random.default_rng(seed)
    kind = draw.choice(["tumour", "cd8_t", "macrophage", "stroma"], n, p=[0.5, 0.1, 0.1, 0.3])
    positive = {
        "sox10": kind == "tumour",
        "s100": kind == "tumour",
        "cd8": kind == "cd8_t",
        "pdl1": (kind == "macrophage") | ((kind == "tumour") & (draw.random(n) < pdl1_share)),
    }
    panel = panel_of(*positive)
    columns = {
        statistic_of(panel[m]): np.exp(draw.normal(np.where(p, 4.0, 2.0), 0.4))
        for m, p in positive.items()
    }
    frame = pd.DataFrame({"x_um": draw.random(n), "y_um": draw.random(n), **columns})
    frame.index = pd.RangeIndex(1, n + 1, name="label")
    return CellTable(frame), panel, kind, positive


@pytest.mark.parametrize("pdl1_share", [0.0, 0.2, 0.6])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_whole_slide_from_intensities_to_phenotypes(seed, pdl1_share):
    cells, panel, kind, positive = simulated(seed, 3000, pdl1_share)
    inside = np.zeros(len(cells), bool)
    lineage = gate_lineage(cells, panel)
    assert [g.marker for g in lineage] == ["sox10", "s100", "cd8"]
    placed = call_phenotypes(cells, lineage, inside_tumour=inside)
    gates = lineage + gate_by_parent(placed.cells, panel)
    assert [(g.marker, g.parent) for g in gates[3:]] == [("pdl1", "tumour"), ("pdl1", "non_tumour")]
    calls = call_phenotypes(cells, gates, inside_tumour=inside)
    phenotype = calls.cells["phenotype"].to_numpy()
    expected = np.where(np.isin(kind, ["tumour", "cd8_t"]), kind, "other")
    assert np.mean(phenotype == expected) > 0.97
    tumour = phenotype == "tumour"
    share = calls.cells["pdl1_positive"][tumour].mean()
    assert share == pytest.approx(positive["pdl1"][kind == "tumour"].mean(), abs=0.05)
    source = gates[3].source
    assert source == ("slide:tumour" if pdl1_share else "slide:non_tumour")
    assert len(gate_warnings(gates)) == (0 if pdl1_share else 1)
    order = np.random.default_rng(9).permutation(len(cells))
    shuffled = CellTable(cells.frame.iloc[order])
    assert gate_lineage(shuffled, panel) == lineage
    again = call_phenotypes(shuffled, gates, inside_tumour=inside)
    pd.testing.assert_frame_equal(again.cells.frame.sort_index(), calls.cells.frame)


def test_imported_calls_go_before_gates_and_an_imported_phenotype_before_rules():
    cells, _ = slide(("sox10", "cd8", "pdl1"), ["+-+", "--+", "-+-"])
    panel = panel_of(*("sox10", "cd8", "pdl1"))
    frame = pd.DataFrame(
        {
            "cd8_positive": pd.array([None, True, False], dtype="boolean"),
            "pdl1_positive": pd.array([True, None, False], dtype="boolean"),
        },
        index=cells.frame.index,
    )
    imported = ImportedCalls(frame, ("calls.csv has no row for 1 of 3 cells",))
    specs = (GateSpec("sox10", "all", "fixed", 5.0),)
    lineage = gate_lineage(cells, panel, specs, imported=imported)
    assert [(g.marker, g.method) for g in lineage] == [
        ("cd8", "imported"),
        ("pdl1", "imported"),
        ("sox10", "fixed"),
    ]
    calls = call_phenotypes(cells, lineage, inside_tumour=np.zeros(3, bool), imported=imported)
    assert gate_by_parent(calls.cells, panel, imported=imported) == ()
    assert list(calls.cells["phenotype"]) == ["tumour", "cd8_t", "other"]
    assert calls.cells["pdl1_positive"].isna().tolist() == [False, True, False]
    assert imported.notes[0] in calls.warnings
    table = gate_table(lineage, calls.cells)
    assert table["positive"].tolist() == [1, 1, 1]
    assert table["missing"].tolist() == [1, 1, 0]
    named = ImportedCalls(frame.assign(phenotype=["other", "tumour", "unknown"]))
    calls = call_phenotypes(cells, lineage, imported=named)
    assert list(calls.cells["phenotype"]) == ["other", "tumour", "unknown"]
    assert calls.dropped == ()


def test_a_slide_without_cells_has_calls_without_rows():
    cells, _ = slide(("s100", "sox10", "cd8", "pdl1"), [])
    panel = panel_of(*("s100", "sox10", "cd8", "pdl1"))
    gates = gate_lineage(cells, panel)
    assert {g.source for g in gates} == {"missing"}
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(0, bool))
    gates += gate_by_parent(calls.cells, panel)
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(0, bool))
    assert len(calls.cells) == 0
    assert {"phenotype", "pdl1_positive", "cd8_positive"} <= set(calls.cells.frame.columns)


def test_markers_gated_by_parent_cannot_make_phenotypes():
    cells, _ = slide(("s100", "sox10", "cd8", "pdl1", "pd1"), [])
    panel = panel_of(*("s100", "sox10", "cd8", "pdl1", "pd1"))
    specs = (GateSpec("pd1", "non_tumour", "otsu"),)
    assert markers_by_parent(panel, specs) == ("pdl1", "pd1")
    with pytest.raises(StudyError, match="gate cd8@all"):
        gate_lineage(cells, panel, (GateSpec("cd8", "tumour", "otsu"),))
    with pytest.raises(StudyError, match="gate pdl1@all"):
        gate_lineage(cells, panel, rules=(Rule("other", ("pdl1",)),))


def test_a_gate_of_a_marker_that_is_absent_is_named():
    panel = panel_of("cd8")
    specs = (GateSpec("cd8"), GateSpec("pdl1", "tumour"), GateSpec("pdl1", "non_tumour"))
    assert spec_warnings(panel, specs) == (
        "the study's gate of pdl1 is not used: the panel lacks pdl1",
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("melanocyte", ("sox10",)), "tumour, cd8_t, other"),
        (("unknown", ("sox10",)), "tumour, cd8_t, other"),
        (("tumour", ()), "no positive marker"),
        (("tumour", ("sox10",), (), "skin"), "anywhere, tumour, outside_tumour"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(arguments, says):
    with pytest.raises(StudyError, match=says):
        Rule(*arguments)


def test_outside_the_tumour_is_a_place_too():
    rules = (Rule("cd8_t", ("cd8",), place="outside_tumour"),)
    calls = {"cd8": np.array([1, 1, 0], np.int8)}
    inside = np.array([True, False, False])
    assert decide(rules, calls, inside, 3).tolist() == ["other", "cd8_t", "other"]
    with pytest.raises(ValueError, match="no tumour region"):
        decide(rules, calls, None, 3)
