import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.spatial import count_within, nearest_distance_um, pairs_within, touches_within
from tests.real_data import DATA, needs

NOTHING = np.zeros((0, 2))


def cloud(seed, n):
    return np.random.default_rng(seed).integers(0, 30, (n, 2)).astype(float)


def table(a, b):
    return np.hypot(*np.moveaxis(a[:, None] - b[None], -1, 0))


def test_nearest_of_a_drawing():
    # x at 0 and 10 on a line, targets at 4 and 20.
    found = nearest_distance_um([[0, 0], [10, 0]], [[4, 0], [20, 0]])
    assert found.tolist() == [4, 6]


def test_nearest_among_themselves_leaves_the_point_itself_out():
    points = [[0, 0], [3, 4], [3, 4], [0, 1]]
    assert nearest_distance_um(points, points, same=True).tolist() == [1, 0, 0, 1]
    assert nearest_distance_um(points, points).tolist() == [0, 0, 0, 0]


def test_nearest_of_nothing_is_missing():
    assert np.isnan(nearest_distance_um([[0, 0], [1, 1]], NOTHING)).all()
    assert np.isnan(nearest_distance_um([[0, 0]], [[0, 0]], same=True)).all()
    assert nearest_distance_um(NOTHING, [[0, 0]]).shape == (0,)
    assert nearest_distance_um([], []).shape == (0,)


def test_the_same_points_are_as_many():
    with pytest.raises(ValueError, match="as many"):
        nearest_distance_um([[0, 0]], [[0, 0], [1, 1]], same=True)


def test_the_radius_itself_counts():
    a, b = [[0.0, 0.0]], [[3.0, 4.0]]
    assert pairs_within(a, b, 5.0).tolist() == [[0, 0]]
    assert pairs_within(a, b, 4.999).shape == (0, 2)
    assert count_within(a, b, 5.0).tolist() == [1]
    assert touches_within(a, b, 5.0).tolist() == [True]


def test_counting_among_themselves():
    points = [[0, 0], [1, 0], [9, 9]]
    assert count_within(points, points, 2.0, same=True).tolist() == [1, 1, 0]
    assert touches_within(points, points, 2.0, same=True).tolist() == [True, True, False]


def test_nothing_is_near_nothing():
    assert count_within([[0, 0]], NOTHING, 5.0).tolist() == [0]
    assert count_within(NOTHING, [[0, 0]], 5.0).shape == (0,)
    assert pairs_within(NOTHING, [[0, 0]], 5.0).shape == (0, 2)
    assert pairs_within([[0, 0]], NOTHING, 5.0).shape == (0, 2)
    assert touches_within([[0, 0]], NOTHING, 5.0).tolist() == [False]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), m=st.integers(1, 30))
def test_all_equal_the_full_table(seed, n, m):
    a, b = cloud(seed, n), cloud(seed + 1, m)
    full = table(a, b)
    np.testing.assert_allclose(nearest_distance_um(a, b), full.min(axis=1))
    for radius in (0.0, 1.0, 5.0, 13.0):
        near = full <= radius
        assert pairs_within(a, b, radius).tolist() == np.argwhere(near).tolist()
        assert count_within(a, b, radius).tolist() == near.sum(axis=1).tolist()
        assert touches_within(a, b, radius).tolist() == near.any(axis=1).tolist()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), scale=st.sampled_from([1e-4, 0.1, 1e6]))
def test_pairs_among_themselves_stand_in_both_directions(seed, n, scale):
    points = cloud(seed, n) * scale
    wanted = np.linalg.norm(cloud(seed, n)[:, None] - cloud(seed, n)[None], axis=2)
    for radius in (0.5, 1.5, 5.5, 100.5):  # no distance between whole numbers is one of these
        near = wanted <= radius
        assert pairs_within(points, points, radius * scale).tolist() == np.argwhere(near).tolist()
        found = count_within(points, points, radius * scale, same=True)
        assert found.tolist() == (near.sum(axis=1) - 1).tolist()


def test_few_points_far_apart_and_many_in_one_place():
    far = [[0.0, 0.0], [3e9, 1.0], [3e9, 1.5], [-2e9, 7e8]]
    assert pairs_within(far, far, 1.0).tolist() == [[0, 0], [1, 1], [1, 2], [2, 1], [2, 2], [3, 3]]
    assert pairs_within([[1e300, 0.0]], far, 1.0).shape == (0, 2)
    crowd = np.zeros((90, 2))
    assert count_within(crowd, crowd, 0.0, same=True).tolist() == [89] * 90
    assert pairs_within(crowd, crowd, 0.0).tolist() == np.argwhere(np.ones((90, 90))).tolist()
    assert count_within(crowd, crowd, float("inf")).tolist() == [90] * 90


def test_a_place_that_is_no_number_is_an_error():
    for nowhere in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            count_within([[0.0, nowhere]], [[0.0, 0.0]], 1.0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(2, 30))
def test_scaling_and_shifting(seed, n):
    a = cloud(seed, n)
    once = nearest_distance_um(a, a, same=True)
    full = table(a, a) + np.diag(np.full(n, np.inf))
    np.testing.assert_allclose(once, full.min(axis=1))
    np.testing.assert_allclose(nearest_distance_um(2 * a + 7, 2 * a + 7, same=True), 2 * once)


@needs("inform", "FIHC4__0929309_HP_IM3_2_cell_seg_data.txt")
def test_lymphocytes_within_40_um_are_those_that_phenoptr_counts():
    cells = pd.read_csv(DATA / "inform" / "FIHC4__0929309_HP_IM3_2_cell_seg_data.txt", sep="\t")
    points = cells[["Cell X Position", "Cell Y Position"]].to_numpy(float) * 0.497
    helper = points[cells["Phenotype"] == "Helper T"]
    cytotoxic = points[cells["Phenotype"] == "Cytotoxic T"]
    assert (len(helper), len(cytotoxic)) == (15, 6)
    assert touches_within(helper, cytotoxic, 40.0).sum() == 8
    assert len(pairs_within(helper, cytotoxic, 40.0)) == 23
