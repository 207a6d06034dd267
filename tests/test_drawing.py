"""What strokes of the hand make of a region: drawn squares with the answer beside them."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.drawing import (
    brush,
    clip,
    drop_parts,
    enclose,
    extend,
    fill_holes,
    line_along,
    move_part,
    part_at,
    parts_of,
    punch,
    simplify,
    subtract,
    unite,
)
from immunescape.errors import AnnotationError

SQUARE = shapely.MultiPolygon([shapely.box(0, 0, 100, 100)])
TWO = shapely.MultiPolygon([shapely.box(200, 0, 220, 20), shapely.box(0, 0, 100, 100)])
NOTHING = shapely.MultiPolygon()


def path(*points):
    return np.array(points, float).reshape(-1, 2)


def test_a_dab_of_the_brush_is_a_disc_and_a_stroke_a_disc_that_moved():
    assert brush(path((5, 5)), 10).area == pytest.approx(np.pi * 100, rel=2e-3)
    swept = brush(path((0, 0), (100, 0)), 10)
    assert swept.area == pytest.approx(100 * 20 + np.pi * 100, rel=1e-3)
    assert brush(path(), 10).is_empty
    assert brush(path((5, 5), (5, 5)), 10).equals(brush(path((5, 5)), 10))


def test_a_stroke_round_a_corner_covers_what_the_disc_touched():
    swept = brush(path((0, 0), (50, 0), (50, 50)), 5)
    x, y = np.meshgrid(np.arange(-8, 60, 1.7), np.arange(-8, 60, 1.7))
    legs = [((0, 0), (50, 0)), ((50, 0), (50, 50))]
    near = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in legs:
        along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / 2500, 0, 1)
        away = np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0))
        near |= away <= 5
        clear = np.abs(away - 5) > 0.1
        x, y, near = x[clear], y[clear], near[clear]
    assert np.array_equal(shapely.contains_xy(swept, x, y), near)


def test_a_loop_encloses_its_inside_also_where_it_crosses_itself():
    assert enclose(path((0, 0), (10, 0), (10, 10), (0, 10))).equals(shapely.box(0, 0, 10, 10))
    # two loops that overlap, drawn in one go: the overlap is enclosed, too
    twice = path((0, 0), (10, 0), (10, 10), (0, 10), (0, 0), (5, 0), (5, 5), (0, 5))
    assert enclose(twice).equals(shapely.box(0, 0, 10, 10))
    assert enclose(path((0, 0), (10, 10), (10, 0), (0, 10))).area == pytest.approx(50)


@pytest.mark.parametrize("points", [(), ((1, 1),), ((1, 1), (2, 2)), ((0, 0), (5, 5), (9, 9))])
def test_what_is_no_loop_encloses_nothing(points):
    assert enclose(path(*points)).is_empty


def test_subtract_cuts_and_leaves_no_slivers():
    half = subtract(SQUARE, shapely.box(50, -10, 200, 200))
    assert half.equals(shapely.box(0, 0, 50, 100))
    assert subtract(SQUARE, shapely.box(-1, -1, 99.995, 101)).is_empty
    assert subtract(NOTHING, SQUARE).is_empty
    # two pieces where the cut goes through
    assert len(subtract(SQUARE, shapely.box(40, -1, 60, 101)).geoms) == 2


def test_nothing_is_drawn_beyond_the_frame():
    frame = shapely.box(0, 0, 50, 200)
    assert clip(SQUARE, frame).equals(shapely.box(0, 0, 50, 100))
    assert clip(line_along(path((-10, 5), (70, 5))), frame).length == 50
    assert clip(shapely.MultiPolygon([shapely.box(50, 0, 90, 9)]), frame).is_empty


def test_a_hole_lies_within_or_is_refused():
    holed = punch(SQUARE, enclose(path((40, 40), (60, 40), (60, 60), (40, 60))))
    assert (holed.area, len(holed.geoms[0].interiors)) == (9600, 1)
    for crossing in (shapely.box(90, 90, 110, 110), shapely.box(0, 40, 20, 60), NOTHING):
        with pytest.raises(AnnotationError, match="wholly inside"):
            punch(SQUARE, crossing)


def test_holes_are_filled_all_of_them_or_the_small_ones():
    holed = subtract(SQUARE, shapely.MultiPolygon([shapely.box(10, 10, 20, 20),
                                                   shapely.box(30, 30, 60, 60)]))  # fmt: skip
    assert fill_holes(holed).equals(SQUARE)
    assert fill_holes(holed, largest_um2=100).area == 10000 - 900
    assert fill_holes(holed, pieces=[]).equals(holed)
    island = unite(holed, shapely.box(40, 40, 50, 50))
    assert len(island.geoms) == 2
    assert fill_holes(island).equals(SQUARE)


def test_add_extends_what_it_meets_and_refuses_an_island():
    grown = extend(SQUARE, shapely.MultiPolygon([shapely.box(90, 0, 150, 100)]))
    assert grown.equals(shapely.box(0, 0, 150, 100))
    with pytest.raises(AnnotationError, match="Freehand"):
        extend(SQUARE, shapely.MultiPolygon([shapely.box(300, 0, 310, 10)]))
    bridged = extend(TWO, shapely.MultiPolygon([shapely.box(90, 5, 210, 15)]))
    assert len(bridged.geoms) == 1


def test_lines_are_drawn_erased_and_joined():
    line = line_along(path((0, 0), (100, 0)))
    assert line_along(path((3, 3), (3, 3))).is_empty
    left = subtract(line, brush(path((50, 0)), 10))
    assert left.length == pytest.approx(80, abs=0.1)
    assert len(left.geoms) == 2
    joined = unite(line, line_along(path((100, 0), (100, 50))))
    assert (len(joined.geoms), joined.length) == (1, 150)
    assert unite(shapely.MultiLineString(), line).equals(line)


def test_the_piece_under_the_pointer_is_found_and_moved_with_its_holes():
    holed = punch(TWO, shapely.box(40, 40, 60, 60))
    big = part_at(holed, (5, 5))
    assert holed.geoms[big].area == 9600
    assert part_at(holed, (50, 50)) == -1
    assert part_at(holed, (50, 50), reach_um=10) == big
    moved = move_part(holed, big, (0, 300))
    assert moved.geoms[part_at(moved, (5, 305))].area == 9600
    assert part_at(moved, (50, 350)) == -1
    assert moved.area == holed.area
    assert part_at(NOTHING, (0, 0), 1e9) == -1


def test_a_piece_that_is_moved_onto_another_joins_it():
    small = part_at(TWO, (210, 10))
    assert move_part(TWO, small, (-110, 0)).area == 100 * 100 + 10 * 20


def test_pieces_are_listed_by_size():
    parts = parts_of(punch(TWO, shapely.box(40, 40, 60, 60)))
    assert [(p.number, p.holes) for p in parts] == [(1, 1), (2, 0)]
    assert [p.area_mm2 for p in parts] == pytest.approx([0.0096, 0.0004])
    assert [p.outline_mm for p in parts] == pytest.approx([0.48, 0.08])
    assert drop_parts(TWO, [parts[1].index]).area == 10000 or drop_parts(TWO, [0]).area == 10000
    assert parts_of(NOTHING) == ()
    assert [p.outline_mm for p in parts_of(line_along(path((0, 0), (2000, 0))))] == [2.0]


def test_simplified_outlines_stay_within_the_tolerance_and_valid():
    t = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    wobbly = (200 + 2 * np.sin(60 * t))[:, None] * np.stack([np.cos(t), np.sin(t)], 1)
    drawn = punch(enclose(wobbly), brush(path((0, 0)), 50))
    fewer = simplify(drawn, 3.0)
    assert fewer.is_valid
    assert len(fewer.geoms[0].interiors) == 1
    assert shapely.hausdorff_distance(fewer.boundary, drawn.boundary) <= 3.0 + 1e-6
    assert len(shapely.get_coordinates(fewer)) < len(shapely.get_coordinates(drawn)) / 10
    two = unite(drawn, shapely.box(900, 0, 1000, 100).segmentize(1))
    one = simplify(two, 3.0, pieces=[part_at(two, (950, 50))])
    assert one.geoms[part_at(one, (100, 0))].equals(two.geoms[part_at(two, (100, 0))])
    assert len(one.geoms[part_at(one, (950, 50))].exterior.coords) == 5
    line = line_along(path((0, 0), (50, 0.5), (100, 0)))
    assert len(shapely.get_coordinates(simplify(line, 1))) == 2


coordinate = st.integers(-50, 150).map(float)
loops = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12).map(
    lambda points: enclose(path(*points))
)


@settings(deadline=None, max_examples=60)
@given(loops, loops)
def test_adding_and_cutting_are_those_of_sets(one, other):
    together, cut = unite(one, other), subtract(one, other)
    both = shapely.intersection(one, other).area
    slack = 12.0  # slivers and holes of up to 1 µm² each go
    assert together.is_valid
    assert cut.is_valid
    assert together.area == pytest.approx(one.area + other.area - both, abs=slack)
    assert cut.area == pytest.approx(one.area - both, abs=slack)
    assert unite(cut, other).area == pytest.approx(together.area, abs=slack)
