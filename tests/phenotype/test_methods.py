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
from immunescape.phenotype.methods import log_intensity
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
    assert abs(np.mean(values > found.value) - share) < 0.05
    assert np.mean((values > found.value) != positive) < 0.07


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


@pytest.mark.parametrize("log", [True, False])
def test_otsu_equals_another_programs(log):
    values, _ = two(np.random.default_rng(0), 3000, 0.4)
    kept = values[values >= np.quantile(values, 0.005)]
    expected = np.exp(threshold_otsu(np.log(kept))) if log else threshold_otsu(kept)
    assert Otsu(log=log)(values).value == pytest.approx(expected, rel=0.02)


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


def test_log_intensity_of_nothing_and_of_unfinite_values():
    assert log_intensity([])[0].size == 0
    assert log_intensity([-1, 0])[0].size == 0
    logs, shift = log_intensity([1, np.e, np.nan, np.inf])
    assert shift == 0
    np.testing.assert_allclose(logs, [0, 1])


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
def test_melanoma_thresholds_equal_those_of_other_programs():
    values, tumour = _melanoma()
    values = values[tumour]
    kept = np.log(values[values >= np.quantile(values, 0.005)])
    other = SklearnMixture(2, n_init=5, random_state=0, tol=1e-6, max_iter=2000)
    other.fit(kept[:, None])
    grid = np.linspace(*np.sort(other.means_.ravel()), 5000)
    upper = int(np.argmax(other.means_))
    crossing = grid[np.argmax(other.predict(grid[:, None]) == upper)]
    found = GaussianMixture()(values)
    assert isinstance(found, Threshold)
    assert found.value == pytest.approx(np.exp(crossing), rel=0.02)
    assert Otsu()(values).value == pytest.approx(np.exp(threshold_otsu(kept)), rel=0.02)


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
