"""What stands beside a pattern: numbers with n and interval, gates, other ways, thresholds."""

from io import StringIO

import pandas as pd

from immunescape.patterns import PatternParams, pattern_table
from immunescape.results import PATTERNS_COLUMNS
from tests.patterns.drawn import (
    ABSENT,
    BETWEEN,
    CONSTITUTIVE,
    EXCLUDED,
    INFILTRATED,
    NEITHER,
    REACTIVE,
    course,
    line,
    result,
    shown,
)

SLIDE = {**EXCLUDED, **ABSENT}
GATE = {
    "marker": "pdl1", "parent": "tumour", "statistic": "pdl1_membrane_unshared", "method": "otsu",
    "source": "slide", "threshold": 3.6, "gate_low": 3.0, "gate_high": 4.1,
}  # fmt: skip


def test_evidence_holds_value_interval_and_n() -> None:
    row = line(pattern_table([result(SLIDE)]), "pdl1_absent_on_tumour")
    assert row["words"].startswith("consistent with PD-L1 absent on tumour cells although other")
    # 0.96 negative of 200, interval 0.90 to 0.99: 8 of 200 positive, 4 %, 1 to 10 %
    assert (
        "PD-L1-positive, tumour cells touching CD8 4.0 % (95 % interval 1.0 to 10.0 %; "
        "8 of 200 cells), below 20 %" in row["evidence_for"]
    )
    assert "other cells 6 (95 % interval 4 to 9; 40 cells touching, 200 not)" in row["evidence_for"]
    assert row["evidence_against"] == ""


def test_a_clause_that_fails_stands_against_with_its_number() -> None:
    numbers = {**EXCLUDED, "ratio": (3, 1.4, 6), **ABSENT}
    row = line(pattern_table([result(numbers)]), "t_cells_excluded")
    assert row["holds"] == False  # noqa: E712
    assert row["words"] == "not shown: T cells excluded to the margin"
    assert "CD8 margin / centre 3 (95 % interval 1.4 to 6;" in row["evidence_against"]
    assert "not shown to be above 2" in row["evidence_against"]
    assert "CD8 in the margin 600 per mm²" in row["evidence_for"]


def test_a_rise_stands_against_constitutive_pdl1() -> None:
    numbers = {**BETWEEN, **CONSTITUTIVE}
    flat = line(pattern_table([result(numbers)]), "pdl1_constitutive")
    assert (
        "tumour cells 1.2 (95 % interval 0.8 to 1.8; 40 cells touching, 200 not), not above 1.5"
        in (flat["evidence_for"])
    )
    risen = line(pattern_table([result({**numbers, "odds": (3, 2, 3.9)})]), "pdl1_constitutive")
    assert (
        "(95 % interval 2 to 3.9; 40 cells touching, 200 not), above 1.5"
        in (risen["evidence_against"])
    )


def test_the_rule_is_printed_with_its_thresholds() -> None:
    table = pattern_table([result(SLIDE)], PatternParams(absent_share=0.25, max_p=0.01))
    rule = line(table, "pdl1_absent_on_tumour")["rule"]
    assert "touching CD8, the share that is PD-L1-positive is below 25 % (the upper end" in rule
    assert "p value on other cells is at most 0.01" in rule
    assert "above 1.5 (the lower end" in rule


def test_a_gate_whose_range_flips_the_reading_stands_against_it() -> None:
    # at the low end only 70 % are negative: 30 % positive, above the threshold of 20 %
    table = pattern_table([result(SLIDE, touching={"gates": (0.70, 0.98)})])
    row = line(table, "pdl1_absent_on_tumour")
    assert row["holds"] == True  # noqa: E712
    assert "at the low end of the gate's range" in row["evidence_against"]
    assert "is 30.0 %, which would not meet the threshold" in row["evidence_against"]
    assert "high end" not in row["evidence_against"]


def test_a_gate_that_would_show_the_pattern_stands_for_it() -> None:
    numbers = {**EXCLUDED, **ABSENT, "touching": (0.75, 0.65, 0.85)}
    row = line(
        pattern_table([result(numbers, touching={"gates": (0.6, 0.9)})]), "pdl1_absent_on_tumour"
    )
    assert row["holds"] == False  # noqa: E712
    assert "high end of the gate's range" in row["evidence_for"]
    assert "is 10.0 %, which would meet" in row["evidence_for"]


def test_an_automatic_gate_that_nobody_confirmed_stands_against() -> None:
    open_gate = pattern_table([result(SLIDE, gates=[{**GATE, "confirmed": False}])])
    confirmed = pattern_table([result(SLIDE, gates=[{**GATE, "confirmed": True}])])
    said = "gates found automatically that nobody confirmed: pdl1@tumour"
    assert said in line(open_gate, "pdl1_absent_on_tumour")["evidence_against"]
    assert said not in line(confirmed, "pdl1_absent_on_tumour")["evidence_against"]
    # a pattern that is not shown is not doubted for its gates
    assert said not in line(open_gate, "pdl1_reactive")["evidence_against"]


def test_other_ways_to_judge_the_slide_are_counted() -> None:
    ways = [
        {"kind": "statistic", "variant": "membrane_mean", "value": 0.7},
        {"kind": "growth", "variant": "1", "value": 0.95},
        {"kind": "gate", "variant": "pdl1_low", "value": 0.5},
    ]
    key = {"metric": "pdl1_negative_fraction_touching_cd8", "phenotype": "tumour",
           "region": "tissue", "evaluable": True}  # fmt: skip
    table = pattern_table([result(SLIDE, sensitivity=[{**key, **way} for way in ways])])
    against = line(table, "pdl1_absent_on_tumour")["evidence_against"]
    assert "(statistic membrane_mean: 30.0 %, of 2 ways)" in against
    assert "pdl1_low" not in against  # both ends of a gate are told from the summary


def test_otherwise_names_the_thresholds_that_matter() -> None:
    # the lower end is 2.5: halved (1) it holds, doubled (4) it does not; margin, lower end 150:
    # fewer than 200 would not do
    numbers = {"centre": (40, 25, 60), "margin": (300, 150, 480), "ratio": (5, 2.5, 9), **NEITHER}
    row = line(pattern_table([result(numbers)]), "t_cells_excluded")
    assert (
        row["otherwise"] == "few_per_mm2 200: it does not hold; excluded_ratio 4: it does not hold"
    )
    plain = line(pattern_table([result({**BETWEEN, **REACTIVE})]), "t_cells_desert")
    assert plain["otherwise"] == "the same with each threshold halved and doubled"


def test_the_order_of_rows_and_slides_plays_no_part() -> None:
    results = course(SLIDE, {**INFILTRATED, **REACTIVE}, SLIDE) + course(
        {**BETWEEN, **NEITHER}, SLIDE, patient="P00"
    )
    table = pattern_table(results)
    turned = [
        type(r)(r.sample, r.folder, {k: t.iloc[::-1] for k, t in r.tables.items()})
        for r in reversed(results)
    ]
    pd.testing.assert_frame_equal(pattern_table(turned), table)
    assert list(dict.fromkeys(table["patient"])) == ["P00", "P01"]


def test_tables_that_were_written_and_read_say_the_same() -> None:
    one = result(
        SLIDE, gates=[{**GATE, "confirmed": False}], touching={"gates": (0.7, 0.98)},
        margin={"stop": "area of 0.01 mm² is under 0.02 mm²"},
    )  # fmt: skip
    again = {k: pd.read_csv(StringIO(t.to_csv(index=False))) for k, t in one.tables.items()}
    pd.testing.assert_frame_equal(
        pattern_table([type(one)(one.sample, one.folder, again)]), pattern_table([one])
    )


def test_the_columns_are_the_promised_ones_also_without_results() -> None:
    table = pattern_table([])
    assert tuple(table.columns) == PATTERNS_COLUMNS
    assert table.empty
    full = pattern_table([result(SLIDE)])
    assert tuple(full.columns) == PATTERNS_COLUMNS
    assert set(full["gates"]) == {"shared"}
    assert shown(full) == {"t_cells_excluded", "pdl1_absent_on_tumour"}
    text = full.drop(columns=["holds", "evaluable"])
    assert not text.isna().any().any()


def test_gates_of_each_slide_that_conclude_otherwise_are_said_to() -> None:
    results = [result(SLIDE), result({**EXCLUDED, **REACTIVE}, own_gates=True)]
    table = pattern_table(results)
    assert list(dict.fromkeys(table["gates"])) == ["shared", "slide"]
    shared = table[table["gates"] == "shared"]
    said = "with the gates of each slide alone: "
    for level in ("slide", "patient"):
        shown_here = line(shared, "pdl1_absent_on_tumour", level=level)
        assert f"{said}not shown: PD-L1 absent" in shown_here["evidence_against"]
        shown_there = line(shared, "pdl1_reactive", level=level)
        assert f"{said}consistent with reactive" in shown_there["evidence_for"]
        assert said not in line(shared, "t_cells_excluded", level=level)["evidence_against"]
    steps = line(shared, "course_steps", level="patient", timepoint="")
    assert f"{said}baseline: T cells excluded, PD-L1 reactive" in steps["evidence_against"]
    assert not table[table["gates"] == "slide"]["evidence_against"].str.contains(said).any()


def test_other_cells_of_a_lymph_node_are_doubted() -> None:
    node, skin = (
        pattern_table([result(SLIDE, sample={"site": s})]) for s in ("Lymph_Node", "skin")
    )
    said = "in a lymph node the other cells are for the most part the node's own lymphocytes"
    assert said in line(node, "pdl1_absent_on_tumour")["evidence_against"]
    assert said not in line(node, "t_cells_excluded")["evidence_against"]
    assert said not in line(skin, "pdl1_absent_on_tumour")["evidence_against"]


def test_one_reason_for_a_whole_axis_is_said_once() -> None:
    why = "stain failure cannot be told from biology: 3 PD-L1-positive cells"
    names = ("touching", "apart", "other", "odds", "other_odds")
    table = pattern_table([result(SLIDE, **{name: {"stop": why} for name in names})])
    row = line(table, "pdl1_not_evaluable")
    assert row["reason"] == why
    assert row["words"] == f"not evaluable: {why}"
    few = line(pattern_table([result(SLIDE, touching={"stop": "12 cells, 20 needed"})]),
               "pdl1_not_evaluable")  # fmt: skip
    assert few["reason"] == ("PD-L1-positive, tumour cells touching CD8: 12 cells, 20 needed")
