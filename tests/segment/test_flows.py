"""The flow of a shape points to its centre."""

import numpy as np

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
