import numpy as np
import pytest
from scipy import stats

from immunescape.spatial.permutation import permutation_p, relabelling_strata

DRAWS = 199


def test_strata_are_bands_within_blocks_of_50_um():
    points = [[10, 10], [49, 49], [51, 10], [10, 10], [-1, 10]]
    found = relabelling_strata(points, [0, 0, 0, 1, 0])
    assert found[0] == found[1]
    assert len(set(found[[0, 2, 3, 4]])) == 4


def toy(rng, pairs=150, effect=0.0, negative_cd8=False):
    """Cells in couples of a tumour cell and one other cell; five couples a stratum."""
    n = 2 * pairs
    tumour = np.arange(n) < pairs
    a, b = np.arange(pairs), np.arange(pairs) + pairs
    stratum = np.concatenate([np.arange(pairs) // 5] * 2)
    cd8 = np.zeros(n, bool)
    for s in range(pairs // 5):
        cd8[pairs + 5 * s + rng.choice(5, 2, replace=False)] = True
    positive = rng.random(n) < 0.4
    positive[:pairs] |= cd8[pairs:] & (rng.random(pairs) < effect)
    if negative_cd8:
        positive[cd8] = False
    return a, b, cd8, ~tumour, stratum, np.where(positive, 1, 2), np.where(tumour, 0, -1)


def test_p_is_uniform_where_labels_are_exchangeable():
    rng = np.random.default_rng(3)
    found = np.array([permutation_p(*toy(rng), [[1]], seed=i, draws=DRAWS)[0] for i in range(400)])
    assert np.allclose(found * (DRAWS + 1), np.round(found * (DRAWS + 1)))
    # Ties make p larger, never smaller.
    assert stats.kstest(found, "uniform", alternative="greater").pvalue > 1e-3
    assert (found <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert (found <= 0.3).mean() > 0.15


def test_an_effect_is_found_and_smallest_p_is_one_in_draws_and_one():
    rng = np.random.default_rng(4)
    p = permutation_p(*toy(rng, 300, effect=0.9), [[1]], seed=0, draws=999)
    assert p[0] == pytest.approx(1 / 1000)


def test_both_directions_count():
    rng = np.random.default_rng(5)
    a, b, cd8, free, stratum, pdl1, group = toy(rng, 300, effect=0.9)
    turned = 3 - pdl1
    p = permutation_p(a, b, cd8, free, stratum, turned, group, [[1]], seed=0, draws=999)
    assert p[0] == pytest.approx(1 / 1000)


def test_every_relabelling_of_a_tiny_slide():
    # One stratum of four other cells, one of them CD8; tumour cell i touches other cell i and is
    # positive only beside the CD8 T cell. Of four labellings one is as far as what is seen.
    a, b = np.arange(4), np.arange(4) + 4
    cd8 = np.arange(8) == 4
    pdl1 = np.where(np.arange(8) == 0, 1, 2)
    group = np.where(np.arange(8) < 4, 0, -1)
    free = np.arange(8) >= 4
    p = permutation_p(a, b, cd8, free, np.zeros(8), pdl1, group, [[1]], seed=1, draws=9999)
    assert p[0] == pytest.approx(0.25, abs=0.02)


def test_nothing_to_relabel_gives_one():
    a, b = np.arange(4), np.arange(4) + 4
    cd8 = np.arange(8) >= 6
    pdl1 = np.where(np.arange(8) < 2, 1, 2)
    group = np.where(np.arange(8) < 4, 0, -1)
    free = np.arange(8) >= 4
    each_alone = permutation_p(a, b, cd8, free, np.arange(8), pdl1, group, [[1]], draws=99)
    assert each_alone[0] == 1
    no_cells = [np.zeros(0, t) for t in (int, int, bool, bool, int, int, int)]
    assert permutation_p(*no_cells, [[1]], draws=99)[0] == 1


def test_tables_are_sums_of_groups():
    rng = np.random.default_rng(6)
    a, b, cd8, free, stratum, pdl1, group = toy(rng, 200, effect=0.5)
    half = np.where(group == 0, np.arange(len(group)) % 2, -1)
    both = permutation_p(a, b, cd8, free, stratum, pdl1, half, [[1, 1], [1, 0], [0, 1]], seed=2)
    whole = permutation_p(a, b, cd8, free, stratum, pdl1, group, [[1]], seed=2)
    assert both[0] == whole[0]
    only = permutation_p(a, b, cd8, free, stratum, pdl1, np.where(half == 1, 0, -1), [[1]], seed=2)
    assert both[2] == only[0]


def test_seed_decides():
    arguments = toy(np.random.default_rng(7), effect=0.1)
    one, same, other = (permutation_p(*arguments, [[1]], seed=s, draws=DRAWS)[0] for s in (1, 1, 2))
    assert one == same
    assert other == pytest.approx(one, abs=0.2)


def test_others_that_touch_are_judged_without_the_pdl1_of_cd8_t_cells():
    # CD8 T cells are all PD-L1-negative, other cells positive by chance alone: no effect.
    rng = np.random.default_rng(8)
    found = []
    for i in range(200):
        n = 120
        points = rng.random((n, 2)) * 60
        near = np.argwhere(
            np.triu(np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1)) < 6, 1)
        )
        cd8 = rng.random(n) < 0.3
        pdl1 = np.where(~cd8 & (rng.random(n) < 0.5), 1, 2)
        p = permutation_p(
            near[:, 0], near[:, 1], cd8, np.ones(n, bool), np.zeros(n), pdl1,
            np.where(cd8, -1, 0), [[1]], seed=i, draws=99,
        )  # fmt: skip
        found.append(p[0])
    assert (np.array(found) <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
