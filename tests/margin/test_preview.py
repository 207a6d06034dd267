"""The margin as it is seen while it is set shows what will be counted."""

import numpy as np
import pytest
import shapely

from immunescape.margin import GridMask, MarginParams, map_margin
from immunescape.margin.preview import INNER, OUTER, margin_ground
from immunescape.regions import Regions

FRAME = (600.0, 400.0)
WHOLE = GridMask.whole(FRAME)
LEFT = shapely.box(-50, -50, 250, 500)
DISC = shapely.Point(300, 200).buffer(120, quad_segs=64)


@pytest.mark.parametrize("width", [40, 100, 140])
def test_a_straight_margin_has_two_bands_of_its_width(width):
    ground = margin_ground(WHOLE, Regions(), LEFT)
    codes = ground.codes(width)
    cell = ground.grid_um**2
    a_cell_along_it = 400 * ground.grid_um
    assert (codes == INNER).sum() * cell == pytest.approx(width * 400, abs=a_cell_along_it)
    assert (codes == OUTER).sum() * cell == pytest.approx(width * 400, abs=a_cell_along_it)
    assert ground.length_mm == pytest.approx(0.4)
    edges = ground.edges(width)
    assert edges.length >= 2 * 400 - 1e-6
    assert edges.distance(shapely.Point(250 + width, 200)) < 1


def test_the_part_at_the_frame_is_told_apart_and_measured():
    ground = margin_ground(WHOLE, Regions(), LEFT)
    assert ground.not_counted.length == pytest.approx(400 + 2 * 250, abs=1)
    assert ground.at_frame_um == pytest.approx(ground.not_counted.length)
    assert ground.interface.length + ground.not_counted.length == pytest.approx(1300, abs=1)


def test_what_was_left_out_is_no_margin_and_not_the_frame():
    dead = Regions({"excluded": shapely.box(250, 0, 400, 200)})
    ground = margin_ground(WHOLE, dead, LEFT)
    assert ground.length_mm == pytest.approx(0.2, abs=0.005)
    assert ground.not_counted.length - ground.at_frame_um == pytest.approx(200, abs=8)
    row, column = (int(v / ground.grid_um) for v in (100, 300))
    assert ground.codes(2000)[row, column] == 0


@pytest.mark.parametrize("width", [40, 100, 360])
@pytest.mark.parametrize(
    "drawn",
    [
        {},
        {"epidermis": shapely.box(400, 0, 500, 150), "necrosis": shapely.box(280, 180, 320, 220)},
        {"margin_line": shapely.LineString([(180, 0), (180, 400)])},
    ],
)
def test_its_areas_are_those_that_are_counted(width, drawn):
    annotations = Regions(drawn)
    params = MarginParams(width_um=width)
    counted = map_margin(WHOLE, annotations, DISC, "drawn", params=params).areas
    ground = margin_ground(WHOLE, annotations, DISC, params=params)
    assert ground.length_mm == pytest.approx(counted.margin_length_mm)
    codes, cell = ground.codes(width), ground.grid_um**2 / 1e6
    a_cell_along_it = ground.length_mm * ground.grid_um / 1e3
    for code, name in ((INNER, "inner_margin"), (OUTER, "outer_margin")):
        area = counted.areas_mm2[name]
        assert (codes == code).sum() * cell == pytest.approx(area, abs=a_cell_along_it + area / 99)


def test_without_tumour_or_interface_there_is_no_band():
    for tumour in (shapely.MultiPolygon(), shapely.box(-9, -9, 999, 999)):
        ground = margin_ground(WHOLE, Regions(), tumour)
        assert not ground.codes(100).any()
        assert ground.edges(100).is_empty
        assert ground.length_mm == 0
    assert ground.not_counted.length == pytest.approx(2000)


def test_the_grid_is_bounded_whatever_the_slide():
    large = GridMask.whole((20_000.0, 10_000.0), 50.0)
    ground = margin_ground(large, Regions(), shapely.box(0, 0, 9000, 9000), most_cells=90_000)
    assert ground.distance_um.size <= 91_000
    assert np.isfinite(ground.distance_um).all()
