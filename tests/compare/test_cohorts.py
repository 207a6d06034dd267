import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.compare import CompareParams, comparison_table, patient_table
from immunescape.compare.cohorts import MAIN_FAMILY
from immunescape.errors import ParameterError
from immunescape.results import COMPARISONS_COLUMNS
from tests.compare.drawn import APART, NEGATIVE, cd8, cohort, headline, of, row, slide

CHANGES = (0.5, 0.1, -0.2, 0.9, 1.2)


def effects_of(results, metric="cd8_density"):
    table = patient_table(results)
    return table[table["metric"] == metric]["effect"].to_numpy(float)


def test_the_patient_is_the_unit():
    results = cohort(CHANGES)
    d = effects_of(results)
    found = of(comparison_table(results), metric="cd8_density")
    assert list(comparison_table(results).columns) == list(COMPARISONS_COLUMNS)
    assert found["effect"] == pytest.approx(d.mean())
    direct = stats.ttest_1samp(d, 0).confidence_interval()
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((direct.low, direct.high))
    sums = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in _signs(5)]
    assert found["p_value"] == sum(s >= abs(d.sum()) - 1e-9 for s in sums) / 32
    assert found["smallest_p_value"] == 2 / 32
    assert tuple(found[["n_patients", "n_slides"]]) == (5, 10)
    assert found["effect_scale"] == "log_density" and found["family"] == "further"


def _signs(n):
    return [[1 if number >> i & 1 else -1 for i in range(n)] for number in range(2**n)]


def test_one_patient_has_an_effect_and_no_test():
    found = of(comparison_table(cohort([0.7])), metric="cd8_density")
    assert found["evaluable"] and found["effect"] == pytest.approx(0.7, abs=0.01)
    assert "no test is possible with one patient" in found["reason"]
    empty = found[["ci_low", "ci_high", "p_value", "q_value", "smallest_p_value", "mixed_effect"]]
    assert empty.isna().all() and "three patients needed" in found["mixed_note"]


def test_relabelled_patients_and_another_order_give_the_same():
    results = cohort(CHANGES)
    first = comparison_table(results)
    names = {f"P{i:02}": f"Q{7 * i % 5}" for i in range(5)}
    renamed = [
        slide(names[r.sample.patient], r.sample.timepoint, r.tables["summary"].to_dict("records"))
        for r in results[::-1]
    ]
    second = comparison_table(renamed)
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_swapped_timepoints_turn_the_sign_and_keep_p():
    results = cohort(CHANGES)
    other = {"baseline": "relapse", "relapse": "baseline"}
    swapped = [
        slide(r.sample.patient, other[r.sample.timepoint], r.tables["summary"].to_dict("records"))
        for r in results
    ]
    a = of(comparison_table(results), metric="cd8_density")
    b = of(comparison_table(swapped), metric="cd8_density")
    assert a["effect"] == pytest.approx(-b["effect"]) and a["p_value"] == b["p_value"]
    assert (a["ci_low"], a["ci_high"]) == pytest.approx((-b["ci_high"], -b["ci_low"]))
    assert a["mixed_effect"] == pytest.approx(-b["mixed_effect"], abs=1e-4)


def test_q_is_of_benjamini_and_hochberg_over_the_metrics_of_a_family():
    rng = np.random.default_rng(1)
    results = []
    for i in range(7):
        for t, shift in (("baseline", 0), ("relapse", 15)):

            def share(metric, shift=shift):
                return headline(int(40 + shift + rng.integers(-9, 9)), 100, metric=metric)

            further = headline(50 + int(rng.integers(9)), 100, phenotype="other")
            regions = [cd8(int(rng.integers(50, 90)), 1.0, r) for r in ("margin", "centre")]
            results.append(slide(f"P{i}", t, share(NEGATIVE), share(APART), further, *regions))
    table = comparison_table(results)
    for family, size in (("main", 4), ("further", 1)):
        mine = table[table["family"] == family]
        assert len(mine) == size
        expected = stats.false_discovery_control(mine["p_value"], method="bh")
        assert mine["q_value"].to_numpy(float) == pytest.approx(expected)
    assert (table["q_value"] >= table["p_value"]).all()
    main = list(zip(table["metric"], table["phenotype"], table["region"], strict=True))[:4]
    assert set(main) <= {key[:3] for key in MAIN_FAMILY}


def test_each_patient_counts_once_however_many_lesions():
    results = cohort(CHANGES)
    twice = [
        slide(r.sample.patient, r.sample.timepoint, r.tables["summary"].to_dict("records"),
              lesion=lesion)
        for r in results for lesion in ("L1", "L2")
    ]  # fmt: skip
    once = of(comparison_table(results), metric="cd8_density")
    found = of(comparison_table(twice), metric="cd8_density")
    assert tuple(found[["n_patients", "n_slides"]]) == (5, 20)
    same = ["effect", "ci_low", "ci_high", "p_value"]
    assert found[same].to_numpy(float) == pytest.approx(once[same].to_numpy(float))


def test_patients_that_cannot_be_judged_are_counted_out():
    results = cohort(CHANGES)
    lost = slide("P09", "baseline", cd8(10, 1.0, why="no interface"))
    found = of(
        comparison_table([*results, lost, slide("P09", "relapse", cd8(10, 1.0))]),
        metric="cd8_density",
    )
    assert found["n_patients"] == 5 and "1 patient has no number" in found["reason"]
    # their other timepoint still counts in the mixed model
    assert "11 specimens of 6 patients" in found["mixed_note"]
    nobody = comparison_table([lost, slide("P09", "relapse", cd8(10, 1.0))])
    found = of(nobody, metric="cd8_density")
    assert not found["evaluable"] and found["n_patients"] == 0
    assert "baseline: no interface" in found["reason"] and math.isnan(found["effect"])


def test_timepoints_that_no_patient_has_both_of_are_told():
    apart = [slide("P1", "baseline", cd8(9, 1.0)), slide("P2", "relapse", cd8(9, 1.0))]
    found = of(comparison_table(apart), metric="cd8_density")
    assert not found["evaluable"] and "no patient has slides of both" in found["reason"]


# Groups


def grouped():
    wild = cohort((0.1, -0.1, 0.2, 0.0), carried={"jak1": "wild"})
    mutated = [
        slide(f"M{r.sample.patient}", r.sample.timepoint,
              r.tables["summary"].to_dict("records"), carried={"jak1": "mutated"})
        for r in cohort((-1.1, -0.9, -1.4))
    ]  # fmt: skip
    return wild, mutated


def test_groups_have_their_changes_and_the_difference_of_them():
    wild, mutated = grouped()
    table = comparison_table([*wild, *mutated], group_by="jak1")
    table = table[table["metric"] == "cd8_density"]
    assert list(table["group"]) == ["", "mutated", "wild", "wild vs mutated"]
    assert set(table["group_column"]) == {"jak1"}
    for name, part in (("mutated", mutated), ("wild", wild)):
        alone = of(comparison_table(part), metric="cd8_density")
        mine = of(table, group=name)
        assert mine["effect"] == alone["effect"] and mine["p_value"] == alone["p_value"]
    a, b = effects_of(mutated), effects_of(wild)
    between = of(table, group="wild vs mutated")
    assert between["effect"] == pytest.approx(b.mean() - a.mean())
    welch = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    assert (between["ci_low"], between["ci_high"]) == pytest.approx((welch.low, welch.high))
    # every wild type patient rose by more than every mutated one: one of 35 ways, two-sided
    assert between["p_value"] == between["smallest_p_value"] == pytest.approx(1 / 35)
    assert between["n_patients"] == 7 and "no mixed model" in between["mixed_note"]


def test_a_patient_whose_group_changes_is_a_group_of_its_own():
    wild, _ = grouped()
    gained = [
        slide("X", "baseline", cd8(50, 1.0), carried={"jak1": "wild"}),
        slide("X", "relapse", cd8(5, 1.0), carried={"jak1": "mutated"}),
        slide("Y", "baseline", cd8(50, 1.0)),
        slide("Y", "relapse", cd8(50, 1.0)),
    ]
    table = comparison_table([*wild, *gained], group_by="jak1")
    found = of(table, metric="cd8_density", group="wild to mutated")
    assert found["n_patients"] == 1 and "one patient" in found["reason"]
    assert of(table, metric="cd8_density", group="")["n_patients"] == 6
    versus = of(table, metric="cd8_density", group="wild to mutated vs wild")
    assert "one patient in a group" in versus["reason"] and math.isnan(versus["p_value"])


def test_many_groups_are_not_compared_each_with_each():
    def aged(ages):
        return [
            slide(f"P{age}", t, cd8(n, 1.0), carried={"age": str(age)})
            for age in ages
            for t, n in (("baseline", 50), ("relapse", 40 + age))
        ]

    few = comparison_table(aged(range(40, 46)), group_by="age")
    assert len(few) == 1 + 6 + 15 and not few["flags"].any()
    many = comparison_table(aged(range(40, 47)), group_by="age")
    assert len(many) == 1 + 7
    flags = many[many["group"] != ""]["flags"]
    assert set(flags) == {"7 groups: their differences are not listed"}


def test_a_column_that_no_slide_has_is_refused():
    with pytest.raises(ParameterError, match=r"no slide has a column 'jak2' .* batch, .*jak1"):
        comparison_table(grouped()[0], group_by="jak2")


# What is not mixed without a word


def test_drawn_and_derived_tumours_are_flagged_and_shown_apart():
    drawn = cohort((0.5, 0.4, 0.6))
    derived = [
        slide(f"D{r.sample.patient}", r.sample.timepoint,
              cd8(int(r.tables["summary"].iloc[0]["numerator"]), 1.0, "margin"), source="derived")
        for r in cohort((-0.5, -0.4))
    ]  # fmt: skip
    drawn = [
        slide(r.sample.patient, r.sample.timepoint,
              cd8(int(r.tables["summary"].iloc[0]["numerator"]), 1.0, "margin"))
        for r in drawn
    ]  # fmt: skip
    table = comparison_table([*drawn, *derived])
    table = table[table["metric"] == "cd8_density"]
    assert list(table["subset"]) == ["all", "tumour_source=derived", "tumour_source=drawn"]
    assert of(table, subset="all")["flags"] == "tumour_source mixed"
    alone = of(comparison_table(drawn), metric="cd8_density")
    assert of(table, subset="tumour_source=drawn")["effect"] == alone["effect"]
    assert alone["flags"] == "" and alone["subset"] == "all"


def test_sites_that_change_within_a_patient_are_a_subset_of_their_own():
    results = [
        *(slide(p, t, cd8(n, 1.0, "centre"), site="skin")
          for p in ("A", "B") for t, n in (("baseline", 50), ("relapse", 70))),
        slide("C", "baseline", cd8(50, 1.0, "centre"), site="skin"),
        slide("C", "relapse", cd8(500, 1.0, "centre"), site="lymph_node"),
    ]  # fmt: skip
    table = comparison_table(results)
    table = table[table["metric"] == "cd8_density"]
    assert list(table["subset"]) == ["all", "site=skin", "site=skin to lymph_node"]
    flags = of(table, subset="all")["flags"]
    assert flags == "site mixed; site differs between timepoints in 1 patient"
    assert of(table, subset="site=skin")["n_patients"] == 2


def test_patients_whose_conclusion_other_gates_change_are_counted():
    results = [*cohort(CHANGES), *cohort((0.5, 0.1, -0.2, 0.9, 1.2), gates="slide")]
    table = comparison_table(results)
    assert not table["flags"].any() and set(table["gates"]) == {"shared", "slide"}
    low = [
        slide("P00", t, cd8(n, 1.0, ci=ci), gates=gates)
        for gates, wide in (("shared", (40.0, 60.0, "g")), ("slide", (1.0, 999.0, "g")))
        for t, n, ci in (("baseline", 50, wide), ("relapse", 250, (200.0, 300.0, "g")))
    ]
    flags = of(comparison_table(low), metric="cd8_density", gates="slide")["flags"]
    assert flags == "conclusion differs between gates in 1 patient"


def test_what_was_looked_at_is_not_compared():
    def at(timepoint, n):
        unknown, every = (
            row("cell_count", kind, "tissue", n, n, math.nan, unit="cells", neighbourhood="")
            for kind in ("unknown", "any")
        )
        return slide("P1", timepoint, cd8(n, 1.0), [unknown, every])

    table = comparison_table([at("baseline", 10), at("relapse", 20)])
    assert list(zip(table["metric"], table["phenotype"], strict=True)) == [
        ("cd8_density", "cd8_t"), ("cell_count", "any"),
    ]  # fmt: skip


def test_nothing_to_compare():
    for results in ([], [slide("P1", "baseline", cd8(9, 1.0))]):
        table = comparison_table(results, CompareParams())
        assert not len(table) and tuple(table.columns) == COMPARISONS_COLUMNS


def test_mixed_models_are_left_out_on_request():
    found = comparison_table(cohort(CHANGES), CompareParams(mixed_model=False))
    assert found["mixed_effect"].isna().all()
    assert set(found["mixed_note"]) == {"no mixed model: not asked for"}
