"""From flows back to the nuclei they were drawn from."""

import subprocess
import sys
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage as ndi

from immunescape.segment._peaks import gather
from immunescape.segment.flows import flow_errors, label_flows
from immunescape.segment.masks import follow, masks_from_flows, tidy
from immunescape.segment.score import match_labels
from tests.segment.drawn import ellipses


def ideal(labels):
    """What a perfect network would say."""
    return np.concatenate([5 * label_flows(labels), np.where(labels > 0, 5.0, -5.0)[None]])


def unchecked():
    """Say whether torch is to check sparse tensors: it warns of cellpose's, who does not."""
    import torch

    return torch.sparse.check_sparse_tensor_invariants(False)


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
    with unchecked():
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


def cellpose_gather(ends, inside):
    import torch
    from cellpose.dynamics import get_masks_torch

    places = torch.from_numpy(ends.copy()).int()
    # Its sort leaves the order of equally high peaks open; ours is that of their rows.
    in_order = mock.patch.object(torch.Tensor, "argsort", lambda t: torch.argsort(t, stable=True))
    with unchecked(), in_order:
        masks = get_masks_torch(places, np.nonzero(inside), inside.shape, max_size_fraction=1.0)
    return np.asarray(masks)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    middles=st.integers(1, 60),
    spread=st.floats(0, 4),
    filled=st.floats(0.1, 1),
)
def test_cellpose_gathers_the_same_pixels(seed, height, width, middles, spread, filled):
    rng = np.random.default_rng(seed)
    inside = rng.random((height, width)) < filled
    inside[rng.integers(height), rng.integers(width)] = True
    # Pixels end about some middles, so near each other that they compete, and often equally high.
    n = int(inside.sum())
    middle = rng.integers(0, (height, width), (middles, 2))[rng.integers(middles, size=n)]
    ends = np.rint(middle + rng.normal(0, spread, (n, 2))).astype(int)
    ends = np.clip(ends, 0, [height - 1, width - 1]).T
    found, top = gather(np.flatnonzero(inside), ends[0] * width + ends[1], inside.shape)
    np.testing.assert_array_equal(found, cellpose_gather(ends, inside))
    assert top == found.max()


def test_of_equal_peaks_the_later_takes_what_both_reach():
    inside = np.ones((9, 9), bool)
    inside.ravel()[70:] = False
    # Two peaks of 11 at either end of a row, six apart, and 3 on each pixel between; the rest end
    # alone. Either reaches five pixels, the peak itself not counted.
    ends = [20] * 11 + [26] * 11 + [k for k in range(21, 26) for _ in range(3)]
    ends += [k for k in range(81) if not 20 <= k <= 26][: 70 - len(ends)]
    labels, top = gather(np.flatnonzero(inside), np.array(ends), inside.shape)
    assert top == 2
    expected = np.zeros(81, int)
    expected[:11], expected[11:37] = 1, 2
    np.testing.assert_array_equal(labels.ravel(), expected)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_every_pixel_walks_as_if_it_were_alone(seed, height, width):
    rng = np.random.default_rng(seed)
    field = ndi.gaussian_filter(rng.normal(0, 6, (2, height, width)), (0, 3, 3)).astype(np.float32)
    inside = rng.random((height, width)) < 0.5
    places = np.argwhere(inside).T.astype(float)
    going = np.ones(places.shape[1], bool)
    limits = np.array([[height - 1], [width - 1]])
    for _ in range(150):
        steps = np.stack(
            [ndi.map_coordinates(f.astype(float), places, order=1, mode="nearest") for f in field]
        )
        places = np.clip(places + steps * going, 0, limits)
        going &= (steps**2).sum(axis=0) >= 1e-6
    ends = follow(field, inside)
    assert ends.shape == places.shape and ends.dtype == np.int64
    # Single against double precision: half a pixel is rounded either way, and a path along a crest
    # may fall to either side.
    wrong = np.abs(ends - places).max(axis=0, initial=0) > 0.5 + 0.01
    assert wrong.sum() <= 0.02 * wrong.size
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(follow(field, inside, threads=threads), ends)


def test_fields_that_are_not_numbers_move_nothing():
    field = np.full((2, 6, 5), np.nan, np.float32)
    field[1, 3] = np.inf
    inside = np.ones((6, 5), bool)
    ends = follow(field, inside)
    still = np.nonzero(inside)
    np.testing.assert_array_equal(ends[:, : 3 * 5], np.array(still)[:, : 3 * 5])
    assert (ends[1, 15:20] == 4).all()


def slow_tidy(labels):
    """The definition, one label and one gap at a time."""
    kept = np.zeros_like(labels)
    for k in range(1, labels.max() + 1):
        pieces, count = ndi.label(labels == k)
        if count:
            area = np.bincount(pieces.ravel())[1:]
            kept[pieces == 1 + area.argmax()] = k
    filled = kept.copy()
    gaps, count = ndi.label(kept == 0)
    for g in range(1, count + 1):
        gap = gaps == g
        framed = gap.copy()
        framed[1:-1, 1:-1] = False
        about = set(kept[ndi.binary_dilation(gap) & ~gap].tolist())
        if not framed.any() and len(about) == 1:
            filled[gap] = about.pop()
    return filled


@settings(max_examples=150, deadline=None)
@given(
    labels=hnp.arrays(
        np.int32,
        st.tuples(st.integers(1, 11), st.integers(1, 11)),
        elements=st.sampled_from([0, 0, 1, 1, 1, 2, 5]),
        fill=st.nothing(),
    )
)
def test_tidy_is_its_definition(labels):
    before = labels.copy()
    after = tidy(labels)
    np.testing.assert_array_equal(after, slow_tidy(labels))
    np.testing.assert_array_equal(labels, before)
    np.testing.assert_array_equal(tidy(after), after)


def test_tidy_rings():
    yy, xx = np.mgrid[-12:13, -12:13]
    rings = (np.hypot(yy, xx) // 2).astype(np.int32) % 3  # of 0, 1 and 2, many of each
    np.testing.assert_array_equal(tidy(rings), slow_tidy(rings))
    ring = np.where((np.hypot(yy, xx) < 9) & (np.hypot(yy, xx) > 6), 7, 0).astype(np.int32)
    assert (tidy(ring) == 7).sum() == (np.hypot(yy, xx) < 9).sum()


def test_cellpose_drops_the_same_nuclei_for_their_flows():
    from cellpose.dynamics import remove_bad_flow_masks

    labels = ellipses((180, 180), spacing=24, seed=5)
    flows = ideal(labels)
    worst = np.random.default_rng(2).permutation(labels.max()) + 1
    for step, k in enumerate(worst):
        # From no noise to much: errors from 0 to 2.
        noise = np.random.default_rng(step).normal(0, 5 * step / len(worst), flows[:2].shape)
        flows[:2, labels == k] += noise[:, labels == k]
    errors = flow_errors(labels, flows[:2])
    threshold = float(np.sort(errors)[len(errors) // 2 : len(errors) // 2 + 2].mean())
    theirs = remove_bad_flow_masks(labels.copy(), flows[:2], threshold=threshold)
    np.testing.assert_array_equal(theirs > 0, (errors <= threshold)[labels] & (labels > 0))


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_the_number_of_threads_changes_no_label(noise):
    labels = ellipses((230, 170), spacing=18, seed=7)
    flows = ideal(labels) + np.random.default_rng(0).normal(0, noise, (3, *labels.shape))
    one = masks_from_flows(flows, threads=1)
    assert one.any()
    for threads in (0, 2, 3, 16):
        np.testing.assert_array_equal(masks_from_flows(flows, threads=threads), one)


def test_mirroring_the_picture_mirrors_the_nuclei():
    labels = ellipses((120, 140), seed=9)
    found = masks_from_flows(ideal(labels))
    mirrored = masks_from_flows(ideal(labels[:, ::-1]))[:, ::-1]
    assert match_labels(found, mirrored, 0.95).average_precision == 1.0


def test_very_large_and_very_many_nuclei():
    yy, xx = np.mgrid[-160:160, -160:160]
    large = (np.hypot(yy, xx) < 150).astype(int)
    found = masks_from_flows(ideal(large))
    np.testing.assert_array_equal(found, large)
    square = np.zeros((5, 5), int)
    square[:4, :4] = 1
    count = 317
    many = np.kron(np.arange(1, count**2 + 1).reshape(count, count), square)
    found = masks_from_flows(ideal(many))
    np.testing.assert_array_equal(found, many)


def test_all_is_inside_one_nucleus():
    y, x = np.mgrid[:41, :53] - np.array([20, 26])[:, None, None]
    away = np.maximum(np.hypot(y, x), 1e-9)
    flows = np.stack([-5 * y / away, -5 * x / away, np.full(away.shape, 5.0)])
    assert (masks_from_flows(flows, flow_threshold=0) == 1).all()


def test_numbers_at_the_edge_of_what_can_be_stored():
    labels = ellipses((60, 60))
    flows = ideal(labels).astype(np.float32)
    flows[0, 10:12], flows[1, 20:22] = 3e38, -3e38
    found = masks_from_flows(flows)
    assert found.any() and not found[10:12].any() and not found[20:22].any()


def test_neither_torch_nor_cellpose_is_loaded():
    code = (
        "import sys, numpy as np\n"
        "from immunescape.segment.masks import masks_from_flows\n"
        "assert not masks_from_flows(np.ones((3, 9, 9)), min_area_px=100).any()\n"
        "assert not {'torch', 'cellpose'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
