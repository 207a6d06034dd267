import dataclasses

import numpy as np
import pytest
from scipy import ndimage as ndi

from immunescape.margin import TissueParams, tissue_mask
from immunescape.slide import Imaged, Slide

SIDE, PIXEL_UM = 1000, 0.5
Y, X = np.mgrid[:SIDE, :SIDE]
EVERYWHERE = np.ones((SIDE, SIDE), bool)
NOWHERE = ~EVERYWHERE
SECTION = X < 600 + 40 * np.sin(Y / 80)


def nuclei(per_mm2: float, where: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    field = np.zeros((SIDE, SIDE))
    number = rng.poisson(per_mm2 * (SIDE * PIXEL_UM) ** 2 / 1e6)
    y, x = rng.integers(0, SIDE, (2, number))
    field[y, x] = where[y, x]
    return ndi.gaussian_filter(field, 5) * 50 * np.pi


def picture(tissue: np.ndarray, tumour: np.ndarray, seed: int, autofluorescence=15.0) -> Slide:
    """Two stains over a detector's background of 20 counts, with photon noise."""
    rng = np.random.default_rng(seed)
    nuclear = nuclei(1500, tissue, rng) * 200 + nuclei(4000, tissue & tumour, rng) * 250
    marker = nuclei(3000, tissue & tumour, rng) * 150
    counts = [rng.poisson(20 + autofluorescence * tissue + s) for s in (nuclear, marker)]
    return Slide("drawn", (np.stack(counts).astype(np.uint16),), ("DAPI", "SOX10"), PIXEL_UM)


@pytest.mark.parametrize("autofluorescence", [3.0, 15.0])
@pytest.mark.parametrize(
    "tumour", [NOWHERE, X < 500, EVERYWHERE], ids=["stroma", "half tumour", "tumour"]
)
def test_a_field_that_tissue_fills_shows_no_glass(tumour, autofluorescence):
    slide = picture(EVERYWHERE, tumour, 1, autofluorescence)
    assert tissue_mask(slide, None, PIXEL_UM).mask.mask.all()


@pytest.mark.parametrize(
    "tumour", [NOWHERE, X < 60, X < 300, EVERYWHERE], ids=["none", "far", "near", "to the edge"]
)
def test_the_free_edge_is_found_within_10_um(tumour):
    grid = tissue_mask(picture(SECTION, tumour, 2), None, PIXEL_UM).mask
    rows = np.arange(5, grid.mask.shape[0] - 5)
    found = grid.mask[rows].sum(axis=1) * grid.grid_um
    true = SECTION[(grid.y_um[rows] / PIXEL_UM).astype(int)].sum(axis=1) * PIXEL_UM
    assert abs(np.mean(found - true)) < 8
    assert np.percentile(np.abs(found - true), 95) < 10


def test_blocks_of_256_give_the_mask_of_the_whole():
    slide = picture(SECTION, X < 300, 3)
    cells = (ndi.gaussian_filter(nuclei(500, SECTION, np.random.default_rng(1)), 1) > 0.3) * 7
    whole = tissue_mask(slide, cells, PIXEL_UM, block=4096)
    assert not whole.mask.mask.all()
    assert np.array_equal(whole.mask.mask, tissue_mask(slide, cells, PIXEL_UM, block=256).mask.mask)


def test_the_footprint_of_every_cell_is_tissue():
    cells = np.zeros((SIDE, SIDE), np.int32)
    cells[900:910, 950:960] = 3
    grid = tissue_mask(picture(SECTION, NOWHERE, 4), cells, PIXEL_UM).mask
    assert not grid.mask.all()
    assert grid.at(np.array([[477.5, 452.5]])).all()
    assert not grid.at(np.array([[477.5, 400.0]])).any()


@pytest.mark.parametrize(("radius_um", "stays"), [(12, False), (20, False), (70, True)])
def test_small_holes_are_filled_and_a_large_one_is_glass(radius_um, stays):
    hole = np.hypot(X - 300, Y - 500) * PIXEL_UM < radius_um
    grid = tissue_mask(picture(SECTION & ~hole, NOWHERE, 7), None, PIXEL_UM).mask
    assert grid.at(np.array([[150.0, 250]]))[0] != stays
    if stays:
        around = grid.with_mask(~grid.mask & (grid.x_um < 250))
        assert around.area_um2() == pytest.approx(np.pi * radius_um**2, rel=0.25)


def test_glass_full_of_cells_is_not_believed():
    rng = np.random.default_rng(5)
    slide = picture(SECTION, NOWHERE, 5)
    cells = (nuclei(2500, EVERYWHERE, rng) > 0.2).astype(np.int32)
    assert tissue_mask(slide, cells, PIXEL_UM).mask.mask.all()


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_an_image_without_contrast_is_all_tissue(dtype):
    slide = Slide("flat", (np.full((2, 90, 70), 7, dtype),), ("a", "b"), PIXEL_UM)
    assert tissue_mask(slide, None, PIXEL_UM).mask.mask.all()


def test_pixels_that_are_not_numbers_do_no_harm():
    image = np.ones((1, 90, 70), np.float32)
    image[0, 3, 4] = np.nan
    slide = Slide("nan", (image,), ("a",), PIXEL_UM)
    assert tissue_mask(slide, None, PIXEL_UM).mask.mask.shape == (23, 18)


def test_pixels_larger_than_the_grid_are_followed():
    fine = picture(SECTION, EVERYWHERE, 6)
    coarse = Slide("coarse", (fine.arrays[0][:, ::8, ::8],), fine.channels, PIXEL_UM * 8)
    grid = tissue_mask(coarse, None, PIXEL_UM * 8).mask
    assert grid.mask.shape == (250, 250)
    assert grid.mask.mean() == pytest.approx(SECTION.mean(), abs=0.03)


def test_whole_takes_the_frame_without_reading_a_pixel():
    class Unread:
        shape, dtype = (1, 101, 51), np.dtype(np.uint8)

        def __getitem__(self, key):
            raise AssertionError("a pixel was read")

    slide = Slide("unread", (Unread(),), ("a",), 0.5)
    grid = tissue_mask(slide, None, 0.5, TissueParams(method="whole")).mask
    assert grid.area_um2() == pytest.approx(50.5 * 25.5)


def test_cells_alone_give_the_whole_frame_and_nothing_at_all_is_refused():
    assert tissue_mask(None, np.zeros((10, 20), int), 1.0).mask.frame_um == (20.0, 10.0)
    with pytest.raises(ValueError, match="give one"):
        tissue_mask(None, None, 1.0)


def with_gap(slide: Slide, gap: np.ndarray) -> Slide:
    """Take out what lies in a gap that is a cross of whole rows and columns."""
    rows, columns = (np.flatnonzero(~gap.all(axis=k)) for k in (1, 0))
    ends = [
        [(run[0], run[-1] + 1) for run in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)]
        for at in (rows, columns)
    ]
    boxes = np.array([(*y, *x) for y in ends[0] for x in ends[1]])
    pixels = np.where(gap, 0, slide.arrays[0]).astype(slide.dtype)
    return dataclasses.replace(slide, arrays=(pixels,), imaged=Imaged(boxes))


def test_what_was_not_imaged_is_no_tissue_and_makes_no_glass():
    """A field that tissue fills, but for a cross of 50 µm that was not imaged."""
    gap = ((Y >= 400) & (Y < 500)) | ((X >= 600) & (X < 700))
    found = tissue_mask(with_gap(picture(EVERYWHERE, X < 500, 1), gap), None, PIXEL_UM).mask
    seen = ~gap[2::4, 2::4]
    np.testing.assert_array_equal(found.mask, seen)
    assert found.area_um2() == (~gap).sum() * PIXEL_UM**2
    assert found.gaps is not None
    np.testing.assert_array_equal(found.gaps.mask, ~seen)
    params = TissueParams(method="whole")
    whole = tissue_mask(with_gap(picture(EVERYWHERE, NOWHERE, 1), gap), None, PIXEL_UM, params)
    np.testing.assert_array_equal(whole.mask.mask, seen)


def test_a_gap_moves_the_free_edge_by_no_more_than_a_few_um():
    slide = picture(SECTION, X < 300, 2)
    gap = ((Y >= 400) & (Y < 500)) | (X < 100)
    grid = tissue_mask(with_gap(slide, gap), None, PIXEL_UM).mask
    seen = ~gap[2::4, 2::4]
    assert not grid.mask[~seen].any()
    true = SECTION[2::4, 2::4]
    edge_um = np.abs(ndi.distance_transform_edt(true) - ndi.distance_transform_edt(~true)) * 2
    assert (grid.mask == true)[seen & (edge_um > 12)].all()


def test_nothing_but_a_corner_was_imaged():
    slide = with_gap(picture(EVERYWHERE, X < 500, 1), (Y >= 200) | (X >= 200))
    found = tissue_mask(slide, None, PIXEL_UM)
    assert found.mask.area_um2() == 100 * 100
    assert found.warnings == ()
