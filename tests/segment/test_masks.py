"""From flows back to the nuclei they were drawn from."""

import numpy as np
import pytest

from immunescape.segment.flows import label_flows
from immunescape.segment.masks import masks_from_flows, tidy
from immunescape.segment.score import match_labels
from tests.segment.drawn import ellipses


def ideal(labels):
    """What a perfect network would say."""
    return np.concatenate([5 * label_flows(labels), np.where(labels > 0, 5.0, -5.0)[None]])


def picture(text):
    return np.array([[int(c) if c != "." else 0 for c in row] for row in text.split()])


def test_perfect_flows_give_the_drawing_back():
    labels = ellipses((150, 190))
    found = masks_from_flows(ideal(labels))
    assert match_labels(labels, found, 0.95).average_precision == 1.0
    np.testing.assert_array_equal(found > 0, labels > 0)
    assert np.unique(found).tolist() == list(range(found.max() + 1))


def test_cellpose_finds_the_same_nuclei():
    from cellpose.dynamics import compute_masks

    labels = ellipses((200, 200), spacing=17, seed=3)
    rng = np.random.default_rng(0)
    flows = ideal(labels) + rng.normal(0, 0.5, (3, 200, 200))
    theirs = compute_masks(flows[:2], flows[2], flow_threshold=0.4)
    found = masks_from_flows(flows)
    assert match_labels(theirs, found, 0.8).average_precision > 0.97


def test_thresholds():
    labels = ellipses((100, 100))
    flows = ideal(labels)
    assert not masks_from_flows(flows, cellprob_threshold=5.5).any()
    area = np.bincount(labels.ravel())[1:]
    some = masks_from_flows(flows, min_area_px=float(np.median(area)) + 0.5)
    assert some.max() == (area > np.median(area)).sum()
    # Shapes whose flow says something else are dropped, unless the check is off.
    stirred = flows.copy()
    stirred[:2] += np.random.default_rng(0).normal(0, 6, stirred[:2].shape)
    strict, lax = (masks_from_flows(stirred, flow_threshold=t).max() for t in (0.4, 0))
    assert strict < 0.2 * lax


def test_what_is_not_finite_is_background():
    labels = ellipses((60, 60))
    flows = ideal(labels)
    flows[:, :20] = np.nan
    found = masks_from_flows(flows)
    assert found.any() and not found[:20].any()


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (1, 40), (40, 1), (30, 30)])
def test_empty_and_thin_pictures(shape):
    assert masks_from_flows(np.full((3, *shape), -5.0)).shape == shape
    full = masks_from_flows(np.concatenate([np.zeros((2, *shape)), np.ones((1, *shape))]))
    assert full.shape == shape and full.dtype == np.int32


def test_tidy_drawn_by_hand():
    before = picture(
        """
        1111..22
        1..1..22
        1..1....
        1111.1..
        ....2...
        33333.44
        3..4..4.
        33333.44
        """
    )
    after = picture(
        """
        1111..22
        1111..22
        1111....
        1111....
        ........
        33333.44
        3..4..4.
        33333.44
        """
    )
    # Label 4 is one piece of five pixels and a speck; the gap it leaves in 3 stays open to 4's
    # right, so it is no hole.
    after[6, 3] = 0
    np.testing.assert_array_equal(tidy(before), after)
    np.testing.assert_array_equal(tidy(after), after)
    assert not tidy(np.zeros((3, 3), int)).any()
