import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from immunescape.io.masks import line_from_mask, polygons_from_mask


def drawn(text: str) -> np.ndarray:
    return np.array([[c != "." for c in row] for row in text.split()])


def test_outlines_follow_pixel_edges_and_keep_holes():
    area = polygons_from_mask(drawn("..... .###. .#.#. .###."), 2.0)
    assert area.area == 8 * 4
    assert area.bounds == (2, 2, 8, 8)
    assert shapely.equals(area, shapely.box(2, 2, 8, 8) - shapely.box(4, 4, 6, 6))


def test_an_island_in_a_hole_and_pixels_that_touch_by_a_corner():
    area = polygons_from_mask(drawn("##### #...# #.#.# #...# ##### .....#"[:29]), 1.0)
    assert sorted(p.area for p in area.geoms) == [1, 16]
    assert len(polygons_from_mask(drawn("#. .#"), 1.0).geoms) == 2


def test_an_empty_mask_gives_nothing():
    assert polygons_from_mask(np.zeros((4, 4), bool), 1.0).is_empty
    assert line_from_mask(np.zeros((4, 4), bool), 1.0).is_empty


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)),
    st.sampled_from([1, 0.5]),
)
def test_the_area_holds_just_the_pixels(mask, pixel):
    area = polygons_from_mask(mask, pixel)
    assert area.is_valid
    assert area.area == pytest.approx(mask.sum() * pixel**2)
    y, x = np.indices(mask.shape)
    inside = shapely.intersects_xy(area, (x + 0.5) * pixel, (y + 0.5) * pixel)
    assert np.array_equal(inside, mask)


def test_a_line_runs_through_pixel_centres():
    line = line_from_mask(drawn("..... .###. ....."), 2.0)
    assert shapely.equals(line, shapely.MultiLineString([[(3, 3), (7, 3)]]))


def test_a_thick_stroke_gives_its_middle():
    stroke = np.zeros((40, 100), bool)
    stroke[17:24, 10:90] = True
    line = line_from_mask(stroke, 0.5)
    middle = shapely.LineString([(10, 10.25), (40, 10.25)])
    assert line.length == pytest.approx(37, abs=4)
    assert line.hausdorff_distance(middle) < 4


def test_a_diagonal_has_no_triangles():
    assert line_from_mask(np.eye(6, dtype=bool), 1.0).length == pytest.approx(5 * np.sqrt(2))
