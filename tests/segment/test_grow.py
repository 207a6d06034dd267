"""Cells are nuclei grown, meeting half way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from immunescape.segment.grow import grow_cells
from tests.segment.drawn import ellipses


def grown(nuclei, *args, **kwargs):
    out = np.full(nuclei.shape, -1, np.int32)
    grow_cells(nuclei, out, *args, **kwargs)
    return out


def test_drawn_by_hand():
    nuclei = np.zeros((5, 8), int)
    nuclei[2, 1] = 5
    nuclei[2, 5] = 2
    expected = [
        [0, 5, 0, 0, 0, 2, 0, 0],
        [5, 5, 5, 0, 2, 2, 2, 0],
        [5, 5, 5, 2, 2, 2, 2, 2],  # the pixel in the middle is as near to 5: the lower label
        [5, 5, 5, 0, 2, 2, 2, 0],
        [0, 5, 0, 0, 0, 2, 0, 0],
    ]
    np.testing.assert_array_equal(grown(nuclei, 0.5, 1.0), expected)


@pytest.mark.parametrize("grow_um", [0.0, 1.0, 3.0, 20.0])
def test_256_pixel_blocks_and_whole_are_equal(grow_um):
    nuclei = ellipses((600, 530), spacing=40)
    nuclei[250:400, 100:300] = 0
    np.testing.assert_array_equal(
        grown(nuclei, 0.5, grow_um, 256), grown(nuclei, 0.5, grow_um, 10_000)
    )


def test_as_expand_labels_but_for_ties():
    from skimage.segmentation import expand_labels

    nuclei = ellipses((200, 240), spacing=26)
    ours, theirs = grown(nuclei, 0.5, 3.0), expand_labels(nuclei, 6)
    np.testing.assert_array_equal(ours > 0, theirs > 0)
    # Where they differ the two labels are equally near.
    for y, x in np.argwhere(ours != theirs):
        away = [
            np.min((np.argwhere(nuclei == k) - (y, x)) ** 2 @ [1, 1])
            for k in (ours[y, x], theirs[y, x])
        ]
        assert away[0] == away[1] and ours[y, x] < theirs[y, x]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 12))
def test_no_pixel_is_farther_than_asked(seed, grow_um):
    rng = np.random.default_rng(seed)
    nuclei = np.where(rng.random((40, 50)) < 0.02, rng.integers(1, 9, (40, 50)), 0)
    out = grown(nuclei, 0.5, grow_um, 17)
    away = ndi.distance_transform_edt(nuclei == 0) if nuclei.any() else np.full((40, 50), 99.0)
    np.testing.assert_array_equal(out > 0, away <= grow_um / 0.5 + 1e-9)
    np.testing.assert_array_equal(out[nuclei > 0], nuclei[nuclei > 0])


def test_nothing_grows_from_nothing():
    assert not grown(np.zeros((30, 20), int), 0.5).any()
