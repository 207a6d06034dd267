"""What was not imaged is not dark: a slide with a gap is judged as its imaged part is alone."""

import dataclasses

import numpy as np
import pytest

from immunescape.panel import match_panel
from immunescape.quality import stain_check
from immunescape.quality._nuclear_stain import find_stain
from immunescape.quality._sample import sample_bins
from immunescape.segment.levels import slide_levels
from immunescape.slide import Imaged, Slide
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
