import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from immunescape.intervals import (
    log_odds_ratio,
    poisson_interval,
    rate_ratio_interval,
    wilson_interval,
)


# Exact limits as printed by Ulm, Am J Epidemiol 131 (1990), and in most tables of the Poisson mean.
@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.390)],
)
def test_garwood_equals_published_limits(count, low, high):
    assert poisson_interval(count) == pytest.approx((low, high), abs=5e-4)


@settings(deadline=None)
@given(st.integers(1, 10**6), st.sampled_from([0.8, 0.95, 0.99]))
def test_garwood_equals_chi_square_quantiles(count, confidence):
    alpha = 1 - confidence
    expected = (
        stats.chi2.ppf(alpha / 2, 2 * count) / 2,
        stats.chi2.ppf(1 - alpha / 2, 2 * count + 2) / 2,
    )
    assert poisson_interval(count, confidence) == pytest.approx(expected, rel=1e-9)


def test_garwood_keeps_shape_and_missing():
    low, high = poisson_interval([[0, np.nan, 3]])
    assert low.shape == high.shape == (1, 3)
    assert low[0, 0] == 0
    assert np.isnan(low[0, 1]) and np.isnan(high[0, 1])


# Newcombe, Stat Med 17 (1998), table I, method 3.
@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_newcombes_examples(k, n, low, high):
    assert wilson_interval(k, n) == pytest.approx((low, high), abs=5e-5)


@settings(deadline=None)
@given(st.data())
def test_wilson_equals_scipy(data):
    n = data.draw(st.integers(1, 5000))
    k = data.draw(st.integers(0, n))
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    low, high = wilson_interval(k, n)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert 0 <= low <= k / n <= high <= 1


def test_wilson_of_nothing_none_and_all():
    low, high = wilson_interval([0, 0, 7], [0, 7, 7])
    assert np.isnan(low[0]) and np.isnan(high[0])
    assert low[1] == 0 and high[1] < 1
    assert low[2] > 0 and high[2] == 1


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.01, 50), st.floats(0.01, 50))
def test_rate_ratio_equals_clopper_and_pearson(a, b, area_a, area_b):
    low, high = rate_ratio_interval(a, area_a, b, area_b)
    if a + b == 0:
        assert math.isnan(low) and math.isnan(high)
        return
    p = stats.binomtest(a, a + b).proportion_ci(method="exact")
    assert low == pytest.approx(p.low / (1 - p.low) * area_b / area_a, rel=1e-6)
    if b == 0:
        assert high == math.inf
    else:
        assert high == pytest.approx(p.high / (1 - p.high) * area_b / area_a, rel=1e-6)


def test_rate_ratio_turned_over_is_the_reciprocal():
    low, high = rate_ratio_interval(30, 0.4, 12, 0.7)
    assert rate_ratio_interval(12, 0.7, 30, 0.4) == pytest.approx((1 / high, 1 / low))


@pytest.mark.parametrize("area", [0.0, math.nan])
def test_rate_ratio_without_area_is_missing(area):
    assert all(map(math.isnan, rate_ratio_interval(3, 1.0, 4, area)))


def test_rate_ratio_covers_at_least_what_it_says():
    rng = np.random.default_rng(1)
    a, b = rng.poisson(12.0, 400), rng.poisson(5.0, 400)
    inside = 0
    for x, y in zip(a, b, strict=True):
        low, high = rate_ratio_interval(int(x), 2.0, int(y), 1.0)
        inside += low <= 6.0 / 5.0 <= high
    assert inside / 400 >= 0.95


def test_log_odds_ratio_by_hand():
    # (3.5 / 1.5) / (2.5 / 4.5) = 4.2; variance 1/3.5 + 1/1.5 + 1/2.5 + 1/4.5
    value, low, high = log_odds_ratio(3, 1, 2, 4)
    assert value == pytest.approx(math.log(4.2))
    half = stats.norm.ppf(0.975) * math.sqrt(1 / 3.5 + 1 / 1.5 + 1 / 2.5 + 1 / 4.5)
    assert (low, high) == pytest.approx((value - half, value + half))


@settings(deadline=None)
@given(*[st.integers(0, 10**6)] * 4)
def test_log_odds_ratio_is_finite_and_antisymmetric(a, b, c, d):
    value, low, high = log_odds_ratio(a, b, c, d)
    assert math.isfinite(low) and math.isfinite(high)
    assert log_odds_ratio(c, d, a, b) == pytest.approx((-value, -high, -low))
    assert log_odds_ratio(b, a, d, c) == pytest.approx((-value, -high, -low))


def test_log_odds_ratio_of_an_empty_table_is_zero():
    assert log_odds_ratio(0, 0, 0, 0).value == 0


def test_a_ratio_to_next_to_nothing_has_no_upper_end():
    """Cells that stand in patches can be worth a small part of one."""
    low, high = rate_ratio_interval(20.0, 1.0, 1e-3, 1.0)
    assert high == math.inf and 0 < low < math.inf
    low, high = rate_ratio_interval(1e-3, 1.0, 20.0, 1.0)
    assert low == 0 and 0 < high < 1
