"""Every combination of calls, panels and places against the rules as a person would say them."""

from itertools import chain, combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from immunescape.errors import StudyError
from immunescape.phenotype import (
    Gate,
    GateSpec,
    Rule,
    call_phenotypes,
    gate_by_parent,
    gate_lineage,
    gate_table,
    gate_warnings,
)
from immunescape.study import read_study
from tests.phenotype.test_rules import panel_of, slide

STAINS = ("s100", "sox10", "cd8")
PANELS = [*chain.from_iterable(combinations(STAINS, k) for k in range(4))]
COCKTAILS = [("s100_sox10",), ("s100_sox10", "cd8")]
PLACES = ("inside", "outside", None)


def said_in_words(panel, signs, place):
    """What a pathologist calls a cell all of whose calls are known.

    A CD8+ cell is a T cell, unless SOX10 says that it is a tumour cell. A SOX10+ cell is a tumour
    cell. S100 makes a tumour cell inside the tumour; elsewhere it may be a dendritic cell or a
    nerve, and only where there is no SOX10 to ask is it taken for tumour.
    """
    cocktail = signs.get("s100_sox10")
    sox10, s100, cd8 = signs.get("sox10", cocktail), signs.get("s100", cocktail), signs.get("cd8")
    if cd8 == "+" and sox10 != "+":
        return "cd8_t"
    if sox10 == "+":
        return "tumour"
    if s100 == "+":
        can_ask_sox10 = "sox10" in panel or "s100_sox10" in panel
        return "tumour" if place == "inside" or not can_ask_sox10 else "other"
    return "other"


def every_way(panel, row):
    """All cells that a row of signs may stand for: a missing call may be either."""
    for filled in product(*[("+", "-") if sign == "?" else (sign,) for sign in row]):
        yield dict(zip(panel, filled, strict=True))


def called(panel, rows, place):
    cells, gates = slide(panel, rows)
    inside = None if place is None else np.full(len(rows), place == "inside")
    return call_phenotypes(cells, gates, inside_tumour=inside)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("panel", PANELS + COCKTAILS, ids="+".join)
def test_phenotypes_are_what_a_person_would_say(panel, place):
    rows = list(product("+-?", repeat=len(panel)))
    calls = called(panel, rows, place)
    for row, phenotype in zip(rows, calls.cells["phenotype"], strict=True):
        possible = {said_in_words(panel, signs, place) for signs in every_way(panel, row)}
        expected = possible.pop() if len(possible) == 1 else "unknown"
        assert phenotype == expected, (row, place)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("panel", PANELS + COCKTAILS, ids="+".join)
def test_odd_cells_are_marked_and_never_guessed(panel, place):
    """Marks for SOX10+ CD8+ cells, for S100+ SOX10- cells, and for what is no tumour cell."""
    rows = list(product("+-?", repeat=len(panel)))
    calls = called(panel, rows, place)
    frame = calls.cells.frame
    apart = {"s100", "sox10"} <= set(panel)
    for row, cell in zip(rows, frame.itertuples(), strict=True):
        signs = dict(zip(panel, row, strict=True))
        sox10 = signs.get("sox10", signs.get("s100_sox10"))
        assert cell.conflict == (sox10 == "+" and signs.get("cd8") == "+"), row
        kinds = {said_in_words(panel, filled, place) for filled in every_way(panel, row)}
        tumour = {kind == "tumour" for kind in kinds}
        assert cell.is_tumour is pd.NA if len(tumour) == 2 else cell.is_tumour == tumour.pop(), row
        if apart:
            only = {
                filled["s100"] == "+"
                and filled["sox10"] == "-"
                and said_in_words(panel, filled, place) == "other"
                for filled in every_way(panel, row)
            }
            if only == {True, False}:
                assert cell.s100_only is pd.NA, row
            else:
                assert cell.s100_only is not pd.NA, row
                assert cell.s100_only == only.pop(), row
        else:
            assert cell.s100_only is pd.NA or not cell.s100_only, row
    assert str(frame["s100_only"].dtype) == "boolean"
    assert calls.s100_elsewhere == frame["s100_only"].sum()
    assert calls.conflicts == frame["conflict"].sum()


LACKING = {
    ("s100", "cd8"): (
        "rule 'cd8_t = cd8+ sox10-' is used without sox10, which the panel lacks",
        "rule 'tumour = sox10+' is not used: the panel lacks sox10",
    ),
    ("sox10", "cd8"): (
        "rule 'tumour = s100+ inside the tumour region' is not used: the panel lacks s100",
    ),
    ("s100", "sox10"): ("rule 'cd8_t = cd8+ sox10-' is not used: the panel lacks cd8",),
    ("s100", "sox10", "cd8"): (),
    ("s100_sox10", "cd8"): (),
    (): (
        "rule 'cd8_t = cd8+ sox10-' is not used: the panel lacks cd8, sox10",
        "rule 'tumour = sox10+' is not used: the panel lacks sox10",
        "rule 'tumour = s100+ inside the tumour region' is not used: the panel lacks s100",
        "rule 'tumour = s100+' is not used: the panel lacks s100",
    ),
}


@pytest.mark.parametrize("panel", LACKING, ids="+".join)
def test_what_a_panel_cannot_show_is_named(panel):
    calls = called(panel, list(product("+-", repeat=len(panel))), "outside")
    assert calls.dropped == LACKING[panel]
    assert calls.warnings[: len(calls.dropped)] == calls.dropped
    can = {"other"} | ({"cd8_t"} if "cd8" in panel else set())
    can |= {"tumour"} if {"s100", "sox10", "s100_sox10"} & set(panel) else set()
    assert calls.callable_phenotypes == can


def test_a_slide_of_nuclei_alone_has_cells_that_are_other_and_no_calls():
    cells, _ = slide(("sox10",), ["+", "-"])
    cells = type(cells)(cells.frame[["x_um", "y_um"]])
    gates = gate_lineage(cells, panel_of())
    assert gates == ()
    placed = call_phenotypes(cells, gates, inside_tumour=np.zeros(2, bool))
    assert gate_by_parent(placed.cells, panel_of()) == ()
    assert list(placed.cells["phenotype"]) == ["other", "other"]
    assert placed.callable_phenotypes == {"other"}
    assert not any(c.endswith("_positive") for c in placed.cells.frame.columns)


def test_a_panel_without_pdl1_has_phenotypes_and_no_pdl1_calls():
    cells, _ = slide(STAINS, ["-+-", "--+"])
    specs = tuple(GateSpec(m, "all", "fixed", 5.0) for m in STAINS)
    lineage = gate_lineage(cells, panel_of(*STAINS), specs)
    calls = call_phenotypes(cells, lineage, inside_tumour=np.zeros(2, bool))
    assert gate_by_parent(calls.cells, panel_of(*STAINS), specs) == ()
    assert list(calls.cells["phenotype"]) == ["tumour", "cd8_t"]
    assert "pdl1_positive" not in calls.cells


def study_with(folder, text):
    path = Path(folder) / "study.toml"
    path.write_text(text, encoding="utf-8")
    return read_study(path)


def test_rules_of_a_study_may_use_markers_that_the_program_does_not_know(tmp_path):
    study = study_with(
        tmp_path,
        """
        [[rule]]
        phenotype = "other"
        positive = ["cd68"]
        negative = ["sox10"]
        [[rule]]
        phenotype = "cd8_t"
        positive = ["cd3", "cd8"]
        [[rule]]
        phenotype = "tumour"
        positive = ["melan_a"]
        place = "tumour"
        """,
    )
    panel = ("cd68", "sox10", "cd3", "cd8")
    rows = ["+--+", "--++", "--+-", "-+--", "++++", "?-++"]
    cells, gates = slide(panel, rows)
    calls = call_phenotypes(cells, gates, study.rule, inside_tumour=np.ones(6, bool))
    kinds = ["other", "cd8_t", "other", "other", "cd8_t", "unknown"]
    assert list(calls.cells["phenotype"]) == kinds
    assert calls.dropped == (
        "rule 'tumour = melan_a+ inside the tumour region' is not used: the panel lacks melan_a",
    )
    assert calls.callable_phenotypes == {"other", "cd8_t"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            'phenotype = "macrophage"\npositive = ["cd68"]',
            "a rule has the phenotype 'macrophage'; give one of tumour, cd8_t, other: "
            "cells of any further kind are other",
        ),
        ('phenotype = "unknown"\npositive = ["cd68"]', "give one of tumour, cd8_t, other"),
        (
            'phenotype = "other"\npositive = "cd68"',
            "the rule of other has positive = 'cd68'; write a list of markers, such as [\"cd68\"]",
        ),
        (
            'phenotype = "tumour"\npositive = ["SOX10"]',
            "the rule of tumour has the marker 'SOX10'; give its key in lower-case",
        ),
        (
            'phenotype = "tumour"\npositive = ["sox10"]\nnegative = ["sox10"]',
            "the rule of tumour asks for sox10 to be positive and negative; remove one",
        ),
        ('phenotype = "tumour"\npositive = []', "a rule of tumour has no positive marker"),
        ('phenotype = "tumour"', "positive"),
        ('phenotype = "tumour"\npositive = ["sox10"]\nplace = "skin"', "skin"),
        ('phenotype = "tumour"\npositive = ["sox10"]\nwhere = "tumour"', "unknown key where"),
    ],
)
def test_a_rule_of_a_study_that_cannot_be_is_refused_in_one_line(tmp_path, rule, says):
    with pytest.raises(StudyError) as caught:
        study_with(tmp_path, f"[[rule]]\n{rule}\n")
    message = str(caught.value)
    assert says in message
    assert message.startswith("study.toml: ")
    assert "\n" not in message
    assert str(tmp_path) not in message


PDL1 = "pdl1_membrane_mean"
SOURCES = ("slide:tumour", "slide:non_tumour", "patient:tumour", "batch:tumour", "fixed", "file")


@pytest.mark.parametrize("source", SOURCES)
def test_a_threshold_decides_alike_wherever_it_comes_from(source):
    cells, gates = slide(("sox10", "pdl1"), ["+?", "+?", "+?", "+?", "-?"])
    values = [5.0, np.nextafter(5.0, 6), np.nan, np.inf, 7.0]
    cells = cells.with_columns({PDL1: values})
    apart = (
        Gate("pdl1", "tumour", PDL1, "gmm", source, 5.0),
        Gate("pdl1", "non_tumour", PDL1, "gmm", "missing", None, note="none"),
    )
    calls = call_phenotypes(cells, (gates[0], *apart), inside_tumour=np.zeros(5, bool))
    assert calls.cells["pdl1_positive"].tolist() == [False, True, pd.NA, pd.NA, pd.NA]
    table = gate_table(apart, calls.cells)
    assert table[["positive", "negative", "missing"]].to_numpy().tolist() == [[1, 1, 2], [0, 0, 1]]
    assert table["source"].tolist() == [source, "missing"]
    assert any(
        line.startswith("pdl1 has no gate on non_tumour cells (none)")
        for line in gate_warnings(apart)
    )


@pytest.mark.parametrize("marker", STAINS)
def test_a_marker_without_a_gate_is_missing_for_every_cell_and_never_negative(marker):
    rows = list(product("+-", repeat=3))
    cells, gates = slide(STAINS, rows)
    gates = tuple(
        Gate(g.marker, "all", g.statistic, "gmm", "missing", None) if g.marker == marker else g
        for g in gates
    )
    calls = call_phenotypes(cells, gates, inside_tumour=np.ones(len(rows), bool))
    assert calls.cells[f"{marker}_positive"].isna().all()
    masked = [
        "".join("?" if m == marker else s for m, s in zip(STAINS, r, strict=True)) for r in rows
    ]
    as_if = called(STAINS, masked, "inside").cells["phenotype"]
    assert list(calls.cells["phenotype"]) == list(as_if)
    assert "unknown" in set(as_if)


def test_a_gate_on_a_column_that_was_not_measured_gives_no_call():
    cells, gates = slide(("sox10", "cd8"), ["--", "-+"])
    gates = (gates[0], Gate("cd8", "all", "cd8_membrane_unshared", "fixed", "fixed", 5.0))
    calls = call_phenotypes(cells, gates, inside_tumour=np.zeros(2, bool))
    assert calls.cells["cd8_positive"].isna().all()
    assert list(calls.cells["phenotype"]) == ["unknown", "unknown"]
    assert "2 cells are of unknown phenotype: a value is missing" in calls.warnings


def test_first_rule_wins():
    rules = (Rule("other", ("cd68",)), Rule("tumour", ("sox10",)))
    cells, gates = slide(("cd68", "sox10"), ["++", "-+", "?+", "--"])
    calls = call_phenotypes(cells, gates, rules)
    assert list(calls.cells["phenotype"]) == ["other", "tumour", "unknown", "other"]
