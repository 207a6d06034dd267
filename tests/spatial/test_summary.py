import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunescape.cells import CellTable
from immunescape.results import METRICS, REGION_NAMES, SUMMARY_COLUMNS
from immunescape.spatial import DensityParams, SummaryParams, add_contact_columns, summarise
from tests.spatial.recount import MEMBERS, areas, contacts, random_slide, table

ANY = SummaryParams(min_cells=1, min_tumour_cells=1, min_control_cells=0, min_stain_cells=0)
TOUCHING = "pdl1_negative_fraction_touching_cd8"
APART = "pdl1_negative_fraction_not_touching_cd8"
SHARE = "touching_cd8_fraction"
ODDS = "pdl1_induction_log_odds_ratio"
RATIO = "cd8_margin_to_centre_ratio"


def at(summary, metric, phenotype="tumour", region="tissue", neighbourhood="contact"):
    mine = summary[
        (summary["metric"] == metric)
        & (summary["phenotype"] == phenotype)
        & (summary["region"] == region)
        & (summary["neighbourhood"] == neighbourhood)
    ]
    assert len(mine) == 1
    return mine.iloc[0]


def drawn(touching=(3, 1), apart=(2, 4), other=(2, 2)):
    """Tumour cells, (positive, negative), each touching one CD8 cell of its own or none.

    Other cells all touch CD8; everything is in the inner margin except one CD8 cell in the centre.
    """
    rows, pairs = [("cd8_t", "-", "centre")], []
    for phenotype, counts, touches in (
        ("tumour", touching, True),
        ("tumour", apart, False),
        ("other", other, True),
    ):
        for status, count in zip("+-", counts, strict=True):
            for _ in range(count):
                rows.append((phenotype, status, "inner_margin"))
                if touches:
                    rows.append(("cd8_t", "-", "inner_margin"))
                    pairs.append((len(rows) - 1, len(rows)))
    return table(rows), contacts(*pairs)


def test_headline_by_hand():
    summary = summarise(*drawn(), areas(), ANY, statistic="membrane_mean")
    assert tuple(summary.columns) == SUMMARY_COLUMNS
    for region in ("tissue", "tumour", "margin", "inner_margin"):
        row = at(summary, TOUCHING, region=region)
        assert (row["value"], row["numerator"], row["denominator"]) == (0.25, 1, 4)
        expected = stats.binomtest(1, 4).proportion_ci(method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((expected.low, expected.high))
        assert (row["unit"], row["ci_method"], row["statistic"]) == ("1", "wilson", "membrane_mean")
        assert (row["evaluable"], row["reason"]) == (True, "")
    assert at(summary, APART)["value"] == pytest.approx(4 / 6)
    assert at(summary, TOUCHING, "other")["value"] == 0.5
    assert at(summary, SHARE)["value"] == 0.4
    assert at(summary, SHARE, "other")["value"] == 1
    odds = at(summary, ODDS)
    assert odds["value"] == pytest.approx(math.log(3.5 * 4.5 / (1.5 * 2.5)))
    assert (odds["numerator"], odds["denominator"]) == (4, 6)
    assert (odds["unit"], odds["ci_method"], odds["evaluable"]) == ("log_odds", "woolf", True)
    assert math.isnan(odds["p_value"])
    assert odds["reason"].startswith("no p value: no cell here touches")
    assert not at(summary, ODDS, "other")["evaluable"]


def test_every_metric_in_order():
    summary = summarise(*drawn(), areas(), ANY)
    assert tuple(dict.fromkeys(summary["metric"])) == METRICS
    sizes = summary.groupby("metric").size()
    assert (sizes[[TOUCHING, APART, SHARE, ODDS]] == 2 * 7 * 5).all()
    assert sizes["cd8_density"] == sizes["area"] == 7
    assert sizes["cell_count"] == 35
    assert sizes[RATIO] == 1
    assert not summary.duplicated(list(SUMMARY_COLUMNS[:5])).any()
    assert (summary["margin_width_um"] == 50).all()
    assert (summary["tumour_source"] == "drawn").all()
    assert (summary["reviewed_by"] == "").all()
    gone = summary[~summary["evaluable"]]
    assert gone[["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert (gone["reason"] != "").all()
    assert (gone["ci_method"] == "").all()


def test_few_cells_keep_their_counts():
    summary = summarise(*drawn((15, 4), (10, 10)), areas(), SummaryParams(min_control_cells=0))
    row = at(summary, TOUCHING)
    assert (row["evaluable"], row["numerator"], row["denominator"]) == (False, 4, 19)
    assert row["reason"] == "19 cells, 20 needed"
    assert at(summary, APART)["evaluable"]
    odds = at(summary, ODDS)
    assert odds["reason"] == "19 cells near CD8 and 20 not, 20 of each needed"
    assert (odds["numerator"], odds["denominator"]) == (19, 20)


def test_cells_without_a_value_leave_the_denominator_and_are_told():
    cells, pairs = drawn()
    positive = cells["pdl1_positive"].copy()
    positive.iloc[1] = pd.NA  # a positive tumour cell that touches CD8
    summary = summarise(cells.with_columns({"pdl1_positive": positive}), pairs, areas(), ANY)
    row = at(summary, TOUCHING)
    assert (row["numerator"], row["denominator"]) == (1, 3)
    assert row["reason"] == "1 cells without a PD-L1 value left out"
    assert at(summary, SHARE)["denominator"] == 10


def test_centroid_radii_take_their_ends_in():
    cells = table([("tumour", "-", "centre")] * 5 + [("cd8_t", "-", "centre")])
    cells = cells.with_columns({"x_um": [10.0, 15.0, 20.0, 30.0, 30.01, 0.0]})
    summary = summarise(cells, contacts((5, 6)), areas(), ANY)
    near = {
        n: at(summary, SHARE, neighbourhood=n)["numerator"]
        for n in ("contact", "r10", "r15", "r20", "r30")
    }
    assert near == {"contact": 1, "r10": 1, "r15": 2, "r20": 3, "r30": 4}


def test_cd8_density_and_ratio():
    cells, pairs = drawn()  # 1 CD8 in the centre, 8 in the inner margin
    summary = summarise(cells, pairs, areas(), ANY)
    row = at(summary, "cd8_density", "cd8_t", "margin", "")
    assert (row["numerator"], row["denominator"]) == (8, pytest.approx(0.5))
    assert (row["value"], row["unit"]) == (pytest.approx(16), "per_mm2")
    ratio = at(summary, RATIO, "cd8_t", "tissue", "")
    assert ratio["value"] == pytest.approx((8 / 0.5) / (1 / 0.5))
    p = stats.binomtest(8, 9).proportion_ci(method="exact")
    expected = [p.low / (1 - p.low), p.high / (1 - p.high)]
    assert [ratio["ci_low"], ratio["ci_high"]] == pytest.approx(expected)
    assert ratio["ci_method"] == "exact_conditional"


def test_ratio_with_an_empty_centre_is_infinite_and_without_cd8_not_evaluable():
    cells = table([("cd8_t", "-", "inner_margin")] * 5)
    ratio = at(summarise(cells, contacts(), areas(), ANY), RATIO, "cd8_t", "tissue", "")
    assert ratio["value"] == ratio["ci_high"] == math.inf
    assert 0 < ratio["ci_low"] < math.inf
    assert ratio["reason"].startswith("no CD8 T cell in the centre; the exact interval")
    none = table([("tumour", "-", "centre")])
    ratio = at(summarise(none, contacts(), areas(), ANY), RATIO, "cd8_t", "tissue", "")
    assert (ratio["evaluable"], ratio["numerator"], ratio["denominator"]) == (False, 0, 0)


def test_regions_that_cannot_be_judged():
    slide = areas(four={"centre": 0.01}, not_evaluable={"outer_margin": "lymph node"})
    summary = summarise(*drawn(), slide, ANY)
    small = "area of 0.01 mm² is under 0.02 mm²"
    assert at(summary, "cd8_density", "cd8_t", "centre", "")["reason"] == small
    assert at(summary, RATIO, "cd8_t", "tissue", "")["reason"] == f"centre: {small}"
    assert at(summary, "cd8_density", "cd8_t", "outer_margin", "")["reason"] == "lymph node"
    assert at(summary, "cell_count", "any", "centre", "")["value"] == 1
    lost = at(summary, "cell_count", "any", "outer_margin", "")
    assert (lost["evaluable"], lost["numerator"]) == (False, 0)
    assert at(summary, "area", "any", "outer_margin", "")["numerator"] == pytest.approx(0.3)
    wider = summarise(*drawn(), slide, ANY, density=DensityParams(min_area_mm2=0))
    assert at(wider, "cd8_density", "cd8_t", "centre", "")["evaluable"]


def test_a_headline_without_a_control_is_not_evaluable():
    cells, pairs = drawn((12, 13), (20, 15), (10, 10))  # 46 CD8 T cells, 10 other cells positive
    summary = summarise(cells, pairs, areas())
    row = at(summary, TOUCHING)
    assert (row["evaluable"], row["numerator"], row["denominator"]) == (False, 13, 25)
    assert row["reason"] == (
        "stain failure cannot be told from biology: 10 PD-L1-positive cells other than tumour and "
        "46 CD8 T cells on the slide, 20 of each needed"
    )
    for metric in (APART, ODDS):
        assert "stain failure" in at(summary, metric)["reason"]
    assert at(summary, SHARE)["evaluable"]
    assert at(summarise(cells, pairs, areas(), control_slide=True), TOUCHING)["evaluable"]
    assert at(summarise(*drawn((12, 13), (20, 15), (20, 2)), areas()), TOUCHING)["evaluable"]


def test_excluded_cells_are_no_control():
    cells, pairs = drawn((12, 13), (20, 15), (20, 2))
    folded = cells["region"].where(cells["phenotype"] != "other", "excluded")
    row = at(summarise(cells.with_columns({"region": folded}), pairs, areas()), TOUCHING)
    assert "0 PD-L1-positive cells other than tumour" in row["reason"]


@pytest.mark.parametrize(
    ("missing", "named", "lost", "kept"),
    [
        (
            {"cd8": "absent"},
            "CD8",
            {TOUCHING, APART, SHARE, ODDS, "cd8_density", RATIO},
            {"tumour_proportion_score", "area"},
        ),
        (
            {"pdl1": "absent"},
            "PD-L1",
            {TOUCHING, APART, ODDS, "tumour_proportion_score", "pdl1_all_cells_score"},
            {SHARE, "cd8_density", RATIO},
        ),
        (
            {"s100": "absent", "sox10": "absent"},
            "SOX10",
            {TOUCHING, APART, SHARE, ODDS, "tumour_proportion_score"},
            {"cd8_density", RATIO},
        ),
        ({"s100": "absent"}, "", set(), {TOUCHING, APART, SHARE, "tumour_proportion_score"}),
    ],
)
def test_missing_markers_name_themselves(missing, named, lost, kept):
    summary = summarise(*drawn(), areas(), ANY, missing=missing)
    for metric, rows in summary.groupby("metric"):
        if metric in lost:
            assert not rows["evaluable"].any()
            assert rows["value"].isna().all()
            assert rows["reason"].str.contains(named).all()
            assert not rows["reason"].str.contains("stain failure").any()
        if metric in kept:
            assert rows["evaluable"].any()
    assert lost | kept <= set(METRICS)


def test_unconfirmed_gates_are_marked_where_they_matter():
    summary = summarise(*drawn(), areas(), ANY, unconfirmed_gates=("pdl1@tumour", "cd8"))
    assert at(summary, TOUCHING)["reason"] == "automatic gate not confirmed: pdl1@tumour, cd8"
    assert at(summary, SHARE)["reason"] == "automatic gate not confirmed: cd8"
    ratio = at(summary, RATIO, "cd8_t", "tissue", "")
    assert ratio["reason"].endswith("; automatic gate not confirmed: cd8")
    assert at(summary, "tumour_proportion_score", neighbourhood="")["evaluable"]
    assert "pdl1@tumour" in at(summary, "tumour_proportion_score", neighbourhood="")["reason"]
    assert at(summary, "area", "any", "tissue", "")["reason"] == ""


def test_edge_censored_cells_stay_and_are_told():
    cells, pairs = drawn()
    edge = np.zeros(len(cells), bool)
    edge[1] = True
    summary = summarise(cells.with_columns({"edge_censored": edge}), pairs, areas(), ANY)
    told = "1 of 4 cells are nearer to the frame than to the interface"
    assert at(summary, TOUCHING)["reason"] == told
    assert at(summary, TOUCHING)["denominator"] == 4


def test_scores():
    cells, pairs = drawn((3, 1), (2, 4), (2, 2))  # 12 CD8 T negative + 1
    params = SummaryParams(min_cells=1, min_tumour_cells=10, min_control_cells=0)
    summary = summarise(cells, pairs, areas(), params)
    tps = at(summary, "tumour_proportion_score", neighbourhood="")
    assert (tps["value"], tps["numerator"], tps["denominator"]) == (50, 5, 10)
    expected = stats.binomtest(5, 10).proportion_ci(method="wilson")
    assert (tps["ci_low"], tps["ci_high"]) == pytest.approx(
        (100 * expected.low, 100 * expected.high)
    )
    everything = at(summary, "pdl1_all_cells_score", "any", neighbourhood="")
    assert (everything["value"], everything["numerator"]) == (70, 7)
    assert everything["reason"] == "not CPS"
    combined = at(summary, "combined_positive_score", "any", neighbourhood="")
    assert not combined["evaluable"]
    assert combined["reason"] == "the panel does not mark macrophages and lymphocytes"
    eleven = SummaryParams(min_cells=1, min_tumour_cells=11, min_control_cells=0)
    few = at(summarise(cells, pairs, areas(), eleven), "tumour_proportion_score", neighbourhood="")
    assert (few["evaluable"], few["reason"]) == (False, "10 tumour cells, 11 needed")


def test_combined_score_needs_both_marks_and_is_capped():
    rows = [("tumour", "-", "centre")] * 2 + [("other", "+", "centre")] * 4
    cells = table(rows).with_columns({"cd68_positive": [False] * 3 + [True, False, False]})
    combined = "combined_positive_score"
    one = at(summarise(cells, contacts(), areas(), ANY), combined, "any", neighbourhood="")
    assert one["reason"] == "the panel does not mark lymphocytes"
    both = cells.with_columns({"cd3_positive": [False] * 5 + [True]})
    row = at(summarise(both, contacts(), areas(), ANY), combined, "any", neighbourhood="")
    assert (row["value"], row["numerator"], row["denominator"]) == (100, 2, 2)
    summary = summarise(both, contacts(), areas(), ANY)
    everything = at(summary, "pdl1_all_cells_score", "any", neighbourhood="")
    assert (everything["value"], everything["numerator"]) == (100, 4)
    assert everything["reason"] == "not CPS; capped at 100"


def test_a_mark_without_a_single_call_marks_nothing():
    rows = [("tumour", "-", "centre")] * 2 + [("other", "+", "centre")] * 2
    cells = table(rows).with_columns(
        {
            "cd68_positive": pd.array([pd.NA] * 4, dtype="boolean"),
            "cd3_positive": pd.array([False, False, True, True], dtype="boolean"),
        }
    )
    summary = summarise(cells, contacts(), areas(), ANY)
    row = at(summary, "combined_positive_score", "any", neighbourhood="")
    assert not row["evaluable"] and math.isnan(row["value"])
    assert row["reason"] == "no cell has a call for macrophages"


def test_no_cells():
    empty = CellTable(drawn()[0].frame.iloc[:0])
    summary = summarise(empty, contacts(), areas())
    assert set(summary.loc[summary["evaluable"], "metric"]) == {"cell_count", "area"}
    vouched = summarise(empty, contacts(), areas(), control_slide=True)
    assert set(vouched.loc[vouched["evaluable"], "metric"]) == {"cd8_density", "cell_count", "area"}


def test_headline_equals_a_recount():
    cells, pairs = random_slide(11, n=400)
    summary = summarise(cells, pairs, areas(), ANY)
    near = add_contact_columns(cells, pairs).frame
    seen = 0
    for row in summary[summary["metric"].isin([TOUCHING, APART, SHARE])].to_dict("records"):
        counts = [0, 0]
        for cell in near.to_dict("records"):
            if cell["phenotype"] != row["phenotype"]:
                continue
            if cell["region"] not in MEMBERS[row["region"]]:
                continue
            if row["neighbourhood"] == "contact":
                touches = bool(cell["touching_cd8"])
            else:
                touches = cell["distance_to_cd8_um"] <= float(row["neighbourhood"][1:])
            if row["metric"] == SHARE:
                counts[0] += touches
                counts[1] += 1
            elif touches == (row["metric"] == TOUCHING) and not pd.isna(cell["pdl1_positive"]):
                counts[0] += not cell["pdl1_positive"]
                counts[1] += 1
        assert (row["numerator"], row["denominator"]) == tuple(counts)
        seen += counts[1]
    assert seen > 1000


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_order_labels_and_stale_columns_change_nothing(seed):
    cells, pairs = random_slide(seed, n=50)
    expected = summarise(cells, pairs, areas(), ANY)
    new = dict(zip(cells.labels.tolist(), range(1, 51), strict=True))
    other = cells.frame.rename(index=new).sample(frac=1, random_state=1)
    other = CellTable(other.assign(touching_cd8=True, distance_to_cd8_um=0.0))
    renamed = pairs.assign(label_a=pairs["label_a"].map(new), label_b=pairs["label_b"].map(new))
    pd.testing.assert_frame_equal(summarise(other, renamed, areas(), ANY), expected)


def test_doubling_the_area_halves_the_density_and_leaves_the_ratio():
    cells, pairs = random_slide(2)
    once, twice = summarise(cells, pairs, areas(), ANY), summarise(cells, pairs, areas(2), ANY)
    for region in REGION_NAMES:
        key = ("cd8_density", "cd8_t", region, "")
        assert at(twice, *key)["value"] == pytest.approx(at(once, *key)["value"] / 2)
    key = (RATIO, "cd8_t", "tissue", "")
    for column in ("value", "ci_low", "ci_high"):
        assert at(twice, *key)[column] == pytest.approx(at(once, *key)[column])
