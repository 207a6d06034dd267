import numpy as np
import pandas as pd
import pytest
import shapely

from immunescape.cells import CellTable
from immunescape.quality import proposal_regions, quality_table
from immunescape.results import QUALITY_COLUMNS, REGION_NAMES

# Regions by column: centre, inner margin, outer margin, stroma, nothing; grid of 10 µm, the last
# column is cut to 5 µm by the frame.
CODES = np.tile(np.array([0, 1, 2, 3, -1], np.int8), (3, 1))
FRAME = (45.0, 30.0)
FOLD = np.array([[0, 1, 1, 0, 1], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], bool)
BLUR = np.array([[0, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 0, 0, 1, 0]], bool)
CELLS = CellTable(
    pd.DataFrame(
        [
            (1, 15.0, 5.0, "inner_margin", "tumour"),
            (2, 15.0, 15.0, "inner_margin", "cd8_t"),
            (3, 25.0, 5.0, "outer_margin", "cd8_t"),
            (4, 5.0, 25.0, "centre", "tumour"),
            (5, 44.0, 5.0, "excluded", "other"),
            (6, 5.0, 5.0, "centre", "tumour"),
        ],
        columns=["label", "x_um", "y_um", "region", "phenotype"],
    ).set_index("label")
)


def rows(table, issue):
    return table[table["issue"] == issue].set_index("region")


def test_cells_and_area_of_each_region_are_counted():
    table = quality_table({"fold": FOLD, "blurred": BLUR}, CODES, 10.0, FRAME, CELLS)
    assert list(table.columns) == list(QUALITY_COLUMNS)
    assert list(dict.fromkeys(table["issue"])) == ["fold", "blurred", "all"]
    fold = rows(table, "fold")
    assert list(fold.index) == list(REGION_NAMES)
    assert list(fold["cells"]) == [0, 2, 1, 0, 3, 2, 3]
    assert list(fold["tumour_cells"]) == [0, 1, 0, 0, 1, 1, 1]
    assert list(fold["cd8_cells"]) == [0, 1, 1, 0, 2, 1, 2]
    np.testing.assert_allclose(fold["area_mm2"] * 1e4, [0, 2, 1, 0, 3, 2, 3])
    everything = rows(table, "all")
    assert everything.loc["tissue", "cells"] == 4
    assert everything.loc["tissue", "area_mm2"] == pytest.approx(5e-4)
    assert not table["applied"].any()


def test_what_was_applied_is_marked():
    table = quality_table({"fold": FOLD}, CODES, 10.0, FRAME, CELLS, applied={"fold"})
    assert set(table["issue"]) == {"fold"}
    assert table["applied"].all()
    pigmented = np.array([True, False, False, False, True, False])
    both = {"fold": FOLD, "blurred": BLUR}
    table = quality_table(both, CODES, 10.0, FRAME, CELLS, pigmented=pigmented, applied=set(both))
    applied = table.groupby("issue")["applied"].all()
    assert applied.to_dict() == {
        "fold": True, "blurred": True, "all": True, "pigmented_cells": False,
    }  # fmt: skip
    table = quality_table(both, CODES, 10.0, FRAME, CELLS, applied={"fold"})
    assert not table.groupby("issue")["applied"].all()["all"]


def test_area_ends_at_the_frame():
    codes = np.where(CODES < 0, 3, CODES)
    table = quality_table({"fold": FOLD}, codes, 10.0, FRAME, CELLS)
    assert rows(table, "fold").loc["stroma", "area_mm2"] == pytest.approx(50e-6)


def test_pigmented_cells_have_no_area():
    pigmented = np.array([True, False, False, False, True, False])
    table = quality_table({}, CODES, 10.0, FRAME, CELLS, pigmented=pigmented)
    found = rows(table, "pigmented_cells")
    assert found.loc["tissue", "cells"] == 1
    assert found.loc["tissue", "area_mm2"] == 0


def test_no_proposals_no_rows():
    table = quality_table({}, CODES, 10.0, FRAME, CELLS)
    assert list(table.columns) == list(QUALITY_COLUMNS)
    assert len(table) == 0


def test_outlines_end_at_the_frame_and_say_what_they_propose():
    found = proposal_regions({"fold": FOLD}, 10.0, FRAME)
    assert list(found) == ["Proposed exclusion: fold"]
    shape = found["Proposed exclusion: fold"]
    assert shape.area == pytest.approx(350.0)
    assert shape.bounds == (10.0, 0.0, 45.0, 20.0)
    assert shapely.is_valid(shape)
