import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunescape.cells import CellTable
from immunescape.results import BANDS_COLUMNS, REGION_NAMES, REGIONS_COLUMNS
from immunescape.spatial import DensityParams, band_table, region_table
from tests.spatial.recount import MEMBERS, areas, is_kind, random_slide, table

KEY = ["region", "phenotype", "pdl1"]


def drawn():
    return table(
        [
            ("tumour", "+", "centre"),
            ("tumour", "-", "centre"),
            ("tumour", "-", "inner_margin"),
            ("tumour", "?", "inner_margin"),
            ("cd8_t", "-", "outer_margin"),
            ("cd8_t", "-", "stroma"),
            ("other", "+", "stroma"),
            ("unknown", "?", "stroma"),
            ("cd8_t", "+", "excluded"),
        ]
    )


def at(frame, region, phenotype, pdl1="any"):
    return frame.set_index(KEY).loc[(region, phenotype, pdl1)]


def test_every_region_phenotype_and_status_once_in_order():
    result = region_table(drawn(), areas())
    assert tuple(result.columns) == REGIONS_COLUMNS
    assert len(result) == 7 * 5 * 3
    assert not result.duplicated(KEY).any()
    assert list(dict.fromkeys(result["region"])) == list(REGION_NAMES)
    assert result["count"].dtype == "Int64"


@pytest.mark.parametrize(
    ("region", "phenotype", "pdl1", "count"),
    [
        ("centre", "tumour", "any", 2),
        ("centre", "tumour", "positive", 1),
        ("inner_margin", "tumour", "any", 2),
        ("inner_margin", "tumour", "negative", 1),
        ("inner_margin", "tumour", "positive", 0),
        ("tumour", "tumour", "any", 4),
        ("tumour", "tumour", "negative", 2),
        ("margin", "any", "any", 3),
        ("margin", "cd8_t", "any", 1),
        ("stroma", "any", "any", 3),
        ("tissue", "cd8_t", "any", 2),
        ("tissue", "cd8_t", "positive", 0),
        ("tissue", "any", "any", 8),
        ("tissue", "any", "positive", 2),
        ("tissue", "any", "negative", 4),
    ],
)
def test_counts_of_the_drawn_slide(region, phenotype, pdl1, count):
    assert at(region_table(drawn(), areas()), region, phenotype, pdl1)["count"] == count


def test_density_and_its_interval():
    row = at(region_table(drawn(), areas()), "tumour", "tumour")
    assert row["area_mm2"] == pytest.approx(0.7)
    assert row["density_per_mm2"] == pytest.approx(4 / 0.7)
    low, high = stats.chi2.ppf([0.025, 0.975], [8, 10]) / 2 / 0.7
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
    assert row["ci_method"] == "garwood"
    assert row["evaluable"]


def test_a_small_region_keeps_its_counts_and_gives_no_density():
    result = region_table(drawn(), areas(four={"inner_margin": 0.0199}))
    row = at(result, "inner_margin", "tumour")
    assert (row["count"], row["evaluable"], row["ci_method"]) == (2, False, "")
    assert np.isnan([row["density_per_mm2"], row["ci_low"], row["ci_high"]]).all()
    assert row["reason"] == "area of 0.0199 mm² is under 0.02 mm²"
    assert at(result, "margin", "tumour")["evaluable"]
    less = DensityParams(min_area_mm2=0.01)
    result = region_table(drawn(), areas(four={"inner_margin": 0.0199}), less)
    assert at(result, "inner_margin", "tumour")["evaluable"]


def test_a_region_without_area_is_not_evaluable_even_if_no_area_is_asked_for():
    row = at(
        region_table(drawn(), areas(four={"stroma": 0.0}), DensityParams(min_area_mm2=0)),
        "stroma",
        "cd8_t",
    )
    assert not row["evaluable"]
    assert np.isnan(row["density_per_mm2"])


def test_a_region_that_cannot_be_judged_says_why():
    result = region_table(drawn(), areas(not_evaluable={"centre": "the tumour has no interface"}))
    row = at(result, "centre", "tumour")
    assert (row["count"], row["evaluable"]) == (2, False)
    assert row["reason"] == "the tumour has no interface"
    assert at(result, "tumour", "tumour")["evaluable"]


def test_missing_pdl1_is_missing_not_zero():
    cells = CellTable(drawn().frame.drop(columns="pdl1_positive"))
    for result in (
        region_table(cells, areas()),
        region_table(drawn(), areas(), missing={"pdl1": "the panel has no PD-L1"}),
    ):
        status = result[result["pdl1"] != "any"]
        assert status["count"].isna().all()
        assert not status["evaluable"].any()
        assert status["reason"].str.contains("PD-L1").all()
        assert at(result, "tissue", "any")["count"] == 8
        assert at(result, "tissue", "any")["evaluable"]


def test_pdl1_that_one_phenotype_lacks_is_missing_for_that_one_alone():
    cells = drawn().with_columns(
        {"pdl1_positive": drawn()["pdl1_positive"].where(drawn()["phenotype"] != "other")}
    )
    result = region_table(cells, areas())
    assert at(result, "tissue", "other", "positive")["count"] is pd.NA
    assert "other" in at(result, "tissue", "other", "positive")["reason"]
    assert at(result, "tissue", "tumour", "positive")["count"] == 1


def test_missing_cd8_leaves_other_cells_in_doubt():
    result = region_table(drawn(), areas(), missing={"cd8": "no channel shows it"})
    assert at(result, "tissue", "cd8_t")["count"] is pd.NA
    assert at(result, "tissue", "cd8_t")["reason"] == "CD8: no channel shows it"
    other = at(result, "tissue", "other")
    assert (other["count"], other["evaluable"]) == (1, False)
    assert at(result, "tissue", "tumour")["evaluable"]


def test_one_tumour_marker_is_enough():
    result = region_table(drawn(), areas(), missing={"sox10": "absent"})
    assert at(result, "tissue", "tumour")["evaluable"]
    result = region_table(drawn(), areas(), missing={"sox10": "absent", "s100": "absent"})
    row = at(result, "tissue", "tumour")
    assert row["count"] is pd.NA
    assert row["reason"] == "S100: absent; SOX10: absent"


def test_edge_censored_cells_stay_in_regions_and_are_counted_in_the_note():
    edge = np.zeros(9, bool)
    edge[[2, 8]] = True
    result = region_table(drawn().with_columns({"edge_censored": edge}), areas())
    row = at(result, "inner_margin", "tumour")
    assert row["count"] == 2
    assert row["reason"] == "1 of 2 cells are nearer to the frame than to the interface"
    assert at(result, "centre", "tumour")["reason"] == ""


def test_no_cells():
    empty = CellTable(drawn().frame.iloc[:0])
    result = region_table(empty, areas())
    assert (result["count"] == 0).all()
    assert (result["density_per_mm2"] == 0).all()
    assert (band_table(empty, areas())["count"] == 0).all()


@pytest.mark.parametrize("column", ["phenotype", "region"])
def test_an_unknown_name_is_refused(column):
    cells = drawn().with_columns({column: "lamp"})
    with pytest.raises(ValueError, match=f"{column} 'lamp'"):
        region_table(cells, areas())


def test_region_table_equals_a_recount():
    cells, _ = random_slide(3)
    rows = cells.frame.to_dict("records")
    for row in region_table(cells, areas()).to_dict("records"):
        count = sum(
            r["region"] in MEMBERS[row["region"]] and is_kind(r, row["phenotype"], row["pdl1"])
            for r in rows
        )
        assert row["count"] == count


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_sums_and_invariances(seed):
    cells, _ = random_slide(seed, n=60)
    result = region_table(cells, areas())
    counts = result.set_index(KEY)["count"].unstack("region")
    four = counts[["centre", "inner_margin", "outer_margin", "stroma"]]
    assert (counts["tissue"] == four.sum(axis=1)).all()
    assert (counts["margin"] == counts["inner_margin"] + counts["outer_margin"]).all()
    assert (counts["tumour"] == counts["inner_margin"] + counts["centre"]).all()
    phenotypes = counts["tissue"].unstack("phenotype")
    kinds = phenotypes[["tumour", "cd8_t", "other", "unknown"]]
    assert (phenotypes["any"] == kinds.sum(axis=1)).all()

    shuffled = CellTable(cells.frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(region_table(shuffled, areas()), result)
    double = region_table(cells, areas(2.0))
    for column in ("density_per_mm2", "ci_low", "ci_high"):
        np.testing.assert_allclose(double[column], result[column] / 2)


def test_bands_are_half_open_and_leave_out_what_their_area_leaves_out():
    cells = table([("cd8_t", "+", "centre")] * 8)
    cells = cells.with_columns(
        {
            "distance_to_margin_um": [-100.0, -75.0, -75.1, 0.0, 99.9, 100.0, 10.0, np.nan],
            "edge_censored": [False] * 6 + [True, False],
        }
    )
    result = band_table(cells, areas())
    assert tuple(result.columns) == BANDS_COLUMNS
    mine = result[(result["phenotype"] == "cd8_t") & (result["pdl1"] == "positive")]
    assert mine["from_um"].tolist() == list(np.arange(-100.0, 100.0, 25.0))
    assert mine["count"].tolist() == [2, 1, 0, 0, 1, 0, 0, 1]
    assert mine["density_per_mm2"].tolist() == pytest.approx([20, 10, 0, 0, 10, 0, 0, 10])
    excluded = cells.with_columns({"region": "excluded"})
    assert (band_table(excluded, areas())["count"] == 0).all()


def test_bands_equal_a_recount():
    cells, _ = random_slide(5)
    rows = [
        r
        for r in cells.frame.to_dict("records")
        if r["region"] != "excluded" and not r["edge_censored"]
    ]
    result = band_table(cells, areas())
    assert len(result) == 8 * 15
    for row in result.to_dict("records"):
        count = sum(
            row["from_um"] <= r["distance_to_margin_um"] < row["to_um"]
            and is_kind(r, row["phenotype"], row["pdl1"])
            for r in rows
        )
        assert row["count"] == count


def test_a_band_without_area_has_no_density():
    bands = areas().bands.assign(area_mm2=[0.0] + [0.1] * 7)
    result = band_table(table([("tumour", "+", "centre")]), areas(bands=bands))
    assert np.isnan(result["density_per_mm2"].iloc[0])
    assert result["ci_method"].iloc[0] == ""
    assert result["density_per_mm2"].iloc[1:8].notna().all()


def test_no_interface_no_bands():
    cells = CellTable(drawn().frame.drop(columns="distance_to_margin_um"))
    result = band_table(cells, areas(bands=areas().bands.iloc[:0]))
    assert len(result) == 0
    assert tuple(result.columns) == BANDS_COLUMNS


def test_bands_without_pdl1_or_cd8_are_missing():
    result = band_table(drawn(), areas(), missing={"pdl1": "absent", "cd8": "absent"})
    gone = (result["pdl1"] != "any") | (result["phenotype"] == "cd8_t")
    assert result.loc[gone, "count"].isna().all()
    assert result.loc[gone, "density_per_mm2"].isna().all()
    assert result.loc[~gone, "count"].notna().all()


def test_bands_give_no_density_of_cells_in_doubt():
    known = band_table(drawn(), areas())
    result = band_table(drawn(), areas(), missing={"cd8": "absent"})
    other = (result["phenotype"] == "other") & (result["pdl1"] == "any")
    assert result.loc[other, "count"].tolist() == known.loc[other, "count"].tolist()
    assert known.loc[other, "density_per_mm2"].notna().any()
    assert result.loc[other, "density_per_mm2"].isna().all()
    assert set(result.loc[other, "ci_method"]) == {""}
