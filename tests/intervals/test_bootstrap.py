import time

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from immunescape.intervals import poisson_interval, rate_ratio_interval, wilson_interval
from immunescape.intervals.bootstrap import (
    Blocks,
    find_blocks,
    log_odds_interval,
    rate_ratio_interval_blocks,
    ratio_intervals,
)
from immunescape.intervals.resampling import resampled_variance, residuals, spread_of
from immunescape.results import BLOCK_COLUMNS, BLOCK_UM, empty_table

NONE = np.zeros(0, np.int64)


def square(side, regions=1):
    """Blocks of a square slide; regions are stripes of rows."""
    row, column = np.divmod(np.arange(side * side), side)
    return Blocks(row, column, row * regions // side, np.full(side**2, 0.01), NONE, NONE)


def test_cells_and_areas_are_sorted_into_blocks_by_region():
    points = [[10, 10], [99, 20], [101, 20], [50, 150], [50, 60], [10, 10]]
    region = [0, 0, 0, 1, 1, 4]
    areas = pd.DataFrame(
        [(0, 0, "centre", -20.0, 0.006), (0, 0, "centre", np.nan, 0.001),
         (0, 0, "inner_margin", 0.0, 0.003), (3, 2, "stroma", np.nan, 0.01)],
        columns=list(BLOCK_COLUMNS),
    )  # fmt: skip
    blocks = find_blocks(points, region, areas)
    found = list(zip(blocks.row, blocks.column, blocks.region, strict=True))
    assert found == [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1), (3, 2, 3)]
    assert np.allclose(blocks.area_mm2, [0.007, 0.003, 0, 0, 0.01])
    assert blocks.of_cells.tolist() == [0, 0, 2, 3, 1, -1]
    assert blocks.of_areas.tolist() == [0, 0, 1, 4]
    assert blocks.number.tolist() == [0, 0, 1, 2, 3]
    counts = blocks.count([0, 1, 1, 0, -1, 0], 2)
    assert counts.tolist() == [[1, 1], [0, 0], [0, 1], [1, 0], [0, 0]]


def test_no_cells_and_no_area_give_no_rows_and_missing_intervals():
    blocks = find_blocks(np.zeros((0, 2)), [], empty_table(BLOCK_COLUMNS))
    assert len(blocks) == 0
    found = ratio_intervals(blocks, np.zeros((0, 2)), np.zeros((0, 1)), kind="density")
    assert np.isnan(found.low).all() and found.method.tolist() == ["", ""]
    odds = log_odds_interval(blocks, *[np.zeros(0)] * 4)
    assert odds.method.tolist() == ["woolf"]
    ratio = rate_ratio_interval_blocks(blocks, *[np.zeros(0)] * 4)
    assert np.isnan(ratio.low).all()


def test_on_independent_blocks_the_standard_error_is_scipys():
    rng = np.random.default_rng(1)
    n, d = rng.poisson(4, 100) * rng.integers(1, 4, 100), rng.integers(5, 15, 100) / 1000

    def rate(n, d, axis):
        return n.sum(axis) / d.sum(axis)

    theirs = stats.bootstrap(
        (n, d), rate, paired=True, n_resamples=4000, rng=rng, method="percentile"
    ).standard_error
    blocks = square(10)
    e = residuals(blocks, n[:, None], d[:, None])
    ours = np.sqrt(resampled_variance(e, 1, 0, 4000)[0]) / d.sum()
    # Two Monte Carlo errors of 1/sqrt(8000) each, and terms of order 1/100 of the ratio.
    assert ours == pytest.approx(theirs, rel=0.06)


def test_variance_of_a_process_with_a_known_one():
    # Counts of 2 x 2 blocks at random places on a square: the noise of a block is shared with its
    # neighbours, var(sum) is known: each source adds its four copies.
    rng = np.random.default_rng(2)
    side, fields = 30, 60
    blocks = square(side)
    area = np.full((side**2, 1), 0.01)
    sources = rng.poisson(5, (fields, side + 1, side + 1))
    shared = sum(sources[:, i : i + side, j : j + side] for i in (0, 1) for j in (0, 1))
    n = shared.reshape(fields, -1).T.astype(float)
    inner, edge, corner = (side - 1) ** 2, 4 * (side - 1), 4
    truth = 5 * (inner * 16 + edge * 4 + corner)
    found = spread_of(blocks, residuals(blocks, n, area), [area], 0, 999)
    independent = (residuals(blocks, n, area) ** 2).sum(0)
    assert independent.mean() < 0.35 * truth
    # Windows of four blocks hold three quarters squared of what neighbours share.
    assert found.variances[1].mean() == pytest.approx(
        5 * side**2 * (4 + 8 * 0.75 + 4 * 0.75**2), rel=0.12
    )
    assert 0.7 * truth < found.variance.mean() < 1.15 * truth


def test_differences_between_regions_are_no_chance():
    rng = np.random.default_rng(3)
    blocks = square(12, regions=4)
    rate = np.array([2.0, 30.0, 5.0, 60.0])[blocks.region]
    n = rng.poisson(rate[:, None], (144, 50))
    area = np.full((144, 1), 0.01)
    found = spread_of(blocks, residuals(blocks, n.astype(float), area), [area], 0, 999)
    assert found.variances.mean(1) == pytest.approx(rate.sum(), rel=0.15)


def test_coverage_of_poisson_densities_and_binomial_fractions():
    rng = np.random.default_rng(4)
    blocks = square(8)
    area = np.full((64, 1), 0.01)
    n = rng.poisson(3.0, (64, 400))
    low, high, method = ratio_intervals(blocks, n, area, kind="density")
    assert set(method) == {"block_bootstrap"}
    assert 0.93 <= np.mean((low <= 300) & (high >= 300)) <= 0.995
    k = rng.binomial(n, 0.8)
    low, high, _ = ratio_intervals(blocks, k, n, kind="fraction")
    assert 0.93 <= np.mean((low <= 0.8) & (high >= 0.8)) <= 0.995


def test_cells_in_lumps_are_not_taken_for_many():
    # Whole blocks are alike: the fraction of blocks is what is known.
    rng = np.random.default_rng(5)
    blocks = square(10)
    d = np.full((100, 300), 10.0)
    n = d * (rng.random((100, 300)) < 0.7)
    low, high, _ = ratio_intervals(blocks, n, d, kind="fraction")
    assert 0.92 <= np.mean((low <= 0.7) & (high >= 0.7)) <= 0.995
    plain = wilson_interval(n.sum(0), d.sum(0))
    assert np.mean((plain.low <= 0.7) & (plain.high >= 0.7)) < 0.6
    as_blocks = wilson_interval(n.sum(0) / 10, d.sum(0) / 10)
    wider = (high - low) / (as_blocks.high - as_blocks.low)
    assert 0.9 < np.median(wider) < 1.5


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_none_and_all_have_an_interval_of_positive_width(share):
    blocks = square(6)
    d = np.full((36, 1), 5.0)
    low, high, method = ratio_intervals(blocks, share * d, d, kind="fraction")
    assert method[0] == "block_bootstrap"
    assert low[0] <= share <= high[0]
    # As if blocks were alike: 36 of them, not 180 cells; and no wider than few blocks make it.
    blockwise, cellwise = (wilson_interval(share * m, m) for m in (36, 180))
    assert high[0] - low[0] > blockwise.high - blockwise.low > cellwise.high - cellwise.low
    assert high[0] - low[0] < 3 * (blockwise.high - blockwise.low)


def test_a_count_of_zero_has_garwoods_interval():
    blocks = square(6)
    low, high, method = ratio_intervals(
        blocks, np.zeros((36, 1)), np.full((36, 1), 0.01), kind="density"
    )
    expected = poisson_interval(0)
    assert method[0] == "garwood"
    assert (low[0], high[0]) == pytest.approx((0, float(expected.high) / 0.36))


def test_under_twenty_blocks_intervals_are_the_plain_ones():
    blocks = square(4)
    rng = np.random.default_rng(6)
    d = rng.integers(5, 9, (16, 2)).astype(float)
    n = rng.binomial(d.astype(int), 0.5)
    found = ratio_intervals(blocks, n, d, kind="fraction")
    assert found.method.tolist() == ["wilson"] * 2
    assert np.allclose(found[:2], wilson_interval(n.sum(0), d.sum(0)))
    found = ratio_intervals(blocks, n, np.full((16, 1), 0.01), kind="density")
    assert found.method.tolist() == ["garwood"] * 2
    assert np.allclose(found[:2], np.array(poisson_interval(n.sum(0))) / 0.16)
    area = blocks.area_mm2
    low, high, method = rate_ratio_interval_blocks(blocks, n[:, 0], area, n[:, 1], area)
    assert method.tolist() == ["exact_conditional"]
    expected = rate_ratio_interval(int(n[:, 0].sum()), 0.16, int(n[:, 1].sum()), 0.16)
    assert (low[0], high[0]) == pytest.approx(expected)
    assert log_odds_interval(blocks, *n.T, *n.T).method.tolist() == ["woolf"]


def test_blocks_with_tissue_decide_not_those_with_cells():
    blocks = square(6)
    d = np.zeros((36, 1))
    d[:8] = 10
    n = np.where(np.arange(36) < 4, 7, 3)[:, None] * (d > 0)
    tissue = np.ones((36, 1))
    assert ratio_intervals(blocks, n, d, kind="fraction").method[0] == "wilson"
    found = ratio_intervals(blocks, n, d, kind="fraction", tissue=tissue)
    assert found.method[0] == "block_bootstrap"
    plain = wilson_interval(n.sum(), d.sum())
    assert found.high[0] - found.low[0] > plain.high - plain.low


def test_log_odds_cover_and_know_lumps():
    rng = np.random.default_rng(7)
    blocks = square(8)
    near, apart = rng.poisson(3, (64, 300)), rng.poisson(10, (64, 300))
    a, c = rng.binomial(near, 0.5), rng.binomial(apart, 0.3)
    truth = np.log(0.5 / 0.5) - np.log(0.3 / 0.7)
    low, high, _ = log_odds_interval(blocks, a, near - a, c, apart - c)
    assert 0.93 <= np.mean((low <= truth) & (high >= truth)) <= 0.998
    lumpy = near * (rng.random((64, 300)) < 0.5)
    wide = log_odds_interval(blocks, lumpy, near - lumpy, c, apart - c)
    assert np.median(wide.high - wide.low) > 1.3 * np.median(high - low)
    assert 0.91 <= np.mean((wide.low <= truth) & (wide.high >= truth)) <= 0.998


def test_rate_ratio_covers_and_is_infinite_without_a_base():
    rng = np.random.default_rng(8)
    blocks = square(8, regions=2)
    over, under = (blocks.region == r for r in (0, 1))
    counts = rng.poisson(np.where(over, 6.0, 3.0)[:, None], (64, 300))
    area = blocks.area_mm2[:, None]
    low, high, method = rate_ratio_interval_blocks(
        blocks, counts * over[:, None], area * over[:, None],
        counts * under[:, None], area * under[:, None],
    )  # fmt: skip
    assert set(method) == {"block_bootstrap"}
    assert 0.93 <= np.mean((low <= 2) & (high >= 2)) <= 0.998
    alone = rate_ratio_interval_blocks(
        blocks, counts[:, 0] * over, blocks.area_mm2 * over, 0 * over, blocks.area_mm2 * under
    )
    assert alone.high[0] == np.inf and 0 < alone.low[0] < np.inf


def test_seed_decides_and_columns_do_not_disturb_one_another():
    rng = np.random.default_rng(9)
    blocks = square(7)
    n, area = rng.poisson(4, (49, 5)), np.full((49, 1), 0.01)
    one, same, other = (ratio_intervals(blocks, n, area, kind="density", seed=s) for s in (1, 1, 2))
    assert np.array_equal(one.low, same.low)
    assert not np.array_equal(one.low, other.low)
    assert np.allclose(one.low, other.low, rtol=0.05)
    alone = ratio_intervals(blocks, n[:, 2:3], area, kind="density", seed=1)
    assert alone.low[0] == pytest.approx(one.low[2])
    repeated = ratio_intervals(blocks, n, np.repeat(area, 5, axis=1), kind="density", seed=1)
    assert np.allclose(repeated.high, one.high)


def test_turning_and_moving_the_slide_changes_nothing_but_the_draws():
    rng = np.random.default_rng(10)
    points = rng.random((400, 2)) * 8 * BLOCK_UM
    code = (points[:, 0] > 300).astype(int)
    widths = []
    for moved in (points, 8 * BLOCK_UM - points[:, ::-1], points + 5 * BLOCK_UM):
        blocks = find_blocks(moved, code, empty_table(BLOCK_COLUMNS))
        n = blocks.count(np.zeros(400), 1)
        found = ratio_intervals(
            blocks, n, np.full((len(blocks), 1), 0.01), kind="density", draws=4000
        )
        widths.append(found.high[0] - found.low[0])
    assert np.allclose(widths, widths[0], rtol=0.05)


def test_rows_of_empty_blocks_change_nothing():
    rng = np.random.default_rng(11)
    near, far = square(6), square(6)
    n, d = rng.poisson(3, (36, 1)), np.full((36, 1), 0.01)
    both = Blocks(
        np.concatenate([near.row, far.row + 50]), np.concatenate([near.column, far.column]),
        np.concatenate([near.region, far.region]), np.full(72, 0.01), NONE, NONE,
    )  # fmt: skip
    alone = ratio_intervals(near, n, d, kind="density", draws=4000)
    padded = ratio_intervals(
        both, np.vstack([n, 0 * n]), np.vstack([d, 0 * d]), kind="density", draws=4000
    )
    assert padded.low[0] == pytest.approx(alone.low[0], rel=0.03)
    assert padded.high[0] == pytest.approx(alone.high[0], rel=0.03)


def test_a_whole_slide_takes_seconds():
    rng = np.random.default_rng(12)
    blocks = square(100, regions=4)
    n = rng.poisson(5, (10_000, 120))
    begun = time.process_time()
    found = ratio_intervals(blocks, n, np.full((10_000, 1), 0.01), kind="density")
    assert time.process_time() - begun < 20  # about 1 s alone on a machine
    assert 0.9 < np.mean((found.low <= 500) & (found.high >= 500))


@pytest.mark.parametrize("cells", [1, 2, 5])
def test_a_few_cells_far_apart_are_told_nearly_as_well_as_independent_ones(cells):
    # Garwood's ends, from the chi squared distribution; a tenth is added to every variance.
    x = np.linspace(0, 53, cells + 2).astype(int)[1:-1] * 100.0 + 50.0
    by_block = pd.DataFrame(
        {"row": 0, "column": np.arange(54), "region": "centre", "from_um": -100.0, "area_mm2": 0.01}
    )
    blocks = find_blocks(np.column_stack([x, np.full(cells, 50.0)]), np.zeros(cells), by_block)
    counts = blocks.count(np.zeros(cells), 1)
    low, high, method = ratio_intervals(blocks, counts, np.full((54, 1), 0.01), kind="density")
    ends = stats.chi2.ppf([0.025, 0.975], [2 * cells, 2 * cells + 2]) / 2 / 0.54
    assert method == ["block_bootstrap"]
    assert 0 < low[0] <= 1.05 * ends[0]
    assert 0.95 * ends[1] <= high[0] < 1.35 * ends[1]


def test_cells_that_lie_in_one_block_are_told_far_worse():
    by_block = pd.DataFrame(
        {"row": 0, "column": np.arange(54), "region": "centre", "from_um": -100.0, "area_mm2": 0.01}
    )
    ends = []
    for columns in (np.arange(0, 50, 5), np.full(10, 7)):
        points = np.column_stack([columns * 100.0 + 50.0, np.full(10, 50.0)])
        blocks = find_blocks(points, np.zeros(10), by_block)
        counts = blocks.count(np.zeros(10), 1)
        ends.append(ratio_intervals(blocks, counts, np.full((54, 1), 0.01), kind="density").high[0])
    assert ends[1] > 4 * ends[0]
