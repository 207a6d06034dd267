import numpy as np
import pytest
import shapely
from scipy.spatial import cKDTree

from immunescape.margin import GridMask, TumourParams, derive_tumour, map_margin
from immunescape.regions import Regions

FRAME = (1000.0, 1000.0)
WHOLE = GridMask.whole(FRAME)


def cells_in(region, seed: int, per_mm2: float = 4500.0) -> np.ndarray:
    """Centroids at least 7 µm apart, as cells lie."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 1000, (int(6 * per_mm2), 2))
    keep = np.ones(len(points), bool)
    for i, j in sorted(cKDTree(points).query_pairs(7)):
        if keep[i]:
            keep[j] = False
    points = points[keep][: int(per_mm2)]
    return points[shapely.intersects_xy(region, points[:, 0], points[:, 1])]


@pytest.mark.parametrize("radius", [100, 200, 300])
def test_the_radius_of_a_disc_is_right(radius):
    disc = shapely.Point(500, 500).buffer(radius)
    stray = np.random.default_rng(0).uniform(0, 1000, (60, 2))
    found = derive_tumour(np.concatenate([cells_in(disc, 1), stray]), WHOLE)
    assert len(found.geoms) == 1
    assert np.sqrt(found.area / np.pi) == pytest.approx(radius, rel=0.05)
    assert found.symmetric_difference(disc).area < 0.15 * disc.area


def test_an_infiltrated_tumour_does_not_shrink():
    disc = shapely.Point(500, 500).buffer(300)
    points = cells_in(disc, 2)
    rng = np.random.default_rng(3)
    thinned = points[rng.random(len(points)) < 0.45]
    assert np.sqrt(derive_tumour(thinned, WHOLE).area / np.pi) == pytest.approx(300, rel=0.05)
    right = points[:, 0] > 500
    mixed = derive_tumour(points[~right | (rng.random(len(points)) < 0.55)], WHOLE)
    infiltrated = mixed.intersection(shapely.box(500, 0, 1000, 1000))
    assert np.sqrt(2 * infiltrated.area / np.pi) == pytest.approx(300, rel=0.08)


@pytest.mark.parametrize("per_mm2", [800, 1200, 2000])
def test_a_sparse_tumour_does_not_fall_apart(per_mm2):
    """Cells at random, without even the order that their size brings."""
    disc = shapely.Point(500, 500).buffer(300)
    points = np.random.default_rng(per_mm2).uniform(0, 1000, (per_mm2, 2))
    points = points[shapely.intersects_xy(disc, *points.T)]
    found = derive_tumour(points, WHOLE)
    assert found.intersection(disc).area / found.union(disc).area > 0.8
    assert len(found.geoms) == 1
    assert len(found.geoms[0].interiors) <= 1


def test_a_large_hole_stays_and_a_small_one_is_filled():
    disc = shapely.Point(500, 500).buffer(300)
    ring = disc.difference(shapely.Point(500, 500).buffer(100))
    found = derive_tumour(cells_in(ring, 4), WHOLE)
    assert [len(p.interiors) for p in found.geoms] == [1]
    assert found.area == pytest.approx(ring.area, rel=0.05)
    filled = derive_tumour(cells_in(ring, 4), WHOLE, TumourParams(min_hole_um2=50_000))
    assert filled.area == pytest.approx(disc.area, rel=0.05)


def test_a_tumour_that_leaves_the_frame_ends_at_the_frame():
    half = shapely.box(-10, -10, 400, 1010)
    found = derive_tumour(cells_in(half, 5), WHOLE)
    assert found.bounds[:2] == (0, 0)
    assert found.bounds[3] == 1000
    assert found.area == pytest.approx(400_000, rel=0.02)
    mapped = map_margin(WHOLE, Regions(), found, "derived")
    assert mapped.areas.margin_length_mm == pytest.approx(1.0, rel=0.08)


def test_at_the_free_edge_of_the_section_there_is_no_margin():
    mask = WHOLE.mask.copy()
    mask[:, 200:] = False
    tissue = WHOLE.with_mask(mask)
    found = derive_tumour(cells_in(shapely.box(0, 0, 400, 1000), 6), tissue)
    mapped = map_margin(tissue, Regions(), found, "derived")
    assert mapped.areas.areas_mm2["tumour"] == pytest.approx(0.4, rel=0.001)
    assert mapped.areas.margin_length_mm == 0
    assert "margin" in mapped.areas.not_evaluable


def test_without_a_tumour_the_region_is_empty():
    assert derive_tumour(np.zeros((0, 2)), WHOLE).is_empty
    stray = np.random.default_rng(7).uniform(0, 1000, (150, 2))
    assert derive_tumour(stray, WHOLE).is_empty
    nowhere = WHOLE.with_mask(np.zeros_like(WHOLE.mask))
    assert derive_tumour(stray, nowhere).is_empty
