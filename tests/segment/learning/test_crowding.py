"""Nuclei of one picture laid among those of another."""

import numpy as np

from immunescape.segment.learning.crowding import crowd
from immunescape.segment.learning.data import Field
from immunescape.segment.learning.patches import Patches
from tests.segment.drawn import ellipses, stained


def square(shape, *corners, edge=10):
    labels = np.zeros(shape, np.int32)
    for k, (y, x) in enumerate(corners, start=1):
        labels[y : y + edge, x : x + edge] = k
    return labels


SHAPE = (60, 60)


def laid(labels, more, seed=0):
    light, other = (labels > 0).astype(np.float32), (more > 0).astype(np.float32)
    return crowd(light, labels, other, more, np.random.default_rng(seed))


def test_free_places_are_filled_and_light_adds_up_where_nuclei_overlap():
    labels, more = square(SHAPE, (5, 5)), square(SHAPE, (5, 13), (40, 40))
    image, found = laid(labels, more)
    assert found.max() == 3
    assert (found[more == 2] == 3).all() and (found[more == 1] == 2).all()
    assert (found[5:15, 5:13] == 1).all()
    assert image[10, 14] > 1.2 and 0.3 < image[45, 45] < 1.3
    assert image[10, 9] == 1.0 and image[58, 2] == 0.0


def test_what_would_hide_or_be_hidden_is_left_out():
    labels = square(SHAPE, (20, 20))
    hidden = square(SHAPE, (20, 25))
    image, found = laid(labels, hidden)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(image, labels > 0)
    speck = square(SHAPE, (24, 24), edge=3)
    np.testing.assert_array_equal(laid(labels, speck)[1], labels)


def test_nothing_is_laid_where_nothing_was_annotated():
    labels = square(SHAPE, (5, 5))
    labels[:, 30:] = -1
    more = square(SHAPE, (25, 10), (25, 28), (45, 45))
    _, found = laid(labels, more)
    assert (found[:, 30:] == -1).all()
    assert set(np.unique(found)) == {-1, 0, 1, 2}


def test_no_label_is_lost_and_none_becomes_a_sliver():
    for seed in range(6):
        labels, more = ellipses((150, 150), seed=seed), ellipses((150, 150), seed=seed + 50)
        _, found = laid(labels, more, seed)
        area = np.bincount(found.ravel(), minlength=labels.max() + 1)
        before = np.bincount(labels.ravel())
        assert (area[1 : len(before)] >= 0.3 * before[1:]).all()
        assert len(np.unique(found)) > len(np.unique(labels))
        lone = np.bincount(np.maximum(more, 0).ravel())
        for k in np.unique(found[found > labels.max()]):
            assert area[k] == lone[k - labels.max()]


def test_crowded_patches_hold_more_nuclei():
    fields = []
    for k in range(4):
        labels = ellipses((200, 200), spacing=34, seed=k)
        fields.append(Field(f"{k}", labels, stained(labels, k), pixel_um=0.5))
    count = [
        sum(int(patches.patch((0, k))[1][2].sum()) for k in range(12))
        for patches in (Patches(fields, [], 96, crowded=share) for share in (0.0, 1.0))
    ]
    assert count[1] > 1.3 * count[0]
