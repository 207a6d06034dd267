"""Who touches whom depends on where the borders come from."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from immunescape.pipeline.measured import Measured
from immunescape.pipeline.touching import Touching
from immunescape.segment import grow_cells
from immunescape.slide import Imaged
from immunescape.study import Study


def measured(nuclei, *, grown):
    """Cells grown by 3 µm from squares of nuclei, at 0.5 µm a pixel."""
    cells = np.zeros_like(nuclei)
    grow_cells(nuclei, cells, 0.5, 3.0)
    origin = {"grown": True} if grown else {}
    return Measured(
        name="drawn", shape=nuclei.shape, pixel_size_um=0.5, panel=None, cells=None,
        nuclei=nuclei, cell_labels=cells, tissue=SimpleNamespace(), origin=origin,
    )  # fmt: skip


def two_nuclei(apart_px):
    nuclei = np.zeros((30, 60), np.int32)
    nuclei[10:20, 8:18] = 1
    nuclei[10:20, 18 + apart_px : 28 + apart_px] = 2
    return nuclei


@pytest.mark.parametrize(("apart_um", "touch"), [(4, True), (6, True), (6.5, False), (7, False)])
def test_grown_cells_touch_where_both_reach_and_not_across_a_gap_on_top(apart_um, touch):
    nuclei = two_nuclei(int(2 * apart_um))
    found = Touching.found(measured(nuclei, grown=True), Study())
    assert (len(found.contacts) == 1) == touch
    # the same borders, drawn by another program, may have left a strip of up to 1 µm
    assert len(Touching.found(measured(nuclei, grown=False), Study()).contacts) == 1


def test_more_growth_touches_more():
    found = Touching.found(measured(two_nuclei(13), grown=True), Study())
    assert {um: len(pairs) for um, pairs in found.growth.items()} == {1.0: 0, 2.0: 0, 5.0: 1}
    none = dataclasses.replace(
        Study(), sensitivity=dataclasses.replace(Study().sensitivity, tables="no_growth")
    )
    assert not Touching.found(measured(two_nuclei(13), grown=True), none).growth
    assert not Touching.found(measured(two_nuclei(13), grown=False), Study()).growth


@pytest.mark.parametrize("um", [2.5, 5.0])
def test_no_growth_touches_across_what_was_not_imaged(um, monkeypatch):
    """Nuclei 9 px apart reach each other, but not across 4 px between them without pixels."""
    monkeypatch.setattr("immunescape.pipeline.touching._GROWN_UM", (um,))
    whole = measured(two_nuclei(9), grown=True)
    assert len(Touching.found(whole, Study()).growth[um]) == 1
    tiles = Imaged(np.array([[0, 30, 0, 21], [0, 30, 25, 60]]))
    found = Touching.found(dataclasses.replace(whole, imaged=tiles), Study())
    assert len(found.growth[um]) == 0
    # where only a part is missing they touch beside it
    part = Imaged(np.array([[0, 15, 0, 60], [15, 30, 0, 21], [15, 30, 25, 60]]))
    found = Touching.found(dataclasses.replace(whole, imaged=part), Study())
    assert len(found.growth[um]) == 1
