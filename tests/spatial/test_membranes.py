import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.cells import CellTable
from immunescape.spatial import DensityParams, SummaryParams, summarise
from immunescape.spatial.alternatives import Setting
from immunescape.spatial.membranes import membrane_rows
from tests.spatial.fields import block_areas, field
from tests.spatial.recount import areas, contacts, table

ANY = SummaryParams(min_cells=1, min_tumour_cells=1, min_control_cells=0, min_stain_cells=0)
METRIC = "membrane_to_cytoplasm_ratio"


def ratios(cells, slide=None, **options):
    summary = summarise(cells, contacts(), slide or areas(), ANY, **options)
    rows = summary[summary["metric"] == METRIC]
    return rows.set_index(["statistic", "phenotype"])


def stained(rim, inner, phenotype="tumour", marker="hla_abc"):
    cells = table([(phenotype, "-", "centre")] * len(rim))
    return cells.with_columns(
        {
            f"{marker}_membrane_mean": np.asarray(rim, float),
            f"{marker}_cytoplasm_mean": np.asarray(inner, float),
            f"{marker}_membrane_unshared": np.nan,
        }
    )


def test_the_median_of_each_phenotype_and_marker():
    cells = stained([1, 2, 3, 8, 5], [1, 1, 1, 2, 0.5])  # ratios 1, 2, 3, 4, 10
    cells = cells.with_columns(
        {
            "phenotype": ["tumour", "tumour", "tumour", "cd8_t", "cd8_t"],
            "pdl1_membrane_mean": 6.0,
            "pdl1_cytoplasm_mean": 2.0,
            "dapi_membrane_mean": 1.0,
            "dapi_cytoplasm_mean": 1.0,
        }
    )
    found = ratios(cells)
    assert found.loc[("hla_abc", "tumour"), "value"] == 2
    assert found.loc[("hla_abc", "tumour"), "denominator"] == 3
    assert found.loc[("hla_abc", "cd8_t"), "value"] == 7  # the mean of the middle two
    assert found.loc[("pdl1", "tumour"), "value"] == 3
    assert set(found.index) == {
        (m, p) for m in ("hla_abc", "pdl1") for p in ("tumour", "cd8_t", "other")
    }
    assert set(found["region"]) == {"tissue"}
    assert set(found["unit"]) == {"1"}


def test_the_rim_does_not_count_as_cytoplasm_where_it_is_known_apart():
    cells = stained([4, 4, 4], [3, 3, 3]).with_columns({"hla_abc_inner_mean": [2.0, 2.0, 2.0]})
    assert ratios(cells).loc[("hla_abc", "tumour"), "value"] == 2


def test_excluded_cells_are_left_out():
    cells = stained([1, 2, 9], [1, 1, 1])
    cells = cells.with_columns({"region": ["centre", "stroma", "excluded"]})
    row = ratios(cells).loc[("hla_abc", "tumour")]
    assert (row["value"], row["denominator"]) == (1.5, 2)


def test_no_light_inside_is_infinite_and_none_at_all_is_no_ratio():
    row = ratios(stained([1, 2, 3, 0], [1, 0, -1, 0])).loc[("hla_abc", "tumour")]
    assert (row["value"], row["denominator"]) == (np.inf, 3)
    assert row["reason"].startswith("1 cells without a ratio left out")
    row = ratios(stained([1, 2, 3, 3], [1, 1, 1, 0])).loc[("hla_abc", "tumour")]
    assert row["value"] == 2.5


@pytest.mark.parametrize("n", [20, 101, 1000])
def test_without_blocks_the_ends_are_order_statistics(n):
    rng = np.random.default_rng(n)
    values = rng.lognormal(size=n)
    row = ratios(stained(values, np.ones(n))).loc[("hla_abc", "tumour")]
    assert row["ci_method"] == "order_statistics"
    ordered = np.sort(values)
    ranks = np.searchsorted(ordered, [row["ci_low"], row["ci_high"]])
    assert ordered[ranks].tolist() == [row["ci_low"], row["ci_high"]]
    # Coverage of the interval between two order statistics is binomial.
    covered = stats.binom.cdf(ranks[1], n, 0.5) - stats.binom.cdf(ranks[0], n, 0.5)
    assert 0.93 < covered < 0.975


def test_the_interval_holds_the_planted_median_when_cells_come_in_groups():
    """The planted median is 2; cells of one place share what makes their ratio high or low."""

    def interval(cells, slide):
        source = Setting(ANY, DensityParams(), {}, True).source(cells, slide, {}, seed=0)
        return next(membrane_rows(source, cells))

    inside = 0
    plain = []
    unknown = block_areas(by_block=block_areas().by_block.iloc[:0])
    for seed in range(60):
        rng = np.random.default_rng(seed)
        cells = field(seed, 400, copies=4, shares=(1, 0, 0))
        shared = np.repeat(rng.normal(0, 0.5, 400), 4)
        value = 2 * np.exp(shared + rng.normal(0, 0.1, 1600))
        cells = CellTable(
            cells.frame.assign(
                hla_abc_membrane_mean=value,
                hla_abc_cytoplasm_mean=1.0,
                hla_abc_membrane_unshared=0.0,
            )
        )
        row = interval(cells, block_areas())
        assert row["ci_method"] == "block_bootstrap"
        inside += row["ci_low"] <= 2 <= row["ci_high"]
        alone = interval(cells, unknown)
        plain.append(alone["ci_low"] <= 2 <= alone["ci_high"])
    assert inside >= 54
    assert np.mean(plain) < 0.8


def test_the_order_of_cells_and_ties_changes_nothing():
    cells = stained([1, 1, 1, 2, 2, 3], np.ones(6))
    turned = CellTable(cells.frame.iloc[::-1])
    pd.testing.assert_frame_equal(ratios(turned), ratios(cells))
    row = ratios(stained(np.full(50, 3.0), np.ones(50))).loc[("hla_abc", "tumour")]
    assert (row["value"], row["ci_low"], row["ci_high"]) == (3, 3, 3)
