import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.compare import specimen_table
from immunescape.compare.metrics import metric_of
from immunescape.compare.reasons import least_area_mm2, least_cells, only_short, unproven
from immunescape.results import METRICS, SPECIMENS_COLUMNS
from immunescape.spatial import DensityParams, SummaryParams, summarise
from tests.compare.drawn import APART, NEGATIVE, ODDS, RATIO, cd8, headline, of, row, slide
from tests.spatial.fields import block_areas, field, pairs_of

ALL = {"specimen": "S", "lesion": "L1"}


def fields(*rows, **sample):
    """Fields of one specimen."""
    return [
        slide("P1", "baseline", *one, **{"sample_id": f"F{i}", **ALL, **sample})
        for i, one in enumerate(rows)
    ]


def test_every_metric_of_the_summary_is_known():
    for name in METRICS:
        assert metric_of(name)


def test_one_slide_is_carried_over_as_it_is():
    ci = (7.5, 31.0, "block_bootstrap")
    one = slide("P1", "relapse", cd8(8, 0.5, ci=ci), site="skin", batch="b1", day=12.0)
    table = specimen_table([one])
    assert tuple(table.columns) == SPECIMENS_COLUMNS
    found = of(table, metric="cd8_density")
    assert (found["value"], found["numerator"], found["denominator"]) == (16.0, 8, 0.5)
    assert tuple(found[["ci_low", "ci_high", "ci_method"]]) == ci
    assert tuple(found[["site", "batch", "day", "tumour_source"]]) == ("skin", "b1", 12.0, "drawn")
    assert (found["n_slides"], found["n_cells"]) == (1, 8)


def test_counts_and_areas_are_summed_before_dividing():
    # 10 in 0.5 mm² and 30 in 1.5 mm²: 20 per mm² by sums, as it happens; 2 in 1.5 is not.
    table = specimen_table(fields([cd8(10, 0.5)], [cd8(30, 1.5)], [cd8(2, 2.0)]))
    found = of(table, metric="cd8_density")
    assert (found["value"], found["numerator"], found["denominator"]) == (42 / 4, 42, 4.0)
    # Garwood's interval is half a chi-squared quantile.
    assert found["ci_low"] == pytest.approx(stats.chi2.ppf(0.025, 84) / 2 / 4)
    assert found["ci_high"] == pytest.approx(stats.chi2.ppf(0.975, 86) / 2 / 4)
    assert (found["ci_method"], found["n_slides"], found["n_cells"]) == ("garwood", 3, 42)


def test_a_fraction_is_of_all_cells_not_a_mean_of_fractions():
    table = specimen_table(fields([headline(9, 10, why="10 cells, 20 needed")], [headline(10, 90)]))
    found = of(table, metric=NEGATIVE)
    assert (found["value"], found["numerator"], found["denominator"]) == (0.19, 19, 100)
    from statsmodels.stats.proportion import proportion_confint

    assert tuple(found[["ci_low", "ci_high"]]) == pytest.approx(
        proportion_confint(19, 100, method="wilson")
    )
    assert found["evaluable"] and found["reason"] == "2 slides summed"


def test_the_log_odds_ratio_is_of_the_summed_table():
    def one(near, apart):
        (a, n), (c, m) = near, apart
        return [
            headline(a, n),
            headline(c, m, metric=APART),
            [row(ODDS, "tumour", "tissue", 0.0, n, m, unit="log_odds", neighbourhood="contact")],
        ]

    table = specimen_table(fields(one((10, 40), (30, 50)), one((5, 20), (10, 30))))
    found = of(table, metric=ODDS)
    # positive and negative: 45 and 15 near, 40 and 40 apart
    assert found["value"] == pytest.approx(math.log(45.5 * 40.5 / (15.5 * 40.5)))
    half = 1.959964 * math.sqrt(1 / 45.5 + 1 / 15.5 + 2 / 40.5)
    assert found["ci_high"] - found["value"] == pytest.approx(half, rel=1e-6)
    assert (found["n_cells"], found["ci_method"]) == (140, "woolf")


def test_the_ratio_of_margin_to_centre_is_of_summed_densities():
    def one(above, area, below, base):
        ratio = row(RATIO, "cd8_t", "tissue", 1.0, above, below)
        return [cd8(above, area, "margin"), cd8(below, base, "centre"), [ratio]]

    table = specimen_table(fields(one(30, 0.5, 4, 1.0), one(10, 0.5, 6, 3.0)))
    found = of(table, metric=RATIO)
    assert found["value"] == pytest.approx((40 / 1.0) / (10 / 4.0))
    # Given 50 cells, those of the margin are binomial (Clopper and Pearson).
    p = stats.binomtest(40, 50).proportion_ci(method="exact")
    assert found["ci_low"] == pytest.approx(p.low / (1 - p.low) * 4.0)
    assert found["ci_high"] == pytest.approx(p.high / (1 - p.high) * 4.0)


def test_a_slide_that_cannot_be_judged_is_left_out_and_named():
    table = specimen_table(
        fields([cd8(10, 0.5, "centre")], [cd8(90, 0.5, "centre", why="no interface")])
    )
    found = of(table, metric="cd8_density")
    assert (found["value"], found["n_slides"]) == (20.0, 1)
    assert "F1 left out (no interface)" in found["reason"]


def test_what_no_slide_can_judge_stays_without_a_number():
    why = "CD8: the panel lacks CD8"
    lacking = row("cd8_density", "cd8_t", "tissue", 0.0, math.nan, 1.0, why=why)
    table = specimen_table(fields([[lacking]], [[lacking]]))
    found = of(table, metric="cd8_density")
    assert not found["evaluable"] and why in found["reason"]
    assert np.isnan([found["value"], found["numerator"], found["ci_low"]]).all()


def test_slides_with_too_few_cells_may_have_enough_together():
    short = "12 cells, 20 needed"
    enough = specimen_table(fields([headline(3, 12, why=short)], [headline(6, 12, why=short)]))
    found = of(enough, metric=NEGATIVE)
    assert found["evaluable"] and found["value"] == 9 / 24
    few = "7 cells, 20 needed"
    found = of(
        specimen_table(fields([headline(3, 12, why=short)], [headline(2, 7, why=few)])),
        metric=NEGATIVE,
    )
    assert not found["evaluable"] and found["denominator"] == 19
    assert found["reason"] == "2 slides together: 19 cells, 20 needed"


def test_small_areas_may_be_large_enough_together():
    small = "area of 0.012 mm² is under 0.02 mm²"
    two = fields([cd8(1, 0.012, why=small)], [cd8(2, 0.012, why=small)])
    found = of(specimen_table(two), metric="cd8_density")
    assert found["evaluable"] and found["value"] == pytest.approx(3 / 0.024)
    one = "area of 0.005 mm² is under 0.02 mm²"
    two = fields([cd8(1, 0.012, why=small)], [cd8(2, 0.005, why=one)])
    found = of(specimen_table(two), metric="cd8_density")
    assert not found["evaluable"]
    assert found["reason"] == "2 slides together: area of 0.017 mm² is under 0.02 mm²"


def test_an_empty_field_counts_where_its_batch_shows_that_the_stain_worked():
    why = "0 CD8 T cells on this slide do not show that the stain worked"
    full, empty = [cd8(40, 1.0)], [cd8(0, 1.0, why=why)]
    same = specimen_table(fields(full, empty, batch="b1"))
    assert of(same, metric="cd8_density")["value"] == 20.0
    other = [*fields(full, batch="b1"), *fields(empty, batch="b2", sample_id="G")]
    found = of(specimen_table(other), metric="cd8_density")
    assert (found["value"], found["n_slides"]) == (40.0, 1) and "G left out" in found["reason"]
    alone = of(specimen_table(fields(empty, empty)), metric="cd8_density")
    assert not alone["evaluable"] and np.isnan(alone["value"])


def test_lesions_specimens_and_gates_stay_apart():
    def two(**sample):
        return slide("P1", "baseline", cd8(10, 1.0), sample_id="x", **sample)

    apart = [
        two(lesion="L1", specimen="a"),
        two(lesion="L2", specimen="b"),
        two(lesion="L2", specimen="c"),
        two(lesion="L2", specimen="c", gates="slide"),
    ]
    table = specimen_table(apart)
    assert list(table["n_slides"]) == [1] * 8
    assert len(table.drop_duplicates(["lesion", "specimen", "gates"])) == 4


def test_the_median_of_several_slides_is_not_made_up():
    two = [row("membrane_to_cytoplasm_ratio", "tumour", "tissue", 2.0, math.nan, 50)]
    one = specimen_table(fields([two]))
    assert of(one, metric="membrane_to_cytoplasm_ratio")["value"] == 2.0
    found = of(specimen_table(fields([two], [two])), metric="membrane_to_cytoplasm_ratio")
    assert not found["evaluable"] and "median" in found["reason"]


def test_the_order_of_the_slides_changes_nothing():
    rows = fields([cd8(10, 0.5), headline(3, 30)], [cd8(30, 1.5)], [cd8(2, 2.0), headline(9, 40)])
    pd.testing.assert_frame_equal(specimen_table(rows), specimen_table(rows[::-1]))


def test_no_slides():
    assert tuple(specimen_table([]).columns) == SPECIMENS_COLUMNS


def reasons(cells, areas, params, density=DensityParams()):
    table = summarise(cells, pairs_of(cells), areas, params, density=density)
    unmarked = ["combined_positive_score", "membrane_to_cytoplasm_ratio"]
    table = table[~table["metric"].isin([*unmarked, "sox10_cd8_conflict_count", "s100_only_count"])]
    return set(table[~table["evaluable"].astype(bool)]["reason"])


def test_the_words_for_too_little_are_those_that_slides_use():
    full, areas = field(n=800), block_areas()
    few = reasons(full, areas, SummaryParams(min_cells=9999, min_tumour_cells=99999))
    assert few and all(map(only_short, few))
    assert least_cells(few) == 99999
    assert least_cells(reason for reason in few if "tumour" not in reason) == 9999
    small = reasons(full, areas, SummaryParams(), DensityParams(min_area_mm2=9.0))
    assert small and least_area_mm2(small) == 9.0
    assert all(only_short(reason) for reason in small)
    bare = field(n=800, shares=(0.7, 0.0, 0.3), negative=1.0)
    blind = reasons(bare, areas, SummaryParams(min_cells=1, min_tumour_cells=1))
    assert blind and all(only_short(reason) and unproven(reason) for reason in blind)
    lacking = summarise(full, pairs_of(full), areas, missing={"cd8": "the panel lacks CD8"})
    lacking = lacking[lacking["metric"] == "cd8_density"]
    assert not any(only_short(reason) for reason in lacking["reason"])
