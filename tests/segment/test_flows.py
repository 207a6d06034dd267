"""The flow of a shape points to its centre."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import ndimage as ndi

from immunescape.segment.flows import flow_errors, label_flows
from tests.segment.drawn import ellipses


def test_a_square_drawn_by_hand():
    labels = np.zeros((7, 7), int)
    labels[2:5, 2:5] = 4
    flows = label_flows(labels)
    h = np.sqrt(0.5)
    expected_y = [[h, 1, h], [0, 0, 0], [-h, -1, -h]]
    np.testing.assert_allclose(flows[0, 2:5, 2:5], expected_y, atol=1e-6)
    np.testing.assert_allclose(flows[1, 2:5, 2:5], np.transpose(expected_y), atol=1e-6)
    assert not flows[:, labels == 0].any()


def test_a_nucleus_does_not_feel_its_neighbours():
    labels = np.zeros((20, 20), int)
    labels[3:12, 2:9] = 1
    alone = label_flows(labels)
    labels[3:12, 9:17] = 2
    beside = label_flows(labels)
    np.testing.assert_array_equal(alone[:, labels == 1], beside[:, labels == 1])


def test_turning_the_picture_turns_the_flow():
    labels = ellipses((90, 90))
    flows = label_flows(labels)
    turned = label_flows(np.rot90(labels))
    np.testing.assert_allclose(turned[0], -np.rot90(flows[1]), atol=1e-5)
    np.testing.assert_allclose(turned[1], np.rot90(flows[0]), atol=1e-5)


def test_cellpose_gives_the_same_flow():
    from cellpose.dynamics import masks_to_flows_gpu

    labels = ellipses((160, 160))
    theirs = masks_to_flows_gpu(labels.astype(int))[0]
    cosine = (theirs * label_flows(labels)).sum(axis=0)[labels > 0]
    # Theirs reads the heat of a nucleus that touches; those pixels differ.
    assert np.median(cosine) > 0.99999 and np.percentile(cosine, 2) > 0.99


def test_shapes_agree_with_their_own_flow_and_not_with_another():
    labels = np.zeros((40, 40), int)
    labels[5:25, 5:25] = 1
    labels[28:38, 28:38] = 3
    network = 5 * label_flows(labels)
    network[:, labels == 3] *= -1
    errors = flow_errors(labels, network)
    assert errors.shape == (4,)
    np.testing.assert_allclose(errors[[0, 1, 2]], 0, atol=1e-9)
    # opposite unit vectors lie 2 apart; the centre has none
    assert 3.5 < errors[3] <= 4 + 1e-6


def test_nothing_to_do():
    assert not label_flows(np.zeros((5, 3), int)).any()
    assert flow_errors(np.zeros((5, 3), int), np.zeros((2, 5, 3))).tolist() == [0.0]


@pytest.mark.parametrize("radius", [8, 150])
def test_the_flow_of_a_disc_points_to_its_middle(radius):
    side = 2 * radius + 3
    y, x = np.mgrid[:side, :side] - (side // 2)
    labels = (np.hypot(y, x) <= radius).astype(int)
    flows = label_flows(labels)
    away = (labels > 0) & (np.hypot(y, x) > 1)
    cosine = -(flows[0] * y + flows[1] * x)[away] / np.hypot(y, x)[away]
    # at the rim the steps of the outline turn the flow a little
    assert cosine.min() > 0.9 and np.median(cosine) > 0.999
    assert not flows[:, side // 2, side // 2].any()


def blob(seed, size):
    """One lopsided object in one piece, of up to three ellipses, and its centroid."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(int(rng.integers(1, 4))):
        cy, cx = rng.uniform(0.35, 0.65, 2) * size
        a, b = rng.uniform(0.1, 0.3, 2) * size
        mask |= ((y - cy) / a) ** 2 + ((x - cx) / b) ** 2 <= 1
    pieces = ndi.label(mask)[0]
    mask = pieces == 1 + np.bincount(pieces[mask])[1:].argmax()
    return mask.astype(int), np.array([axis.mean() for axis in np.nonzero(mask)])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(12, 60))
def test_cellpose_gives_the_flow_and_the_error_of_any_object(seed, size):
    from cellpose.dynamics import flow_error, masks_to_flows_gpu

    labels, centroid = blob(seed, size)
    whole = np.rint(centroid).astype(int)
    # Theirs starts from the rounded centroid, ours from the nearest pixel: mostly the same one.
    assume(np.abs(centroid - whole).max() < 0.49 and labels[tuple(whole)])
    theirs = masks_to_flows_gpu(labels)[0]
    ours = label_flows(labels)
    rises = np.abs(ours).sum(axis=0) > 0
    np.testing.assert_allclose(ours[:, rises], theirs[:, rises], atol=1e-6)
    # Where ours is 0 the heat is level but for rounding.
    assert (labels > 0).sum() - rises.sum() <= 1
    network = 5 * theirs + np.random.default_rng(seed).normal(0, 2, theirs.shape)
    expected = flow_error(labels, network)[0][0]
    slack = 3 * (np.abs(network).max() / 5 + 1) / labels.sum() if not rises[labels > 0].all() else 0
    assert flow_errors(labels, network)[1] == pytest.approx(expected, rel=1e-5, abs=slack)


def test_the_number_of_threads_changes_nothing():
    labels = ellipses((220, 180), seed=4)
    network = np.random.default_rng(1).normal(0, 3, (2, *labels.shape))
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(
            label_flows(labels, threads=threads), label_flows(labels, threads=1)
        )
        np.testing.assert_array_equal(
            flow_errors(labels, network, threads=threads), flow_errors(labels, network, threads=1)
        )


def test_labels_need_not_be_consecutive_nor_small_nor_in_one_piece():
    labels = ellipses((60, 60))
    sparse = labels * 1000
    np.testing.assert_array_equal(label_flows(sparse), label_flows(labels))
    apart = np.zeros((9, 30), int)
    apart[2:7, 2:7] = 1
    apart[2:4, 26:28] = 1
    flows = label_flows(apart)
    assert np.abs(flows[:, 2:7, 2:7]).sum() > 0 and not flows[:, :, 20:].any()


def test_what_is_not_finite_counts_as_no_flow():
    labels = ellipses((50, 50))
    network = 5 * label_flows(labels)
    broken = network.copy()
    broken[0, 10:20], broken[1, 30:40] = np.nan, np.inf
    network[0, 10:20], network[1, 30:40] = 0, 0
    np.testing.assert_array_equal(flow_errors(labels, broken), flow_errors(labels, network))
