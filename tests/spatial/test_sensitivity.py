import numpy as np
import pandas as pd
import pytest

from immunescape.results import SENSITIVITY_COLUMNS
from immunescape.spatial import (
    Alternative,
    SummaryParams,
    sensitivity_table,
    sensitivity_warnings,
    sox10_alone,
    sox10_alternative,
    summarise,
)
from tests.spatial.recount import areas, random_slide
from tests.spatial.test_summary import APART, ODDS, RATIO, SHARE, TOUCHING, at, drawn

ANY = SummaryParams(min_cells=1, min_tumour_cells=1, min_control_cells=0, min_stain_cells=0)
SCORE = "tumour_proportion_score"
SEVEN = (TOUCHING, APART, SHARE, ODDS, "cd8_density")


def judged(alternatives, slide=None, params=ANY, **options):
    cells, pairs = slide or drawn()
    main = summarise(cells, pairs, areas(), params, **options)
    return sensitivity_table(
        main, cells, pairs, areas(), params, alternatives=alternatives, **options
    )


def of(table, variant, metric=TOUCHING, region="tissue"):
    mine = table.set_index(["variant", "metric", "region"])
    return mine.loc[(variant, metric, region)]


def called(cells, **positive):
    """Cells with the PD-L1 calls of some labels turned round."""
    column = cells["pdl1_positive"].copy()
    for label, value in positive.items():
        column.loc[int(label[1:])] = value
    return cells.with_columns({"pdl1_positive": column})


def test_each_way_has_the_main_metrics_in_their_regions():
    cells, _pairs = drawn()
    table = judged([Alternative("statistic", "membrane_mean", cells, None)])
    assert tuple(table.columns) == SENSITIVITY_COLUMNS
    sizes = table.groupby("metric").size()
    assert sizes.to_dict() == {**dict.fromkeys(SEVEN, 7), RATIO: 1, SCORE: 1}
    assert set(table["kind"]) == {"statistic"}
    assert set(table["phenotype"]) == {"tumour", "cd8_t"}
    same = table[table["evaluable"]]
    assert (same["value"] == same["main_value"]).all()
    assert (same["difference"].abs() < 1e-12).all()
    assert len(judged([])) == 0
    assert tuple(judged([]).columns) == SENSITIVITY_COLUMNS


def test_values_are_those_of_a_summary_of_the_slide_so_judged():
    cells, pairs = random_slide(4, n=400)
    other, other_pairs = random_slide(9, n=300)
    smaller = areas(0.5)
    table = judged(
        [
            Alternative("growth", "2", other, other_pairs),
            Alternative("bandwidth", "15", None, None, areas=smaller),
            Alternative("quality", "without", None, None, missing={"pdl1": "left out"}),
        ],
        slide=(cells, pairs),
    )
    wanted = {
        "2": summarise(other, other_pairs, areas(), ANY),
        "15": summarise(cells, pairs, smaller, ANY),
        "without": summarise(cells, pairs, areas(), ANY, missing={"pdl1": "left out"}),
    }
    main = summarise(cells, pairs, areas(), ANY)
    for row in table.to_dict("records"):
        summary = wanted[row["variant"]]
        near = "contact" if row["metric"] in (TOUCHING, APART, SHARE, ODDS) else ""
        key = (row["metric"], row["phenotype"], row["region"], near)
        expected = at(summary, *key)
        for column in ("value", "numerator", "denominator", "evaluable"):
            np.testing.assert_equal(row[column], expected[column])
        if not row["evaluable"]:
            assert row["reason"] == expected["reason"]
        np.testing.assert_equal(row["main_value"], at(main, *key)["value"])
        np.testing.assert_allclose(row["difference"], row["value"] - row["main_value"])
    assert table["evaluable"].mean() > 0.5


def test_labels_of_its_own_need_contacts_of_its_own():
    cells, pairs = drawn()
    other = cells.frame.set_axis(cells.frame.index + 100)
    moved = pairs.assign(label_a=pairs["label_a"] + 100, label_b=pairs["label_b"] + 100)
    table = judged([Alternative("growth", "5", type(cells)(other), moved)])
    assert of(table, "5")["difference"] == 0
    with pytest.raises(ValueError, match="not in the table"):
        judged([Alternative("growth", "5", type(cells)(other), None)])


def test_the_gate_ends_stand_in_the_summary():
    cells, pairs = drawn()  # tumour cells touching CD8 have labels 2, 4, 6 positive, 8 negative
    touching = [2, 4, 6, 8]
    assert cells["phenotype"].loc[touching].eq("tumour").all()
    low, high = called(cells, n8=True), called(cells, n2=False, n4=False)
    cd8_high = cells.with_columns(
        {"phenotype": cells["phenotype"].mask(cells.frame.index == 3, "other")}
    )
    summary = summarise(
        cells, pairs, areas(), ANY,
        alternatives=[
            Alternative("gate", "pdl1_low", low, None),
            Alternative("gate", "pdl1_high", high, None),
            Alternative("gate", "cd8_high", cd8_high, None),
            Alternative("statistic", "membrane_mean", high, None),
        ],
    )  # fmt: skip
    row = at(summary, TOUCHING)
    assert (row["gate_low_value"], row["value"], row["gate_high_value"]) == (0, 0.25, 0.75)
    score = at(summary, SCORE, neighbourhood="")
    assert (score["gate_low_value"], score["value"], score["gate_high_value"]) == (60, 50, 30)
    share = at(summary, SHARE)
    assert np.isnan(share["gate_low_value"])
    assert (share["value"], share["gate_high_value"]) == (0.4, 0.3)
    density = at(summary, "cd8_density", "cd8_t", "tissue", "")
    assert density["gate_high_value"] == pytest.approx(density["value"] * 8 / 9)
    assert at(summary, TOUCHING, "other").notna()["gate_high_value"]
    for near in ("r10", "r30"):
        assert np.isnan(at(summary, TOUCHING, neighbourhood=near)["gate_low_value"])
    assert (
        at(summary, "area", "any", "tissue", "")[["gate_low_value", "gate_high_value"]].isna().all()
    )


def test_a_spread_of_the_headline_by_the_reading_of_the_membrane_warns():
    cells, pairs = drawn((50, 50), (10, 10))
    first = cells.frame[(cells["phenotype"] == "tumour") & cells["pdl1_positive"].astype(bool)]

    def fewer(n):
        return called(cells, **{f"n{label}": False for label in first.index[:n]})

    near = [
        Alternative("statistic", "a", fewer(4), None),
        Alternative("statistic", "b", fewer(10), None),
    ]
    assert sensitivity_warnings(judged(near, (cells, pairs))) == ()
    far = [*near, Alternative("statistic", "c", fewer(11), None)]
    assert sensitivity_warnings(judged(far, (cells, pairs))) == (
        "the headline depends on how the membrane is read: 50.0 % (as reported) to 61.0 % (c), "
        "all analysed tissue",
    )


def test_readings_on_both_sides_of_the_main_one_are_spread_though_each_is_near():
    cells, pairs = drawn((50, 50), (10, 10))
    frame = cells.frame[cells["phenotype"] == "tumour"]
    positive = frame.index[frame["pdl1_positive"].astype(bool)]
    negative = frame.index[~frame["pdl1_positive"].astype(bool)]
    low = called(cells, **{f"n{label}": True for label in negative[:6]})
    high = called(cells, **{f"n{label}": False for label in positive[:6]})
    table = judged(
        [Alternative("statistic", "low", low, None), Alternative("statistic", "high", high, None)],
        (cells, pairs),
    )
    (line,) = sensitivity_warnings(table)
    assert "44.0 % (low) to 56.0 % (high)" in line


@pytest.mark.parametrize(
    "kind", ["gate", "growth", "phenotype", "bandwidth", "quality", "pedestal"]
)
def test_any_other_way_that_moves_the_headline_by_over_ten_points_warns(kind):
    cells, pairs = drawn((50, 50), (10, 10))
    first = cells.frame[(cells["phenotype"] == "tumour") & cells["pdl1_positive"].astype(bool)]

    def moved(n):
        other = called(cells, **{f"n{label}": False for label in first.index[:n]})
        return sensitivity_warnings(judged([Alternative(kind, "v", other, None)], (cells, pairs)))

    assert moved(10) == ()
    assert moved(11) == (f"with {kind} v the headline is 61.0 %, not 50.0 %",)


def test_a_way_under_which_the_headline_is_lost_warns():
    lost = Alternative("quality", "without_folds", None, None, missing={"cd8": "it is all folds"})
    assert sensitivity_warnings(judged([lost])) == (
        "with quality without_folds the headline of 25.0 % is not evaluable: CD8: it is all folds",
    )
    nothing = judged([lost], missing={"cd8": "no such channel"})
    assert sensitivity_warnings(nothing) == ()


def with_sox10(calls):
    cells, pairs = drawn()
    sox10 = pd.array([pd.NA] * len(cells), dtype="boolean")
    sox10[:] = False
    for label, call in calls.items():
        sox10[label - 1] = call
    return cells.with_columns({"sox10_positive": sox10}), pairs


def test_sox10_alone():
    cells, pairs = with_sox10({2: True, 4: True, 6: pd.NA, 8: True, 1: pd.NA})
    new = sox10_alone(cells)["phenotype"]
    assert new.loc[[2, 4, 8]].eq("tumour").all()
    assert new.loc[6] == "unknown"
    assert new.loc[1] == "cd8_t"
    before = cells["phenotype"]
    rest = before[(before == "tumour") & ~before.index.isin([2, 4, 6, 8])].index
    assert new.loc[rest].eq("other").all()
    row = of(judged([sox10_alternative(cells)], (cells, pairs)), "sox10_alone")
    assert (row["numerator"], row["denominator"]) == (1, 3)
    assert row["main_value"] == 0.25


def test_sox10_alone_where_the_panel_lacks_it():
    cells, _pairs = drawn()
    with pytest.raises(ValueError, match="sox10_positive"):
        sox10_alone(cells)
    table = judged([sox10_alternative(cells)])
    assert not table["evaluable"].any()
    assert table[["value", "numerator", "denominator"]].isna().all(axis=None)
    assert set(table["reason"]) == {"SOX10 was not called alone"}
    missing = {"sox10": "the panel lacks SOX10"}
    assert sox10_alternative(cells, missing).reason == "the panel lacks SOX10"
