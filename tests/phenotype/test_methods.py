"""Thresholds against populations whose parts are known, and against other programs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.filters import threshold_otsu
from sklearn.mixture import GaussianMixture as SklearnMixture

from immunescape.phenotype import (
    Fixed,
    GateParams,
    GateSpec,
    GaussianMixture,
    NoThreshold,
    Otsu,
    Tail,
    Threshold,
    fit_gate,
)
from tests.real_data import DATA, needs

SKEWED = {
    "lognormal": lambda draw, n: draw.lognormal(2, 0.5, n),
    "gamma": lambda draw, n: draw.gamma(2, 1, n),
    "exponential tail on the log scale": lambda draw, n: np.exp(draw.gamma(1, 0.5, n)),
    "skewed on the log scale": lambda draw, n: np.exp(draw.gamma(2, 0.5, n)),
    "heavy tails": lambda draw, n: np.exp(0.3 * draw.standard_t(3, n)),
    "noise around 0": lambda draw, n: draw.normal(0, 1, n),
}


def two(draw, n, share, low=2.0, high=3.4, sd=0.4):
    """Intensities whose best threshold still errs on about 4 % of the cells, and the truth."""
    positive = np.arange(n) < round(n * share)
    return np.where(positive, draw.lognormal(high, sd, n), draw.lognormal(low, sd, n)), positive


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("method", [GaussianMixture(), Otsu()])
@pytest.mark.parametrize("seed", range(4))
def test_overlapping_populations_are_counted_within_five_points(share, method, seed):
    values, positive = two(np.random.default_rng(seed), 2000, share)
    found = method(values)
    assert isinstance(found, Threshold)
    slack = 0.03 if isinstance(method, Otsu) else 0.0
    assert abs(np.mean(values > found.value) - share) < 0.05 + slack
    assert np.mean((values > found.value) != positive) < 0.07 + slack


@pytest.mark.parametrize("kind", SKEWED)
@pytest.mark.parametrize("n", [300, 5000, 50_000])
@pytest.mark.parametrize("method", [GaussianMixture(), Otsu(), Tail()])
def test_one_population_is_not_split_however_skewed(kind, n, method):
    for seed in range(3):
        found = method(SKEWED[kind](np.random.default_rng(seed), n))
        assert isinstance(found, NoThreshold), (seed, found)


def test_a_handful_of_cells_far_above_a_skewed_tail_is_found_by_its_gap():
    draw = np.random.default_rng(5)
    dim, bright = np.exp(1 + draw.gamma(3, 0.2, 5000)), draw.lognormal(4.6, 0.2, 12)
    found = Tail()(np.concatenate([dim, bright]))
    assert isinstance(found, Threshold)
    assert dim.max() < found.value * 1.5
    assert found.value < bright.min()


def test_noise_around_zero_after_unmixing_hides_no_positive_cells():
    draw = np.random.default_rng(0)
    dim, bright = draw.normal(0, 1, 4000), draw.lognormal(3, 0.5, 1000)
    for method in (GaussianMixture(), Otsu(), Tail()):
        found = method(np.concatenate([dim, bright]))
        assert isinstance(found, Threshold)
        assert (dim > found.value).mean() < 0.01
        assert (bright > found.value).mean() > 0.97


def test_zeros_are_negative_cells():
    draw = np.random.default_rng(0)
    found = GaussianMixture()(np.concatenate([np.zeros(4000), draw.lognormal(3, 0.5, 1000)]))
    assert isinstance(found, Threshold)
    assert 0 < found.value < np.exp(2)


@pytest.mark.parametrize("values", [np.zeros(500), np.full(500, 7.0), -np.ones(500)])
def test_a_constant_channel_holds_no_signal(values):
    for method in (GaussianMixture(), Otsu(), Tail()):
        assert method(values) == NoThreshold("the channel holds no signal")


def test_too_few_cells_have_no_threshold_and_missing_values_do_not_count():
    values = np.concatenate([np.arange(1, 40.0), np.full(500, np.nan)])
    assert GaussianMixture()(values) == NoThreshold("39 cells are too few")
    assert GaussianMixture()([]) == NoThreshold("0 cells are too few")
    assert Fixed(3.6)([]).value == 3.6


def test_otsu_equals_another_programs():
    values, _ = two(np.random.default_rng(0), 3000, 0.4)
    kept = values[values >= np.quantile(values, 0.005)]
    found = Otsu()(values)
    shift = found.populations.shift
    expected = np.exp(threshold_otsu(np.log(kept + shift))) - shift
    assert found.value == pytest.approx(expected, rel=0.02)


def test_otsu_does_not_split_the_negative_cells_where_positive_ones_are_rare():
    values, _ = two(np.random.default_rng(0), 20_000, 0.03, high=4.0)
    mixture, otsu = GaussianMixture()(values), Otsu()(values)
    assert isinstance(mixture, Threshold)
    assert abs(np.mean(values > mixture.value) - 0.03) < 0.01
    by_hand = np.exp(threshold_otsu(np.log(values)))
    assert np.mean(values > by_hand) > 0.3
    assert isinstance(otsu, NoThreshold)


@given(
    share=st.floats(0.1, 0.8),
    factor=st.floats(1e-3, 1e3),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=15, deadline=None)
def test_the_unit_of_intensity_and_the_order_of_cells_change_nothing(share, factor, seed):
    draw = np.random.default_rng(seed)
    values, _ = two(draw, 600, share, high=4.5)
    for method in (GaussianMixture(), Otsu(), Tail()):
        found, scaled = method(values), method(draw.permutation(values) * factor)
        assert type(found) is type(scaled)
        if isinstance(found, Threshold):
            positive = np.sum(values > found.value)
            assert abs(np.sum(values * factor > scaled.value) - positive) <= 2


def test_a_million_cells_have_the_threshold_of_a_few_thousand():
    few, _ = two(np.random.default_rng(0), 4000, 0.3)
    many, _ = two(np.random.default_rng(1), 1_000_000, 0.3)
    thresholds = [GaussianMixture()(v).value for v in (few, many)]
    assert thresholds[0] == pytest.approx(thresholds[1], rel=0.05)


def _melanoma():
    tables = [
        pd.read_csv(DATA / "iris" / "fields_r" / f"{name}_cell_seg_data.txt", sep="\t")
        for name in ("MEL2_2", "MEL2_7")
    ]
    table = pd.concat(tables, ignore_index=True)
    pdl1 = next(c for c in table if c.startswith("Membrane PD-Ligand-1") and "Mean" in c)
    tumour = (table["Phenotype"] == "SOX10+").to_numpy()
    return table[pdl1].to_numpy(float), tumour


@needs("iris", "fields_r")
def test_melanoma_populations_equal_those_of_another_program():
    values, tumour = _melanoma()
    values = values[tumour]
    found = GaussianMixture()(values)
    assert isinstance(found, Threshold)
    ours = found.populations
    kept = np.log(np.sort(values)[int(0.005 * len(values)) :] + ours.shift)
    other = SklearnMixture(2, n_init=5, random_state=0, tol=1e-7, max_iter=5000)
    other.fit(kept[:, None])
    order = np.argsort(other.means_.ravel())
    sds = np.sqrt(other.covariances_.ravel())[order]
    np.testing.assert_allclose(np.sort(other.means_.ravel()), [ours.low, ours.high], atol=0.02)
    np.testing.assert_allclose(sds, [ours.low_sd, ours.high_sd], rtol=0.03)
    between = np.linspace(ours.low, ours.high, 4001)
    valley = between[np.argmin(other.score_samples(between[:, None]))]
    assert found.value == pytest.approx(np.exp(valley) - ours.shift, rel=0.02)
    otsu = Otsu()(values)
    expected = np.exp(threshold_otsu(kept)) - ours.shift
    assert otsu.value == pytest.approx(expected, rel=0.02)


@needs("iris", "fields_r")
def test_melanoma_tumour_and_other_cells_have_gates_of_their_own():
    values, tumour = _melanoma()
    gates = {
        parent: fit_gate(
            values[own], values[~own], GateSpec("pdl1"), "pdl1", GateParams(), parent=parent
        )
        for parent, own in (("tumour", tumour), ("non_tumour", ~tumour))
    }
    assert gates["tumour"].source == "slide:tumour"
    assert gates["non_tumour"].source == "slide:non_tumour"
    assert all(1 < gate.threshold < 3.64 for gate in gates.values())
