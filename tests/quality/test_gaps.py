"""What was not imaged is not dark: a slide with a gap is judged as its imaged part is alone."""

import dataclasses

import numpy as np
import pytest

from immunescape.blocks import Block, silent
from immunescape.margin.grid import GridMask
from immunescape.panel import match_panel
from immunescape.quality import (
    CorrectionParams,
    QualityParams,
    assess_quality,
    correct_slide,
    stain_check,
)
from immunescape.quality._nuclear_stain import find_stain
from immunescape.quality._sample import sample_bins
from immunescape.quality._survey import survey_slide
from immunescape.segment.levels import slide_levels
from immunescape.slide import Imaged, Slide
from tests.quality.fields import GRID_UM, field
from tests.slides import CHANNELS, PIXEL_UM, drawn_image, drawn_labels

SHAPE = (240, 358)
PANEL = match_panel(CHANNELS).panel


@pytest.fixture(scope="module", params=["uint16", "float32"])
def pair(request) -> tuple[Slide, Slide]:
    """The slide that was imaged, and the same at the side of a gap that is larger than it."""
    image = drawn_image(drawn_labels())[:, : SHAPE[0], : SHAPE[1]].astype(request.param)
    # a failed stain: faint noise, and nothing beside the other channels' light
    image[2] = np.random.default_rng(1).normal(60, 3, SHAPE)
    alone = Slide("s", (image,), CHANNELS, PIXEL_UM)
    wide = np.zeros((len(CHANNELS), 300, 1000), image.dtype)
    wide[:, : SHAPE[0], : SHAPE[1]] = image
    boxes = np.array([[0, SHAPE[0], 0, SHAPE[1]]])
    return alone, dataclasses.replace(alone, arrays=(wide,), imaged=Imaged(boxes))


def test_the_levels_of_the_nuclear_stain(pair) -> None:
    expected, found = (slide_levels(s, "DAPI") for s in pair)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.low > 40


def test_the_sample_of_small_means(pair) -> None:
    expected, found = (sample_bins(s, 1.5) for s in pair)
    assert sorted(map(tuple, found.T)) == sorted(map(tuple, expected.T))


def test_whether_a_channel_shows_stain(pair) -> None:
    expected, found = (stain_check(s, PANEL) for s in pair)
    stained = {c.marker: c.stained for c in found}
    assert stained["cd8"] and not stained["pdl1"]
    for one, other in zip(found, expected, strict=True):
        assert (one.stained, one.area_um2) == (other.stained, other.area_um2)
        assert one.roughness == pytest.approx(other.roughness, rel=1e-4)


def test_the_classes_of_the_nuclear_stain(pair) -> None:
    alone, wide = pair
    tissue = np.ones((120, 179), bool)
    expected = find_stain(alone, ("DAPI",), tissue, 1.0, 3)
    more = np.zeros((150, 500), bool)
    more[:120, :179] = True
    found = find_stain(wide, ("DAPI",), more, 1.0, 3)
    assert expected is not None and found is not None
    assert found.low == pytest.approx(expected.low, abs=1)
    assert found.high == pytest.approx(expected.high, abs=2)
    assert found.threshold == pytest.approx(expected.threshold, abs=0.02)


def mosaic(image: np.ndarray, tile: int, gap: int) -> Slide:
    """The squares of an image laid out with gaps between them."""
    rows, columns = (n // tile for n in image.shape[1:])
    step = tile + gap
    wide = np.zeros((len(image), rows * step - gap, columns * step - gap), image.dtype)
    boxes = []
    for i in range(rows):
        for j in range(columns):
            y, x = i * step, j * step
            part = image[:, i * tile : (i + 1) * tile, j * tile : (j + 1) * tile]
            wide[:, y : y + tile, x : x + tile] = part
            boxes.append((y, y + tile, x, x + tile))
    names = CHANNELS[: len(image)]
    return Slide("m", (wide,), names, PIXEL_UM, imaged=Imaged(np.array(boxes)) if gap else None)


def tissue_of(slide: Slide) -> np.ndarray:
    frame = slide.shape[1] * PIXEL_UM, slide.shape[0] * PIXEL_UM
    return GridMask.whole(frame, GRID_UM).of_imaged(slide.imaged, PIXEL_UM).mask


def dim_tissue(dtype: str) -> np.ndarray:
    """Tissue without any glass: patches of 8 pixels that are 100 to 200 bright, and noise."""
    rng = np.random.default_rng(2)
    patches = rng.uniform(100, 200, (len(CHANNELS), 90, 90))
    image = np.kron(patches, np.ones((8, 8))) + rng.normal(0, 3, (len(CHANNELS), 720, 720))
    return image.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_the_background_of_tissue_without_glass(dtype) -> None:
    image = dim_tissue(dtype)
    wanted = CorrectionParams(background="constant", block_px=256)
    for gap in (0, 26, 90):
        slide = mosaic(image, 240, gap)
        found = correct_slide(slide, PANEL, wanted)
        for row in found.record.values():
            assert 98 <= row["background"] <= 116  # the dimmest patches, never a gap


def test_the_background_is_taken_from_what_was_imaged_alone() -> None:
    """Bright gaps are read as dark ones are: not at all."""
    slide = mosaic(dim_tissue("uint16"), 240, 26)
    filled = np.where(slide.imaged.mask(Block(0, 772, 0, 772)), slide.arrays[0], np.uint16(900))
    one, other = (
        survey_slide(dataclasses.replace(slide, arrays=(a,)), 256, silent)
        for a in (slide.arrays[0], filled)
    )
    np.testing.assert_array_equal(one.floor, other.floor)
    np.testing.assert_array_equal(one.empty, other.empty)


def test_a_corrected_slide_is_0_where_nothing_was_imaged() -> None:
    slide = mosaic(dim_tissue("uint16"), 240, 26)
    found = correct_slide(slide, PANEL, CorrectionParams(background="constant")).slide
    block = Block(100, 300, 200, 280)
    gap = ~slide.imaged.mask(block)
    assert 0 < gap.sum() < gap.size
    assert (found.read(block)[:, gap] == 0).all()
    assert np.median(found.read(block)[:, ~gap]) > 30


def one_blurred() -> np.ndarray:
    """Four fields, the last of which is out of focus; no light is 100."""
    from scipy import ndimage as ndi

    image = field("baseline", 11).image.copy()
    last = image[:, 400:, 400:]
    soft = [ndi.gaussian_filter(plane.astype(float), 3) for plane in last]
    last[:] = np.random.default_rng(0).poisson(soft).clip(0, 4095)
    return image


def test_a_field_out_of_focus_beside_gaps_is_blurred_and_no_fold() -> None:
    image = one_blurred()
    shares = []
    for gap in (0, 6, 24, 90):
        slide = mosaic(image, 400, gap)
        tissue = tissue_of(slide)
        found = assess_quality(slide, PANEL, tissue, GRID_UM)
        assert set(found.proposals) == {"blurred"}, gap
        last = np.zeros_like(tissue)
        start = int((400 + gap) * PIXEL_UM / GRID_UM)
        last[start:, start:] = tissue[start:, start:]
        blurred = found.proposals["blurred"]
        assert (blurred & ~last).sum() <= 0.01 * blurred.sum()
        shares.append((blurred & last).sum() / last.sum())
    assert shares[0] > 0.85
    assert min(shares) > shares[0] - 0.05


def test_beside_gaps_the_size_of_blocks_changes_nothing() -> None:
    slide = mosaic(one_blurred(), 400, 24)
    one, other = (
        assess_quality(slide, PANEL, tissue_of(slide), GRID_UM, params=QualityParams(block_px=px))
        for px in (192, 1024)
    )
    np.testing.assert_array_equal(one.proposals["blurred"], other.proposals["blurred"])


def test_a_failed_stain_is_none_where_the_whole_slide_is_looked_at() -> None:
    """More than 64 blocks of 256 pixels, so that a stain not seen is looked for everywhere."""
    rng = np.random.default_rng(3)
    glow = np.kron(rng.gamma(4, 25, (1, 15, 4260)), np.ones((4, 4)))
    image = np.concatenate([glow, 3 * glow, rng.normal(100, 3, glow.shape)])
    image = (100 + image + rng.normal(0, 3, image.shape)).astype(np.float32)
    panel = match_panel(("DAPI", "CD8", "AF")).panel
    found = []
    for gap in (0, 10):
        slide = dataclasses.replace(mosaic(image, 60, gap), channels=("DAPI", "CD8", "AF"))
        (check,) = stain_check(slide, panel)
        found.append((check.stained, check.area_um2))
    assert found == [(False, 0.0), (False, 0.0)]
