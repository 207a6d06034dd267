"""What a patch asks of the network: borders weigh most, what nobody annotated weighs nothing."""

import numpy as np
import pytest

from immunescape.segment.learning.data import Field
from immunescape.segment.learning.patches import Patches, _weights
from tests.segment.drawn import ellipses, stained


def read(drawing):
    return np.array([[int(c) if c != "." else 0 for c in row] for row in drawing.split()], np.int32)


TOUCHING = """
    1111222
    1111222
    1111222
"""
TOUCHING_WEIGHTS = """
    1144441
    1144441
    1144441
"""

NARROW_GAP = """
    111..2222
    111..2222
"""
NARROW_GAP_WEIGHTS = """
    111441111
    111441111
"""

WIDE_GAP = """
    111....2222
    111....2222
"""

CORNERS = """
    11.....
    11.....
    .......
    ...22..
    ...22..
"""
CORNERS_WEIGHTS = """
    1111111
    1444111
    1444111
    1444111
    1111111
"""


@pytest.mark.parametrize(
    ("drawing", "weights"),
    [(TOUCHING, TOUCHING_WEIGHTS), (NARROW_GAP, NARROW_GAP_WEIGHTS), (CORNERS, CORNERS_WEIGHTS)],
    ids=["touching", "narrow gap", "corners"],
)
def test_pixels_between_two_nuclei_weigh_four_times(drawing, weights):
    labels, wanted = read(drawing), read(weights)
    np.testing.assert_array_equal(_weights(labels), wanted)
    np.testing.assert_array_equal(_weights(labels.T), wanted.T)
    np.testing.assert_array_equal(_weights(np.where(labels, 9 - labels, 0)), wanted)


def test_a_wide_gap_one_nucleus_and_none_weigh_as_anything_else():
    wide = read(WIDE_GAP)
    for labels in (wide, np.minimum(wide, 1), np.zeros((4, 5), np.int32)):
        assert (_weights(labels) == 1).all()


def two_halves(side=240):
    """Nuclei that touch everywhere, on the left half; nobody looked at the right."""
    labels = (np.indices((side, side)) // 12 * [[[1]], [[side // 12]]]).sum(axis=0) + 1
    labels = labels.astype(np.int32)
    labels[:, side // 2 :] = -1
    return Field("p", labels, stained(np.maximum(labels, 0)), pixel_um=0.5)


@pytest.mark.parametrize("crowded", [0.0, 1.0])
def test_what_was_not_annotated_weighs_nothing_even_beside_a_border(crowded):
    patches = Patches([two_halves()], [], 64, crowded=crowded)
    found = set()
    for k in range(12):
        target = patches.patch((0, k))[1]
        assert not target[:3, target[3] == 0].any()
        found |= set(np.unique(target[3]).tolist())
    assert found == {0.0, 1.0, 4.0}


def test_a_border_weighs_more_in_the_patches_that_are_rendered():
    patches = Patches([], [Field("d", ellipses((200, 200), spacing=16))], 64)
    weight = np.stack([patches.patch((0, k))[1][3] for k in range(12)])
    assert set(np.unique(weight).tolist()) == {1.0, 4.0}
    assert 0.001 < np.mean(weight == 4) < 0.5


def test_three_of_four_patches_without_nuclei_are_drawn_again():
    """Of two fields one is empty: 1/2 x 1/4 + 1/2 x 3/4 x 1/2 = 5/16 of the patches show it."""
    labels = ellipses((400, 400))
    full = Field("full", labels, stained(labels), pixel_um=0.5, kind="a")
    empty = Field("void", 0 * labels, np.zeros((400, 400), np.float32), pixel_um=0.5, kind="b")
    patches = Patches([full, empty], [], 16)
    bare = np.mean([not patches.patch((0, k))[1][2].any() for k in range(200)])
    assert bare == pytest.approx(5 / 16, abs=0.1)


def test_a_patch_that_nobody_annotated_is_not_one_without_nuclei():
    unseen = np.full((900, 900), -1, np.int32)
    labels = ellipses((400, 400))
    fields = [
        Field("full", labels, stained(labels), pixel_um=0.5, kind="a"),
        Field("dark", unseen, np.zeros((900, 900), np.float32), pixel_um=0.5, kind="b"),
    ]
    patches = Patches(fields, [], 16)
    dark = np.mean([patches.patch((0, k))[1][3].mean() < 0.5 for k in range(200)])
    assert dark == pytest.approx(1 / 2, abs=0.1)
