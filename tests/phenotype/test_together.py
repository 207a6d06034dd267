"""Two groups of cells that share a tail and a positive population: what was planted is found."""

import numpy as np
import pytest
from scipy import stats

from immunescape.phenotype import (
    GateParams,
    GateSpec,
    GaussianMixture,
    Group,
    NoThreshold,
    Threshold,
    fit_gate,
    gate_warnings,
)
from immunescape.phenotype.mixture import Mixture
from immunescape.phenotype.tailed import Bins, Tailed, fit_tailed
from immunescape.phenotype.together import fit_together, is_unclear

CORE, POSITIVE = 30.0, 140.0
TAILS = {
    "exponential": lambda draw, n: draw.exponential(35, n),
    "gamma": lambda draw, n: draw.gamma(2, 18, n),
    "log-normal": lambda draw, n: draw.lognormal(np.log(25), 0.8, n),
    "half of a normal": lambda draw, n: np.abs(draw.normal(0, 45, n)),
}
QUICK = GateParams(bootstrap_draws=0)


def cells(draw, n, share, tail="exponential", tailed=0.12, core=CORE):
    """Intensities above a pedestal of 100, and which cells are positive."""
    positive = np.arange(n) < round(n * share)
    dim = draw.lognormal(np.log(core), 0.3, n)
    dim += np.where(draw.random(n) < tailed, TAILS[tail](draw, n), 0)
    return 100 + np.where(positive, draw.lognormal(np.log(POSITIVE), 0.5, n), dim), positive


def pair(seed, share=0.04, **settings):
    """Tumour cells of which few are positive, with their truth, and other cells."""
    draw = np.random.default_rng(seed)
    own, positive = cells(draw, 8000, share, **settings)
    other, _ = cells(draw, 5000, 0.2, **settings, core=27.0)
    return own, positive, other


def gate(own, other, parent="tumour", params=QUICK):
    return fit_gate(own, other, GateSpec("pdl1", parent), "x", params, parent=parent)


def best_error(values, positive):
    truth = positive[np.argsort(values)]
    missed = np.concatenate([[0], np.cumsum(truth)])
    return (missed + (~truth).sum() - np.concatenate([[0], np.cumsum(~truth)])).min() / len(truth)


# The gate


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("seed", range(2))
def test_few_positive_cells_are_counted_in_spite_of_a_tail(tail, seed):
    """Be the tail's form as it may; the mixture of this group alone counts tail as positive."""
    own, positive, other = pair(seed, tail=tail)
    found = gate(own, other)
    assert found.source == "slide:tumour"
    assert found.note == "described together with the non_tumour cells, for lack of a valley"
    assert gate_warnings([found]) == ()
    calls = own > found.threshold
    assert abs(calls.mean() - 0.04) < 0.02
    assert np.mean(calls != positive) < best_error(own, positive) + 0.008
    alone = GaussianMixture()(own)
    assert isinstance(alone, NoThreshold) or np.mean((own > alone.value) != positive) > np.mean(
        calls != positive
    )


def test_a_mixture_alone_counts_far_too_many():
    own, _, _ = pair(0)
    alone = GaussianMixture()(own)
    assert is_unclear(alone)
    assert np.mean(own > alone.value) > 0.07


def test_a_valley_is_not_moved():
    own, _, other = pair(0, share=0.4)
    alone = GaussianMixture()(own)
    assert isinstance(alone, Threshold)
    assert not is_unclear(alone)
    assert gate(own, other).threshold == alone.value


@pytest.mark.parametrize("seed", range(3))
def test_a_tail_without_a_positive_cell_is_not_positive(seed):
    """No population of their own: then the control's threshold holds for them, or a higher one."""
    own, _, other = pair(seed, share=0.0)
    both = fit_together(own, other, GaussianMixture())
    assert both.fit.share[0, 0] < 2e-3
    assert both.threshold(0, GaussianMixture()) == NoThreshold(
        "the brighter cells are a tail of the negative ones"
    )
    found = gate(own, other)
    assert "described together" not in found.note
    assert found.threshold >= gate(other, own, "non_tumour").threshold
    assert np.mean(own > found.threshold) < 0.06


def test_each_parent_is_the_others_help():
    """Few positive cells on both sides: asked from either side, the same two thresholds."""
    draw = np.random.default_rng(3)
    (own, _), (other, _) = (cells(draw, n, share) for n, share in ((8000, 0.04), (4000, 0.03)))
    one, two = gate(own, other), gate(other, own, "non_tumour")
    both = fit_together(own, other, GaussianMixture())
    assert is_unclear(GaussianMixture()(own))
    assert isinstance(GaussianMixture()(other), NoThreshold)
    expected = [both.threshold(k, GaussianMixture()).value for k in (0, 1)]
    assert [one.threshold, two.threshold] == pytest.approx(expected, rel=1e-3)


def test_fewer_positive_cells_have_a_higher_threshold():
    own, _, other = pair(1)
    both = fit_together(own, other, GaussianMixture())
    few, many = (both.threshold(k, GaussianMixture()) for k in (0, 1))
    assert few.populations.high_share < many.populations.high_share
    assert few.value > many.value
    assert few.populations.high == many.populations.high


@pytest.mark.parametrize(("by", "factor"), [(400.0, 1.0), (-90.0, 0.02)])
def test_unit_and_offset_change_no_call(by, factor):
    own, _, other = pair(2)
    found, moved = gate(own, other), gate(own * factor + by, other * factor + by)
    assert found.source == moved.source == "slide:tumour"
    calls = (own > found.threshold) != (own * factor + by > moved.threshold)
    assert calls.sum() <= 2


def test_the_range_holds_the_best_threshold_and_is_the_same_again():
    own, positive, other = pair(4)
    draw = np.random.default_rng(0)
    groups = [Group(v, draw.uniform(0, 1500, (len(v), 2))) for v in (own, other)]
    params = GateParams(bootstrap_draws=40)
    found, again = (gate(*groups, params=params) for _ in range(2))
    assert (found.gate_low, found.gate_high) == (again.gate_low, again.gate_high)
    assert found.gate_low < found.threshold < found.gate_high
    candidates = np.linspace(140, 300, 81)
    best = candidates[np.argmin([np.mean((own > t) != positive) for t in candidates])]
    assert 0.85 * found.gate_low < best < 1.15 * found.gate_high
    assert found.gate_high - found.gate_low < 60


def test_too_few_cells_beside_help_nothing():
    own, _, other = pair(0)
    assert fit_together(own, other[:49], GaussianMixture()) is None
    assert fit_together(own, [], GaussianMixture()) is None
    assert fit_together(own, np.full(500, np.nan), GaussianMixture()) is None
    assert fit_together(np.maximum(own, 130), np.maximum(other, 130), GaussianMixture()) is None


def test_positive_cells_of_two_kinds_are_not_forced_into_one():
    """Other cells five times as bright when positive: two mixtures describe both groups better."""
    draw = np.random.default_rng(0)
    own = np.concatenate([draw.lognormal(3, 0.3, 4000), draw.lognormal(4.2, 0.35, 2000)])
    other = np.concatenate([draw.lognormal(3, 0.3, 4000), draw.lognormal(5.8, 0.35, 2000)])
    assert fit_together(own, other, GaussianMixture()) is None


# The description


PLANTED = Tailed(
    low=np.array([[3.4, 3.3]]), low_sd=np.array([[0.3, 0.25]]), share=np.array([[0.05, 0.25]]),
    high=np.array([5.0]), high_sd=np.array([0.45]), tail=np.array([0.12]),
    length=np.array([35.0]), log_likelihood=np.array([0.0]),
)  # fmt: skip
BINS = Bins(np.geomspace(8, 1200, 257), 0.0)


def test_probabilities_are_those_of_another_program():
    core, tail, positive = PLANTED.parts(BINS)[0, 1]
    edges = np.log(BINS.edges)
    np.testing.assert_allclose(
        core, 0.75 * 0.88 * np.diff(stats.norm(3.3, 0.25).cdf(edges)), atol=1e-5
    )
    np.testing.assert_allclose(
        tail, 0.75 * 0.12 * np.diff(stats.expon(np.exp(3.3), 35).cdf(BINS.edges)), atol=1e-12
    )
    np.testing.assert_allclose(
        positive, 0.25 * np.diff(stats.norm(5.0, 0.45).cdf(edges)), atol=1e-5
    )
    assert PLANTED.parts(BINS).sum(axis=(2, 3)) == pytest.approx(np.ones((1, 2)), abs=1e-3)


def test_what_was_planted_is_found():
    """Expected counts, without chance: every number comes back."""
    counts = PLANTED.parts(BINS)[0].sum(axis=1) * np.array([[20_000.0], [10_000.0]])
    start = [
        Mixture((3.4, 4.6), (0.35, 0.6), (0.88, 0.12), 0.0),
        Mixture((3.3, 4.9), (0.3, 0.5), (0.7, 0.3), 0.0),
    ]
    found = fit_tailed(counts, BINS, start)
    for name, within in (
        ("low", 0.01), ("low_sd", 0.01), ("share", 0.01), ("high", 0.05), ("high_sd", 0.04),
        ("tail", 0.04), ("length", 6.0),
    ):  # fmt: skip
        np.testing.assert_allclose(getattr(found, name), getattr(PLANTED, name), atol=within)
    np.testing.assert_allclose(found.crossings(BINS), PLANTED.crossings(BINS), atol=0.05)


def test_the_threshold_is_where_both_are_equally_likely():
    """Checked with densities of another program, at the place that was found."""
    for group, x in enumerate(PLANTED.crossings(BINS)[0]):
        low, sd, share = (float(a[0, group]) for a in (PLANTED.low, PLANTED.low_sd, PLANTED.share))
        value = np.exp(x)
        tail = stats.expon(np.exp(low), 35).pdf(value) * value
        negative = (1 - share) * (0.88 * stats.norm(low, sd).pdf(x) + 0.12 * tail)
        assert share * stats.norm(5.0, 0.45).pdf(x) == pytest.approx(negative, rel=0.01)


def test_no_threshold_where_the_tail_is_likelier_all_the_way():
    few = Tailed(**{**vars(PLANTED), "share": np.array([[0.001, 0.25]])})
    assert np.isnan(few.crossings(BINS)[0, 0])
    assert np.isfinite(few.crossings(BINS)[0, 1])
