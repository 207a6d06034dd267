"""Membranes: whole, stained in part, shared; levels that overlap as those of real cells do."""

from dataclasses import replace

import numpy as np
import pytest

from immunescape.simulate import SCENARIOS, FieldParams, simulate_field
from immunescape.simulate.levels import STAINS, draw_levels
from immunescape.simulate.membranes import faced_share, outermost, rim_shares, stained_rim
from tests.real_data import DATA, needs

SMALL = FieldParams(width_um=300, height_um=300)


def disc(radius=20):
    y, x = np.indices((2 * radius + 11,) * 2) - (radius + 5)
    return (y**2 + x**2 <= radius**2).astype(np.int32)


@pytest.fixture(scope="module")
def fields():
    return {
        name: simulate_field(SMALL, name, seed=4, name="rims")
        for name in ("baseline", "response", "relapse")
    }


def best_error(value, positive):
    """Share of wrong calls at the best of all thresholds."""
    order = np.argsort(value)
    low = positive[order]
    missed = np.concatenate([[0], np.cumsum(low)])
    false = (~low).sum() - np.concatenate([[0], np.cumsum(~low)])
    return (missed + false).min() / len(value)


def rim_means(field, channel):
    """Mean of a channel over the outermost µm of each cell, by plain averaging."""
    rim = outermost(field.cells, 2)
    plane, labels = field.image[channel][rim].astype(float), field.cells[rim]
    n = len(field.truth.cells)
    return (
        np.bincount(labels, plane, n + 1)[1:] / np.maximum(np.bincount(labels, None, n + 1), 1)[1:]
    )


@pytest.mark.parametrize("share", [0.0, 0.2, 0.37, 0.6, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_arcs_cover_their_share_of_the_rim_in_one_or_two_pieces(share, seed):
    cells = disc()
    rim = outermost(cells, 2)
    stained = stained_rim(cells, rim, np.array([share]), np.random.default_rng(seed))
    assert not (stained & ~rim).any()
    assert stained.sum() / rim.sum() == pytest.approx(share, abs=0.02)
    rows, columns = np.nonzero(rim)
    order = np.argsort(np.arctan2(rows - 25, columns - 25), kind="stable")
    around = stained[rows[order], columns[order]]
    changes = np.count_nonzero(around != np.roll(around, 1))
    assert changes == 0 if share in (0.0, 1.0) else changes in (2, 4)


def test_a_third_of_the_positive_stain_a_fifth_to_three_fifths_of_their_rim():
    positive = np.arange(30000) % 3 > 0
    share = rim_shares(positive, 0.33, np.random.default_rng(1))
    assert (share[~positive] == 0).all()
    partial = share[positive & (share < 1)]
    assert len(partial) / positive.sum() == pytest.approx(0.33, abs=0.01)
    assert partial.min() >= 0.2 and partial.max() <= 0.6
    assert partial.mean() == pytest.approx(0.4, abs=0.005)
    assert (rim_shares(positive, 0.0, np.random.default_rng(1)) == positive).all()


def test_faced_share_by_hand():
    cells = np.array(
        [
            [0, 0, 2, 2, 0, 0],
            [0, 0, 2, 2, 0, 0],
            [3, 3, 1, 1, 0, 4],
            [3, 3, 1, 1, 0, 4],
            [0, 0, 0, 0, 0, 0],
        ],
        np.int32,
    )
    # cell 1 has eight edges: two face 2, two 3, two 4 across one pixel, two the glass
    assert faced_share(cells, np.array([0, 1, 0, 0], bool), 0)[0] == pytest.approx(2 / 8)
    assert faced_share(cells, np.array([0, 1, 1, 1], bool), 0)[0] == pytest.approx(4 / 8)
    assert faced_share(cells, np.array([0, 1, 1, 1], bool), 1)[0] == pytest.approx(6 / 8)
    assert faced_share(cells, np.array([1, 0, 0, 0], bool), 0).tolist() == [
        0, pytest.approx(2 / 6), pytest.approx(2 / 6), 0,
    ]  # fmt: skip


def test_partial_membranes_are_dark_along_the_rest(fields):
    field = fields["response"]
    cells = field.truth.cells
    bright, dark = [], []
    plane, rim = field.image[2].astype(float), outermost(field.cells, 2)
    alone = cells["pdl1_positive"] & (cells["encircled"] < 0.1)
    for label in cells.loc[alone & (cells["pdl1_rim_share"] < 1), "label"]:
        values = plane[rim & (field.cells == label)]
        low, high = np.quantile(values, [0.2, 0.9])
        dark.append(low), bright.append(high)
    whole = cells.loc[alone & (cells["pdl1_rim_share"] == 1), "label"]
    lows = [np.quantile(plane[rim & (field.cells == k)], 0.2) for k in whole]
    assert len(dark) > 10 and len(lows) > 10
    assert np.median(dark) - 100 < 0.35 * (np.median(bright) - 100)
    assert np.median(lows) > 1.3 * np.median(dark)


def test_some_negative_tumour_cells_are_encircled_and_none_where_none_may_answer(fields):
    cells = fields["response"].truth.cells
    negative = cells[(cells["kind"] == "tumour") & ~cells["pdl1_positive"]]
    assert 0.04 < (negative["encircled"] > 0.5).mean() < 0.4
    usual, without = (
        simulate_field(replace(SMALL, encircled_fraction=f), "baseline", 4, "rims").truth.cells
        for f in (0.1, 0.0)
    )
    most = [
        np.quantile(c["encircled"][(c["kind"] == "tumour") & ~c["pdl1_positive"]], 0.97)
        for c in (usual, without)
    ]
    assert most[0] > most[1] + 0.1
    assert (usual["pdl1_positive"] >= without["pdl1_positive"]).all()
    silent = replace(
        SCENARIOS["relapse"], pdl1_tumour=(0.0, 0.0, 0.0), name="no PD-L1+ tumour cell"
    )
    cells = simulate_field(SMALL, silent, 4).truth.cells
    assert not cells.loc[cells["kind"] == "tumour", "pdl1_positive"].any()
    assert cells["pdl1_positive"].sum() > 20


def test_even_the_best_threshold_on_true_labels_errs(fields):
    value = np.concatenate([rim_means(f, 2) for f in fields.values()])
    positive = np.concatenate([f.truth.cells["pdl1_positive"] for f in fields.values()])
    assert 0.03 < best_error(value, positive) < 0.08
    cd8 = np.concatenate([rim_means(f, 1) for f in fields.values()])
    truly = np.concatenate([f.truth.cells["cd8_positive"] for f in fields.values()])
    assert best_error(cd8, truly) < 0.01


@needs("iris", "fields", "MEL2_2_cell_seg_data.txt")
def test_negative_membranes_spread_about_their_median_as_real_ones_do(fields):
    import pandas as pd

    ratios = []
    for name in ("MEL2_2", "MEL2_7"):
        table = pd.read_csv(DATA / "iris" / "fields" / f"{name}_cell_seg_data.txt", sep="\t")
        (column,) = (c for c in table if c.startswith("Membrane PDL1 Mean"))
        value = table.loc[table["Phenotype"] == "SOX10+", column].astype(float)
        negative = value[value <= 3.64]  # the published gate
        ratios.append(negative.quantile([0.05, 0.25, 0.75, 0.95]) / negative.median())
    low, high = np.minimum(*ratios) * 0.8, np.maximum(*ratios) * 1.2
    pixels, negative = [], []
    for field in fields.values():
        pixels.append(rim_means(field, 2) - 106)  # the stored value of an empty image
        negative.append(
            (field.truth.cells["kind"] == "tumour") & ~field.truth.cells["pdl1_positive"]
        )
    values = np.concatenate(pixels)[np.concatenate(negative)]
    ours = np.quantile(values, [0.05, 0.25, 0.75, 0.95]) / np.median(values)
    assert (ours > low).all() and (ours < high).all(), (ours, low, high)


def test_levels_are_as_set():
    positive = np.arange(40000) % 2 == 0
    stain = STAINS["PD-L1"]
    specific, unspecific = draw_levels(positive, stain, SMALL, np.random.default_rng(3))
    assert (specific[~positive] == 0).all()
    assert np.median(specific[positive]) == pytest.approx(1, rel=0.02)
    spread = SMALL.stain_spread * stain.spread
    assert np.log(specific[positive]).std() == pytest.approx(spread, rel=0.02)
    plain = draw_levels(
        positive, stain, replace(SMALL, unspecific_fraction=0.0), np.random.default_rng(3)
    )[1]
    assert np.median(plain) == pytest.approx(stain.unspecific, rel=0.02)
    assert (unspecific >= plain - 1e-12).all()
    assert (unspecific > plain).mean() == pytest.approx(SMALL.unspecific_fraction, abs=0.01)
