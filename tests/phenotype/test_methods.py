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
    Group,
    NoThreshold,
    Otsu,
    Slidemate,
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
    "noise cut at 0": lambda draw, n: np.maximum(draw.normal(0, 1, n), 0),
    "spill of neighbours": lambda draw, n: (
        draw.lognormal(2, 0.3, n) + np.where(draw.random(n) < 0.2, draw.exponential(3, n), 0)
    ),
    "two kinds of noise": lambda draw, n: draw.normal(100, np.where(np.arange(n) < n / 4, 9, 5)),
    "whole numbers": lambda draw, n: np.round(draw.normal(112, 2, n)),
    "ratios of ion counts": lambda draw, n: (
        1 + draw.binomial(m := draw.integers(8, 40, n), 0.3) / m
    ),
    "empty cells": lambda draw, n: np.where(draw.random(n) < 0.3, 0.0, draw.lognormal(2, 0.4, n)),
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
def test_one_population_is_not_split_however_skewed(kind, n):
    for seed in range(3):
        values = SKEWED[kind](np.random.default_rng(seed), n)
        for method in (GaussianMixture(), Tail()):
            found = method(values)
            assert isinstance(found, NoThreshold), (seed, found)


@pytest.mark.parametrize("kind", ["lognormal", "spill of neighbours", "noise cut at 0"])
def test_otsu_splits_no_population_that_the_mixture_does_not(kind):
    values = SKEWED[kind](np.random.default_rng(0), 2000)
    assert Otsu()(values) == NoThreshold("no second population")


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
    offset=st.floats(-1e4, 1e5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=12, deadline=None)
def test_unit_and_offset_of_intensity_and_the_order_of_cells_change_no_call(
    share, factor, offset, seed
):
    draw = np.random.default_rng(seed)
    values, _ = two(draw, 600, share)
    order = draw.permutation(len(values))
    moved = values[order] * factor + offset
    for method in (GaussianMixture(), Otsu(), Tail()):
        found, other = method(values), method(moved)
        assert type(found) is type(other)
        if isinstance(found, Threshold):
            calls = values[order] > found.value
            assert np.sum(calls != (moved > other.value)) <= 1


@pytest.mark.parametrize("offset", [500.0, -90.0])
def test_a_cameras_offset_changes_neither_gate_nor_control(offset):
    draw = np.random.default_rng(3)
    tumour = 100 + np.concatenate([draw.lognormal(3, 0.4, 700), draw.lognormal(3.9, 0.4, 200)])
    rest = 100 + np.concatenate([draw.lognormal(3, 0.4, 400), draw.lognormal(5.5, 0.4, 200)])
    for own, control in ((tumour, rest), (rest, tumour), (tumour[:700], rest)):
        gates = [
            fit_gate(own + by, control + by, GateSpec("pdl1"), "x", parent="tumour")
            for by in (0.0, offset)
        ]
        assert gates[0].source == gates[1].source
        assert gates[0].threshold + offset == pytest.approx(gates[1].threshold, rel=1e-4)


@pytest.mark.parametrize("floor", [0.0, 1.0])
def test_cells_at_the_floor_of_the_data_take_no_part(floor):
    draw = np.random.default_rng(0)
    dim, bright = draw.lognormal(0, 0.4, 1500), draw.lognormal(2, 0.4, 500)
    values = floor + np.concatenate([np.zeros(600), [-0.5], dim, bright])
    found = GaussianMixture()(values)
    without = GaussianMixture()(floor + np.concatenate([dim, bright]))
    assert found.value == pytest.approx(without.value, rel=0.02)


def test_a_lattice_of_whole_numbers_moves_a_threshold_by_less_than_its_step():
    values, _ = two(np.random.default_rng(0), 3000, 0.3, low=3.0, high=4.6)
    exact, rounded = GaussianMixture()(values), GaussianMixture()(np.round(values))
    assert abs(exact.value - rounded.value) < 1


def test_one_cell_brighter_than_all_others_together_hides_nothing():
    values, positive = two(np.random.default_rng(0), 3000, 0.3)
    found = GaussianMixture()(np.append(values, 1e30))
    assert np.mean((values > found.value) != positive) < 0.06


@pytest.mark.parametrize("seed", range(3))
def test_positive_cells_stained_in_part_are_counted_within_four_points(seed):
    """A third of the positive cells stain 20 to 60 % of their rim: the best gate errs too."""
    draw = np.random.default_rng(seed)
    n = 3000
    positive = draw.random(n) < 0.4
    part = np.where(draw.random(n) < 0.33, draw.uniform(0.2, 0.6, n), 1.0)
    light = np.where(positive, part * draw.lognormal(5, 0.4, n), 0)
    values = 100 + draw.lognormal(3.2, 0.35, n) + light
    best = min(
        np.mean((values > t) != positive) for t in np.quantile(values, np.arange(0.4, 1, 0.005))
    )
    found = GaussianMixture()(values)
    assert np.mean((values > found.value) != positive) < best + 0.015
    assert abs(np.mean(values > found.value) - positive.mean()) < 0.04


def test_a_million_cells_have_the_threshold_of_a_few_thousand():
    few, _ = two(np.random.default_rng(0), 4000, 0.3)
    many, _ = two(np.random.default_rng(1), 1_000_000, 0.3)
    thresholds = [GaussianMixture()(v).value for v in (few, many)]
    assert thresholds[0] == pytest.approx(thresholds[1], rel=0.05)


def _melanoma():
    """PD-L1 of the cells of two fields, which of them are tumour cells, and which field's."""
    names = ("MEL2_2", "MEL2_7")
    tables = [
        pd.read_csv(DATA / "iris" / "fields_r" / f"{name}_cell_seg_data.txt", sep="\t")
        for name in names
    ]
    table = pd.concat(tables, ignore_index=True)
    pdl1 = next(c for c in table if c.startswith("Membrane PD-Ligand-1") and "Mean" in c)
    tumour = (table["Phenotype"] == "SOX10+").to_numpy()
    return table[pdl1].to_numpy(float), tumour, np.repeat(names, [len(t) for t in tables])


@needs("iris", "fields_r")
def test_melanoma_populations_equal_those_of_another_program():
    values, tumour, _ = _melanoma()
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
def test_melanoma_tumour_cells_have_the_gate_of_the_other_cells():
    """No valley parts them: beside the other cells, those above 1.5 look like a tail."""
    values, tumour, _ = _melanoma()
    gates = {
        parent: fit_gate(
            values[own], values[~own], GateSpec("pdl1"), "pdl1", GateParams(), parent=parent
        )
        for parent, own in (("tumour", tumour), ("non_tumour", ~tumour))
    }
    assert {gate.source for gate in gates.values()} == {"slide:non_tumour"}
    assert gates["tumour"].threshold == gates["non_tumour"].threshold
    assert 2 < gates["tumour"].threshold < 3.64  # where a person put it
    assert "a tail of the negative ones" in gates["tumour"].note


@needs("iris", "fields_r")
def test_two_fields_of_melanoma_share_the_gate_of_their_other_cells():
    """Alone one field has a threshold without a valley; what both say together overrules it."""
    values, tumour, field = _melanoma()
    mates = [
        Slidemate(Group(values[tumour & here]), Group(values[~tumour & here]))
        for here in (field == name for name in np.unique(field))
    ]
    gates = [
        fit_gate(one.own, one.control, GateSpec("pdl1", "tumour"), "pdl1", others=[other])
        for one, other in (mates, mates[::-1])
    ]
    assert {gate.source for gate in gates} == {"patient:non_tumour"}
    assert gates[0].threshold == pytest.approx(gates[1].threshold, rel=0.01)
    assert 2 < gates[0].threshold < 3.64
