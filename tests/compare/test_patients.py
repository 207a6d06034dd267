import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from immunescape.compare import patient_table
from immunescape.results import PATIENTS_COLUMNS
from tests.compare.drawn import NEGATIVE, ODDS, RATIO, cd8, headline, of, row, slide


def pair(before, after, *, patient="P1", times=("baseline", "relapse"), **sample):
    return [
        slide(patient, t, rows, **sample) for t, rows in zip(times, (before, after), strict=True)
    ]


def test_a_density_changes_on_the_log_scale_half_a_cell_added():
    table = patient_table(pair(cd8(10, 2.0), cd8(30, 1.0)))
    assert tuple(table.columns) == PATIENTS_COLUMNS
    found = of(table, metric="cd8_density")
    assert found["effect"] == pytest.approx(math.log((30.5 / 1.0) / (10.5 / 2.0)))
    assert tuple(found[["from_value", "to_value", "effect_scale"]]) == (5.0, 30.0, "log_density")
    assert (found["n_slides"], found["n_cells"]) == (2, 40)


def test_the_interval_adds_squares_of_the_logarithms_ends():
    # Of each density an interval from half to double: both logarithms reach log 2 both ways.
    before = cd8(100, 1.0, ci=(50.25, 201.0, "block_bootstrap"))
    after = cd8(100, 1.0, ci=(50.25, 201.0, "block_bootstrap"))
    found = of(patient_table(pair(before, after)), metric="cd8_density")
    assert found["effect"] == 0
    assert found["ci_high"] == pytest.approx(math.sqrt(2) * math.log(2))
    assert found["ci_low"] == pytest.approx(-math.sqrt(2) * math.log(2))
    assert found["ci_method"] == "block_bootstrap, squares added, within slide only"


def test_a_fraction_changes_as_newcombe_has_it():
    def share(k, n):
        low, high = proportion_confint(k, n, method="wilson")
        return headline(k, n, ci=(low, high, "wilson"))

    found = of(patient_table(pair(share(48, 80), share(56, 70))), metric=NEGATIVE)
    assert found["effect"] == pytest.approx(0.2)
    expected = confint_proportions_2indep(56, 70, 48, 80, method="newcomb", compare="diff")
    assert tuple(found[["ci_low", "ci_high"]]) == pytest.approx(expected, abs=1e-9)
    # as printed in his paper of 1998, example (a), method 10
    assert tuple(round(end, 4) for end in expected) == (0.0524, 0.3339)
    assert found["effect_scale"] == "difference"


def test_a_density_that_falls_to_nothing_has_an_open_end():
    before = cd8(50, 1.0, ci=(37.0, 66.0, "block_bootstrap"))
    after = cd8(0, 1.0, ci=(0.0, 3.689, "garwood"))
    found = of(patient_table(pair(before, after)), metric="cd8_density")
    assert found["effect"] == pytest.approx(math.log(0.5 / 50.5))
    assert found["ci_low"] == -math.inf and found["effect"] < found["ci_high"] < 0
    nothing = of(patient_table(pair(after, after)), metric="cd8_density")
    assert nothing["effect"] == 0 and "no such cell at either timepoint" in nothing["reason"]
    assert (nothing["ci_low"], nothing["ci_high"]) == (-math.inf, math.inf)


def test_ratios_counts_and_odds_have_their_scales():
    def one(above, below, cells, odds):
        return [
            *cd8(above, 0.5, "margin"),
            *cd8(below, 2.0, "centre"),
            row(RATIO, "cd8_t", "tissue", above / 0.5 / (below / 2), above, below),
            row("cell_count", "tumour", "centre", cells, cells, math.nan, unit="cells"),
            row(ODDS, "tumour", "tissue", odds, 30, 40, unit="log_odds", neighbourhood="contact"),
        ]

    table = patient_table(pair(one(20, 10, 100, 0.25), one(5, 40, 300, -1.0)))
    ratio = of(table, metric=RATIO)
    assert ratio["effect"] == pytest.approx(math.log(5.5 / 40.5) - math.log(20.5 / 10.5))
    assert ratio["effect_scale"] == "log_ratio"
    count = of(table, metric="cell_count")
    assert count["effect"] == pytest.approx(math.log(300.5 / 100.5))
    assert of(table, metric=ODDS)["effect"] == -1.25


def test_swapping_the_timepoints_turns_the_sign():
    before = cd8(10, 2.0, ci=(2.4, 9.2, "garwood"))
    after = cd8(30, 1.0, ci=(20.2, 42.8, "garwood"))
    there = of(patient_table(pair(before, after)), metric="cd8_density")
    back = of(patient_table(pair(after, before)), metric="cd8_density")
    assert back["effect"] == -there["effect"]
    assert (back["ci_low"], back["ci_high"]) == pytest.approx((-there["ci_high"], -there["ci_low"]))


def test_every_step_between_timepoints_in_the_order_of_time():
    times = ("relapse", "response", "baseline")
    three = [slide("P1", t, cd8(10 * i, 1.0)) for i, t in enumerate(times, 1)]
    table = patient_table(three)
    table = table[table["metric"] == "cd8_density"]
    assert list(zip(table["from_timepoint"], table["to_timepoint"], strict=True)) == [
        ("baseline", "response"), ("baseline", "relapse"), ("response", "relapse"),
    ]  # fmt: skip


def test_days_order_timepoints_and_a_patient_against_them_is_flagged():
    def at(patient, timepoint, day):
        return slide(patient, timepoint, cd8(10, 1.0), day=day)

    two = [at(p, t, d) for p in ("P1", "P2", "P3") for t, d in (("b", 0.0), ("a", 40.0))]
    table = patient_table([*two, at("P4", "b", 90.0), at("P4", "a", 10.0)])
    assert set(zip(table["from_timepoint"], table["to_timepoint"], strict=True)) == {("b", "a")}
    flagged = table[table["flags"].str.contains("days run against")]
    assert set(flagged["patient"]) == {"P4"}


def test_lesions_are_followed_each_by_itself():
    both = [
        slide("P1", t, cd8(n, 1.0), lesion=lesion)
        for lesion, counts in (("L1", (10, 20)), ("L2", (40, 20)))
        for t, n in zip(("baseline", "relapse"), counts, strict=True)
    ]
    table = patient_table([*both, slide("P1", "relapse", cd8(99, 1.0), lesion="L3")])
    table = table[table["metric"] == "cd8_density"]
    assert list(table["lesion"]) == ["L1", "L2"]
    assert list(np.sign(table["effect"])) == [1, -1] and not table["flags"].any()


def test_another_lesion_at_relapse_is_compared_and_flagged():
    two = [
        slide("P1", "baseline", cd8(10, 1.0), lesion="L1", site="skin"),
        slide("P1", "relapse", cd8(20, 1.0), lesion="L2", site="lymph_node", source="derived"),
    ]
    found = of(patient_table(two), metric="cd8_density")
    assert found["lesion"] == "L1 to L2"
    assert found["flags"] == "lesion differs; tumour_source differs; site differs"


def test_specimens_of_a_lesion_are_averaged_on_the_scale_of_the_change():
    three = [
        slide("P1", "baseline", cd8(10, 1.0), specimen="a", sample_id="a"),
        slide("P1", "baseline", cd8(40, 1.0), specimen="b", sample_id="b"),
        slide("P1", "relapse", cd8(20, 1.0)),
    ]
    found = of(patient_table(three), metric="cd8_density")
    mean = (math.log(10.5) + math.log(40.5)) / 2
    assert found["effect"] == pytest.approx(math.log(20.5) - mean)
    assert found["from_value"] == 25.0 and "mean of 2 specimens" in found["reason"]


def test_what_cannot_be_judged_at_one_timepoint_has_no_change():
    table = patient_table(pair(cd8(10, 1.0, why="no interface"), cd8(20, 1.0)))
    found = of(table, metric="cd8_density")
    assert not found["evaluable"] and found["reason"] == "baseline: no interface"
    assert np.isnan([found["effect"], found["ci_low"]]).all() and found["to_value"] == 20.0
    only = patient_table(pair(headline(5, 30), cd8(20, 1.0)))
    assert of(only, metric="cd8_density")["reason"] == "baseline: no such number"


def test_a_conclusion_that_other_gates_change_is_flagged_under_both():
    def under(gates, high):
        before = cd8(100, 1.0, ci=(80.0, 125.0, "block_bootstrap"))
        after = cd8(60, 1.0, ci=(40.0, high, "block_bootstrap"))
        return pair(before, after, gates=gates)

    table = patient_table([*under("shared", 75.0), *under("slide", 130.0)])
    mine = table[table["metric"] == "cd8_density"]
    assert set(mine["gates"]) == {"shared", "slide"}
    assert set(mine["flags"]) == {"conclusion differs between shared and slide gates"}
    same = patient_table([*under("shared", 75.0), *under("slide", 76.0)])
    assert not same["flags"].any()


def test_most_cells_negative_under_one_gate_alone_is_flagged():
    results = [
        *pair(headline(45, 100), headline(48, 100), gates="shared"),
        *pair(headline(45, 100), headline(55, 100), gates="slide"),
    ]
    flags = patient_table(results)["flags"]
    assert flags.str.startswith("conclusion differs").all()


def test_the_order_of_slides_changes_nothing_and_names_are_only_names():
    rows = [*pair(cd8(10, 1.0), cd8(20, 2.0)), *pair(cd8(9, 1.0), cd8(3, 2.0), patient="P2")]
    table = patient_table(rows)
    pd.testing.assert_frame_equal(table, patient_table(rows[::-1]))


def test_one_timepoint_has_no_step():
    table = patient_table([slide("P1", "baseline", cd8(10, 1.0))])
    assert not len(table) and tuple(table.columns) == PATIENTS_COLUMNS
