import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate

from immunescape.margin import GridMask, number_pieces, rasterise
from immunescape.margin.interface import grid_distance_um


def drawn(text: str) -> np.ndarray:
    return np.array([[c == "#" for c in row] for row in text.split()])


@pytest.mark.parametrize("frame", [(5.0, 4.0), (1.3, 0.7), (690.432, 515.84), (2.0, 100.1)])
def test_a_full_mask_has_the_area_of_the_frame(frame):
    assert GridMask.whole(frame, 2.0).area_um2() == pytest.approx(frame[0] * frame[1], rel=1e-12)


def test_the_last_row_and_column_are_cut_by_the_frame():
    grid = GridMask(drawn("..# ... #.."), 2.0, (5.0, 4.5))
    assert grid.area_um2() == 2.0 * 1.0 + 2.0 * 0.5
    assert grid.x_um.tolist() == [1.0, 3.0, 4.5]
    assert grid.y_um.tolist() == [1.0, 3.0, 4.25]


def test_points_find_their_cell_and_none_beyond_the_frame():
    grid = GridMask(drawn("#. .#"), 2.0, (4.0, 4.0))
    points = np.array([[0, 0], [1.99, 1.99], [2, 0], [4, 4], [4.1, 4], [-0.1, 0]])
    assert grid.at(points).tolist() == [True, True, False, True, False, False]


def test_a_mask_that_does_not_fit_the_frame_is_refused():
    with pytest.raises(ValueError, match="not \\(2, 2\\)"):
        GridMask(np.ones((2, 2), bool), 2.0, (5.0, 4.0))


POINTS = st.tuples(st.integers(-200, 600), st.integers(-200, 600)).map(
    lambda xy: (xy[0] / 10, xy[1] / 10)
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(POINTS, min_size=3, max_size=9),
    st.lists(POINTS, min_size=3, max_size=9),
)
def test_rasterised_cells_are_those_whose_middle_the_area_covers(outer, hole):
    area = shapely.make_valid(shapely.Polygon(outer), method="structure", keep_collapsed=False)
    cut = shapely.make_valid(shapely.Polygon(hole), method="structure", keep_collapsed=False)
    area = area.difference(cut)
    grid = GridMask.whole((41.0, 33.3), 2.0)
    x, y = np.meshgrid(grid.x_um, grid.y_um)
    truth = shapely.intersects_xy(area, x, y)
    clear = shapely.distance(shapely.boundary(area), shapely.points(x, y)) > 1e-6
    clear |= area.is_empty
    assert np.array_equal(rasterise(area, grid).mask[clear], truth[clear])


def test_pieces_are_numbered_by_size_and_joined_by_corners():
    grid = GridMask(drawn("#..## ...## ..#.. #...."), 1.0, (5.0, 4.0))
    assert number_pieces(grid).tolist() == [
        [2, 0, 0, 1, 1],
        [0, 0, 0, 1, 1],
        [0, 0, 1, 0, 0],
        [3, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("grid_um", [0.7, 2.0, 5.0])
@pytest.mark.parametrize("angle", [0, 13, 45, 71])
def test_distances_on_the_grid_are_to_the_line_and_not_to_the_cell_it_passes(angle, grid_um):
    """Without a half-step correction they would be off by up to half a grid step everywhere."""
    line = rotate(shapely.LineString([(61.3, -200), (61.3, 300)]), angle, origin=(61.3, 40.1))
    grid = GridMask.whole((120.0, 90.5), grid_um)
    interface = shapely.MultiLineString([line.intersection(shapely.box(0, 0, 120, 90.5))])
    found = np.concatenate([far for _, far in grid_distance_um(interface, grid, rows_at_once=7)])
    true = shapely.distance(interface, shapely.points(*np.meshgrid(grid.x_um, grid.y_um)))
    assert found.shape == grid.mask.shape
    off = np.abs(found - true)
    assert off.max() < grid_um / 4
    assert off[true > 2 * grid_um].max() < grid_um / 16
