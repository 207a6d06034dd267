"""Places among the proposals: drawn masks with the counts beside them."""

import numpy as np
import pandas as pd
import pytest
import shapely

from immunescape.cells import CellTable
from immunescape.quality.places import proposed_places

FOLD = np.array(
    [list(row) for row in ("##....", "##....", "..#...", "......", ".....#", ".....#")]
) == "#"  # fmt: skip
FRAME = (60.0, 55.0)  # the last row of the grid is half as high


def cells(*rows):
    frame = pd.DataFrame(rows, columns=["x_um", "y_um", "phenotype", "region"])
    return CellTable(frame.set_index(pd.RangeIndex(1, len(rows) + 1, name="label")))


CELLS = cells(
    (5, 5, "tumour", "centre"), (15, 5, "cd8_t", "stroma"), (25, 25, "tumour", "excluded"),
    (55, 52, "tumour", "centre"), (35, 35, "tumour", "centre"),
)  # fmt: skip


def test_each_place_is_counted_by_itself_and_corners_join():
    first, second = proposed_places({"fold": FOLD}, np.ones((6, 6), bool), 10.0, FRAME, CELLS)
    assert (first.issue, first.number, first.count) == ("fold", 1, 1)
    assert first.area_mm2 == pytest.approx(500e-6)
    assert (first.cells, first.tumour_cells, first.cd8_cells) == (2, 1, 1)
    assert first.shape.equals(shapely.union_all([shapely.box(0, 0, 20, 20),
                                                 shapely.box(20, 20, 30, 30)]))  # fmt: skip
    assert second.area_mm2 == pytest.approx(150e-6)
    assert (second.cells, second.tumour_cells) == (1, 1)
    assert second.shape.equals(shapely.box(50, 40, 60, 55))


def test_small_places_are_put_together_and_nothing_is_lost():
    counted = np.ones((6, 6), bool)
    counted[0, 0] = False
    both = proposed_places({"fold": FOLD}, counted, 10.0, FRAME, CELLS)
    one = proposed_places({"fold": FOLD}, counted, 10.0, FRAME, CELLS, most=1)
    none = proposed_places({"fold": FOLD}, counted, 10.0, FRAME, CELLS, most=0)
    assert [(p.number, p.count) for p in one] == [(1, 1), (0, 1)]
    assert [(p.number, p.count) for p in none] == [(0, 2)]
    for places in (both, one, none):
        assert sum(p.area_mm2 for p in places) == pytest.approx(550e-6)
        assert sum(p.cells for p in places) == 3
        assert shapely.union_all([p.shape for p in places]).area == pytest.approx(650)


def test_without_a_proposal_there_is_no_place():
    empty = np.zeros((6, 6), bool)
    assert proposed_places({"blurred": empty}, ~empty, 10.0, FRAME, CELLS) == ()
    assert proposed_places({}, ~empty, 10.0, FRAME, CELLS) == ()
