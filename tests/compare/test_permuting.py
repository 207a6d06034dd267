import doctest

import numpy as np
import pytest
from scipy import stats

from immunescape.compare import CompareParams, permuting
from immunescape.compare.effects import difference_of_means, mean_change
from immunescape.compare.mixed import fit_mixed
from immunescape.compare.permuting import relabelling_p, swap_p

RNG = np.random.default_rng(5)
CHANGES = [RNG.gamma(2, 1, n) - 1.2 for n in (2, 5, 8, 12)]


def test_examples_in_docstrings_are_true():
    assert doctest.testmod(permuting).failed == 0


# One group


@pytest.mark.parametrize("d", CHANGES, ids=len)
def test_swaps_agree_with_scipy(d):
    found = swap_p(d)
    pairs = (d, np.zeros_like(d))
    expected = stats.permutation_test(
        pairs, lambda x, y, axis: np.mean(x - y, axis), permutation_type="samples",
        vectorized=True, n_resamples=np.inf,
    )  # fmt: skip
    assert found.p == pytest.approx(expected.pvalue, abs=1e-12)
    assert found.smallest == 2 / 2 ** len(d)


def test_all_patients_rising_is_the_smallest_p():
    found = swap_p([0.1, 0.5, 0.2, 3.0])
    assert found.p == found.smallest == 2 / 16


def test_a_patient_without_a_change_has_no_sign():
    assert swap_p([1.0, 1.0, 0.0]).smallest == 2 / 4
    assert swap_p([0.0, 0.0]).p == 1.0


def test_ties_are_counted_whatever_the_order_of_summing():
    # In binary 0.1 + 0.2 is not 0.3.
    d = [0.1, 0.2, -0.3]
    assert swap_p(d).p == 1.0
    assert swap_p([0.1, 0.2, 0.3]).p == 2 / 8


def test_drawn_swaps_come_near_and_are_never_zero():
    d = RNG.normal(0.4, 1, 14)
    exact = swap_p(d, CompareParams(exact_patients=14))
    drawn = swap_p(d, CompareParams(draws=19999))
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 19999))
    far = swap_p(np.full(30, 2.0) + RNG.random(30), CompareParams(draws=999))
    assert far.p == far.smallest == 1 / 1000


@pytest.mark.parametrize("n", [9, 20])
def test_names_and_directions_do_not_matter(n):
    d = RNG.normal(0.3, 1, n)
    assert swap_p(d).p == swap_p(RNG.permutation(d)).p == swap_p(-d).p


def test_one_patient_has_no_test():
    assert np.isnan(swap_p([2.0]).p) and swap_p([2.0]).method == ""
    assert np.isnan(relabelling_p([1.0], [2.0, 3.0]).p)


@pytest.mark.parametrize("d", CHANGES, ids=len)
def test_the_interval_of_the_mean_is_students(d):
    effect, bounds, _ = mean_change(d)
    expected = stats.ttest_1samp(d, 0).confidence_interval()
    assert effect == pytest.approx(d.mean())
    assert tuple(bounds[:2]) == pytest.approx((expected.low, expected.high))


def test_few_or_equal_patients_have_no_interval():
    assert mean_change([1.5])[1].method == ""
    assert np.isnan(mean_change([])[0])
    effect, bounds, note = mean_change([1.5, 1.5, 1.5])
    assert effect == 1.5 and np.isnan(bounds.low) and "alike" in note


def test_the_bootstrap_needs_five_patients():
    asked = CompareParams(interval="bootstrap", draws=999)
    d = RNG.gamma(1, 1, 9)
    low, high, method = mean_change(d, asked)[1]
    expected = stats.bootstrap(
        (np.sort(d),), np.mean, n_resamples=999, rng=np.random.default_rng(0)
    ).confidence_interval
    assert (low, high) == (expected.low, expected.high) and method == "bootstrap of patients"
    _, bounds, note = mean_change(d[:4], asked)
    assert bounds.method == "student_t" and "too few to resample" in note


# Two groups


@pytest.mark.parametrize("sizes", [(2, 2), (3, 5), (6, 6)])
def test_relabelling_agrees_with_scipy(sizes):
    a, b = (RNG.gamma(2, 1, n) for n in sizes)
    expected = stats.permutation_test(
        (a, b), lambda x, y, axis: abs(np.mean(x, axis) - np.mean(y, axis)),
        vectorized=True, n_resamples=np.inf, alternative="greater",
    )  # fmt: skip
    assert relabelling_p(a, b).p == pytest.approx(expected.pvalue, abs=1e-12)
    assert relabelling_p(a, b).p == relabelling_p(b, a).p


def test_drawn_relabellings_come_near():
    a, b = RNG.normal(0, 1, 9), RNG.normal(0.6, 1, 8)
    exact = relabelling_p(a, b, CompareParams(exact_patients=16))
    drawn = relabelling_p(a, b, CompareParams(draws=19999))
    assert drawn.method.startswith("19999 random") and exact.method.startswith("every")
    assert drawn.p == pytest.approx(exact.p, abs=4 * np.sqrt(exact.p / 19999))


def test_the_interval_of_two_groups_is_welchs():
    a, b = RNG.normal(0, 1, 5), RNG.normal(1, 3, 9)
    effect, bounds, _ = difference_of_means(a, b)
    expected = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    assert effect == pytest.approx(b.mean() - a.mean())
    assert tuple(bounds[:2]) == pytest.approx((expected.low, expected.high))
    swapped = difference_of_means(b, a)[1]
    assert (swapped.low, swapped.high) == pytest.approx((-bounds.high, -bounds.low))
    assert difference_of_means([1.0], b)[1].method == ""


# Mixed model


def test_the_mixed_model_is_that_of_statsmodels():
    import pandas as pd
    from statsmodels.formula.api import mixedlm

    n = 9
    who = [f"P{i}" for i in range(n)] * 2 + ["P0", "P3"]
    later = [False] * n + [True] * n + [True, False]
    of_patient = dict(zip(who[:n], RNG.normal(0, 2, n), strict=True))
    y = [5 + of_patient[p] + 0.8 * t + RNG.normal(0, 0.5) for p, t in zip(who, later, strict=True)]
    found = fit_mixed(y, later, who)
    frame = pd.DataFrame({"y": y, "later": np.asarray(later, float), "who": who})
    direct = mixedlm("y ~ later", frame, groups="who").fit()
    assert found.effect == pytest.approx(direct.params["later"], abs=1e-3)
    half = direct.bse["later"] * stats.t.ppf(0.975, 20 - 9 - 1)
    assert found.high - found.effect == pytest.approx(half, rel=2e-3)
    assert found.effect - found.low == pytest.approx(half, rel=2e-3)
    assert found.note == "t interval of 10 degrees of freedom, 20 specimens of 9 patients"


def test_a_mixed_model_of_one_pair_a_patient_is_the_paired_t():
    who = [f"P{i}" for i in range(8)]
    before = RNG.normal(0, 3, 8)
    after = before + RNG.normal(0.5, 0.4, 8)
    found = fit_mixed([*before, *after], [False] * 8 + [True] * 8, who * 2)
    paired = stats.ttest_rel(after, before).confidence_interval()
    assert (found.low, found.high) == pytest.approx((paired.low, paired.high), rel=1e-3)


@pytest.mark.parametrize(
    ("y", "later", "who", "why"),
    [
        ([1, 2, 3, 5], [0, 1, 0, 1], "aabb", "three patients needed"),
        ([1, 2, 3], [0, 0, 1], "abc", "nothing to tell patients"),
        ([2] * 6, [0, 1] * 3, "aabbcc", "same value"),
        ([1, 2, 3, 4, 5, 6], [0, 1] * 3, "aabbcc", "nothing over that is chance"),
    ],
)
def test_a_mixed_model_that_cannot_be_fitted_says_why(y, later, who, why):
    found = fit_mixed(y, [bool(x) for x in later], list(who))
    assert np.isnan([found.effect, found.low, found.high]).all()
    assert found.note.startswith("no mixed model: ") and why in found.note


def test_patients_who_do_not_differ_are_told_of_and_no_warning_leaves():
    y = [1.0, 1.1, 0.9, 1.05, 1.5, 1.4, 1.62, 1.45]
    found = fit_mixed(y, [False] * 4 + [True] * 4, list("abcdabcd"))
    assert found.effect == pytest.approx(np.mean(y[4:]) - np.mean(y[:4]), abs=1e-6)
    assert "patients are found to differ by no more than chance" in found.note
