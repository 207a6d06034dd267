"""A preview shows the nuclei that a run on the whole slide finds."""

import numpy as np
import pytest

from immunescape.blocks import Block
from immunescape.cli.demo import sample_folder
from immunescape.io import open_slide
from immunescape.segment import (
    SegmentParams,
    grow_cells,
    load_model,
    preview_block,
    preview_nuclei,
    segment_nuclei,
    usable_models,
)
from immunescape.slide import Imaged, Slide


@pytest.fixture(scope="module")
def slide():
    sample = open_slide(sample_folder() / "P01_baseline.ome.tif")
    stain = np.asarray(sample["DAPI"][:760, :900])
    return Slide(sample.name, (stain[None],), ("DAPI",), sample.pixel_size_um)


@pytest.fixture(scope="module")
def network():
    return load_model("compact", precision="float32")


@pytest.fixture(scope="module")
def whole(slide, network):
    nuclei = np.zeros(slide.shape, np.int32)
    segment_nuclei(slide, ("DAPI",), nuclei, model=network)
    cells = np.zeros(slide.shape, np.int32)
    grow_cells(nuclei, cells, slide.pixel_size_um, SegmentParams().grow_um)
    return nuclei, cells


def same_partition(a, b):
    """Whether two label images show the same objects under other numbers."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@pytest.mark.parametrize("block", [Block(310, 610, 405, 731), Block(0, 256, 0, 200)])
def test_a_preview_shows_what_the_run_finds(slide, network, whole, block):
    found = preview_nuclei(slide, ("DAPI",), block, model=network)
    assert found.block == block
    nuclei, cells = (plane[block.slices] for plane in whole)
    assert found.count == len(np.unique(nuclei[nuclei > 0])) > 20
    assert same_partition(found.nuclei, nuclei)
    assert same_partition(found.cells, cells)


def test_a_preview_beyond_the_frame_is_cut_there(slide, network):
    height, width = slide.shape
    found = preview_nuclei(
        slide, ("DAPI",), Block(height - 64, height + 50, width - 80, width + 9), model=network
    )
    assert found.block == Block(height - 64, height, width - 80, width)
    assert found.nuclei.shape == found.cells.shape == (64, 80)


def test_a_preview_takes_the_parameters(slide, network):
    block = Block(300, 500, 300, 500)
    usual = preview_nuclei(slide, ("DAPI",), block, model=network)
    wide = preview_nuclei(slide, ("DAPI",), block, SegmentParams(grow_um=6), model=network)
    none = preview_nuclei(slide, ("DAPI",), block, SegmentParams(min_area_um2=500), model=network)
    assert same_partition(usual.nuclei, wide.nuclei)
    assert (wide.cells > 0).sum() > (usual.cells > 0).sum() > (usual.nuclei > 0).sum()
    assert none.count == 0


def test_a_preview_shows_nothing_where_the_slide_was_not_imaged(slide, network):
    height, width = slide.shape
    tiles = Imaged(np.array([[0, height, 0, 400], [0, height, 406, width]]))
    pixels = np.where(tiles.mask(Block(0, height, 0, width)), np.asarray(slide.arrays[0]), 0)
    cut = Slide(slide.name, (pixels,), slide.channels, slide.pixel_size_um, imaged=tiles)
    block = Block(300, 500, 300, 500)
    found = preview_nuclei(cut, ("DAPI",), block, model=network)
    for plane in (found.nuclei, found.cells):
        assert not plane[:, 100:106].any()
        assert len(np.unique(plane)) > 10
    assert found.cells[:, [99, 106]].any()  # cells that reach the gap end there


def test_a_dark_place_has_no_nuclei(network):
    pixels = np.zeros((1, 400, 400), np.uint16)
    pixels[0, 300:312, 300:312] = 900
    slide = Slide("dark", (pixels,), ("DAPI",), 0.5)
    assert preview_nuclei(slide, ("DAPI",), Block(0, 100, 0, 100), model=network).count == 0


def test_the_middle_of_a_field_that_is_too_large_is_taken():
    slide = Slide("s", (np.zeros((1, 100, 200), np.uint8),), ("DAPI",), 2.0)
    #                          x      y     x      y
    assert preview_block(slide, (10.0, 20.0, 30.0, 60.0), 100) == Block(10, 30, 5, 15)
    assert preview_block(slide, (-50.0, -50.0, 500.0, 500.0), 100) == Block(25, 75, 75, 125)
    assert preview_block(slide, (11.0, 11.0, 11.5, 11.5), 100) == Block(5, 6, 5, 6)
    beyond = preview_block(slide, (900.0, 0.0, 950.0, 50.0), 100)
    assert beyond.shape[1] == 0


def test_models_that_can_be_used_are_named_with_whether_they_are_here(tmp_path, monkeypatch):
    monkeypatch.setenv("CELLPOSE_LOCAL_MODELS_PATH", str(tmp_path))
    assert usable_models()["compact"] is True
    assert usable_models().get("cpsam_v2") in (False, None)
    (tmp_path / "cpsam_v2").write_bytes(b"weights")
    assert usable_models().get("cpsam_v2") in (True, None)
