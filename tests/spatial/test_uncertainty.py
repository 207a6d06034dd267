import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.results import REGION_NAMES
from immunescape.spatial import (
    SummaryParams,
    add_contact_columns,
    band_table,
    region_table,
    summarise,
)
from tests.spatial.fields import BLOCKS, block_areas, field, pairs_of
from tests.spatial.recount import MEMBERS
from tests.spatial.test_summary import APART, ODDS, RATIO, SHARE, TOUCHING, at

ANY = SummaryParams(min_cells=1, min_tumour_cells=1, min_control_cells=0, min_stain_cells=0)
MANY = [r for r, parts in MEMBERS.items() if sum(BLOCKS[p] for p in parts) >= 20]
FEW = [r for r in REGION_NAMES if r not in MANY]


def of(table, region, phenotype="cd8_t", pdl1="any"):
    return table.set_index(["region", "phenotype", "pdl1"]).loc[(region, phenotype, pdl1)]


def test_blocks_are_resampled_where_twenty_hold_tissue():
    table = region_table(field(), block_areas())
    assert set(table.loc[table["region"].isin(MANY), "ci_method"]) == {"block_bootstrap", "garwood"}
    assert set(table.loc[table["region"].isin(FEW), "ci_method"]) == {"garwood"}
    assert FEW == ["inner_margin", "outer_margin"]
    resampled = table[(table["ci_method"] == "block_bootstrap") & (table["count"] > 0)]
    assert len(resampled) > 40
    assert (resampled["ci_low"] < resampled["density_per_mm2"]).all()
    assert (resampled["ci_high"] > resampled["density_per_mm2"]).all()


def test_nothing_counted_has_the_plain_interval():
    row = of(region_table(field(), block_areas()), "tissue", "unknown")
    assert (row["count"], row["ci_method"]) == (0, "garwood")
    assert row["ci_high"] == pytest.approx(stats.chi2.ppf(0.975, 2) / 2 / 1.0)


def test_cells_that_come_in_fives_widen_the_interval_by_the_root_of_five():
    """The variance of a sum of n cells in groups of five is 5 n, not n."""
    widths = []
    for seed in range(6):
        row = of(region_table(field(seed, 800, copies=5), block_areas()), "tissue", "any")
        low, high = stats.chi2.ppf([0.025, 0.975], [8000, 8002]) / 2
        widths.append((row["ci_high"] - row["ci_low"]) / (high - low))
    assert np.mean(widths) == pytest.approx(np.sqrt(5), rel=0.2)


def test_fractions_of_cells_in_fives_widen_alike():
    widths = []
    for seed in range(6):
        cells = field(seed, 800, copies=5)
        summary = summarise(cells, pairs_of(cells).iloc[:0], block_areas(), ANY)
        row = at(summary, APART)
        assert row["ci_method"] == "block_bootstrap"
        k, n = int(row["numerator"]), int(row["denominator"])
        plain = stats.binomtest(k, n).proportion_ci(method="wilson")
        widths.append((row["ci_high"] - row["ci_low"]) / (plain.high - plain.low))
    assert np.mean(widths) == pytest.approx(np.sqrt(5), rel=0.2)


def test_the_same_seed_gives_the_same_tables_and_another_the_same_counts():
    cells = field()
    pairs = pairs_of(cells)
    for make in (
        lambda seed: region_table(cells, block_areas(), seed=seed),
        lambda seed: band_table(cells, block_areas(), seed=seed),
        lambda seed: summarise(cells, pairs, block_areas(), ANY, seed=seed),
    ):
        one, again, other = make(3), make(3), make(4)
        pd.testing.assert_frame_equal(one, again)
        assert not one["ci_low"].equals(other["ci_low"])
        counts = "count" if "count" in one else "value"
        pd.testing.assert_series_equal(one[counts], other[counts])


def test_bands_are_resampled_by_the_blocks_that_hold_them():
    cells = field()
    table = band_table(cells, block_areas())
    mine = table[(table["phenotype"] == "cd8_t") & (table["pdl1"] == "any")]
    assert set(mine["ci_method"]) == {"block_bootstrap"}
    cd8 = cells.frame[cells.frame["phenotype"] == "cd8_t"]
    expected = np.histogram(cd8["distance_to_margin_um"], np.arange(-500, 501, 200))[0]
    assert mine["count"].tolist() == expected.tolist()
    assert (
        (mine["ci_low"] < mine["density_per_mm2"]) & (mine["density_per_mm2"] < mine["ci_high"])
    ).all()
    narrow = block_areas().by_block.query("row < 9")
    few = band_table(cells, block_areas(by_block=narrow))
    assert set(few["ci_method"]) == {"garwood"}


def test_every_kind_of_row_says_how_its_interval_was_found():
    cells = field(n=4000)
    summary = summarise(cells, pairs_of(cells), block_areas(), ANY)
    for metric in (TOUCHING, APART, SHARE, ODDS):
        for region in MANY:
            assert at(summary, metric, region=region)["ci_method"] == "block_bootstrap"
        plain = "woolf" if metric == ODDS else "wilson"
        for region in FEW:
            assert at(summary, metric, region=region)["ci_method"] == plain
    score = at(summary, "tumour_proportion_score", neighbourhood="")
    assert score["ci_method"] == "block_bootstrap"
    assert score["ci_low"] < score["value"] < score["ci_high"]
    ratio = at(summary, RATIO, "cd8_t", "tissue", "")
    assert (ratio["ci_method"], ratio["reason"]) == ("block_bootstrap", "")
    assert ratio["ci_low"] < ratio["value"] < ratio["ci_high"]


def test_the_ratio_is_exact_where_one_region_has_few_blocks():
    cells = field(n=4000)
    few = block_areas(by_block=block_areas().by_block.query("row < 9"))  # the margin has 18 left
    ratio = at(summarise(cells, pairs_of(cells), few, ANY), RATIO, "cd8_t", "tissue", "")
    above, below = int(ratio["numerator"]), int(ratio["denominator"])
    p = stats.binomtest(above, above + below).proportion_ci(method="exact")
    assert ratio["ci_method"] == "exact_conditional"
    # 0.18 mm² of margin and 0.36 mm² of centre have a block
    assert ratio["ci_low"] == pytest.approx(p.low / (1 - p.low) * 2)
    assert ratio["reason"] == "the exact interval takes no account of clustering"


def test_the_density_in_the_summary_is_that_of_the_regions():
    cells = field()
    regions = region_table(cells, block_areas(), seed=5)
    summary = summarise(cells, pairs_of(cells), block_areas(), ANY, seed=5)
    for region in REGION_NAMES:
        row = at(summary, "cd8_density", "cd8_t", region, "")
        for column in ("ci_low", "ci_high", "ci_method"):
            assert row[column] == of(regions, region)[column]


def test_what_the_caller_knows_already_changes_nothing():
    cells = field()
    pairs = pairs_of(cells)
    known = add_contact_columns(cells, pairs)
    given = summarise(
        known, pairs, block_areas(), ANY, contacts_known=True,
        regions=region_table(cells, block_areas(), seed=2), seed=2,
    )  # fmt: skip
    pd.testing.assert_frame_equal(given, summarise(cells, pairs, block_areas(), ANY, seed=2))


def test_planted_induction_has_a_small_p_value_and_none_a_large_one():
    cells = field(1, n=6000, negative=0.7)
    pairs = pairs_of(cells)
    plain = at(summarise(cells, pairs, block_areas(), ANY), ODDS)
    assert plain["p_value"] > 0.01
    touching = add_contact_columns(cells, pairs)["touching_cd8"].to_numpy(bool)
    tumour = cells["phenotype"] == "tumour"
    induced = cells["pdl1_positive"].astype(bool) | (touching & tumour)
    summary = summarise(
        cells.with_columns({"pdl1_positive": induced.astype("boolean")}), pairs, block_areas(), ANY
    )
    for region in ("tissue", "tumour", "stroma"):
        assert at(summary, ODDS, region=region)["p_value"] == 0.001
    assert at(summary, ODDS, neighbourhood="r10").isna()["p_value"]
    assert at(summary, TOUCHING).isna()["p_value"]


@pytest.mark.parametrize("kept", ["none", "excluded", "one kind", "one region"])
def test_fields_that_lack_cells_have_all_their_tables(kept):
    cells = field(n=300)
    frame = cells.frame
    if kept == "none":
        frame = frame.iloc[:0]
    elif kept == "excluded":
        frame = frame.assign(region="excluded")
    elif kept == "one kind":
        frame = frame[frame["phenotype"] == "tumour"]
    else:
        frame = frame[frame["region"] == "centre"]
    cells = type(cells)(frame)
    pairs = pairs_of(cells) if len(cells) else pairs_of(field(n=300)).iloc[:0]
    summary = summarise(cells, pairs, block_areas(), ANY)
    plain = summarise(cells, pairs, block_areas(by_block=block_areas().by_block.iloc[:0]), ANY)
    for column in ("value", "numerator", "denominator", "evaluable"):
        pd.testing.assert_series_equal(summary[column], plain[column])
    given = summary[summary["evaluable"] & (summary["ci_method"] != "")]
    assert given[["ci_low", "ci_high"]].notna().all(axis=None)
    assert (given["ci_low"] <= given["value"] + 1e-12).all()
    assert (given["ci_high"] >= given["value"] - 1e-12).all()
    assert len(region_table(cells, block_areas())) == 105
    assert len(band_table(cells, block_areas())) == 75
