"""Each nucleus is whole and counted once, wherever the tiles end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from immunescape.blocks import Block
from immunescape.segment.score import match_labels
from immunescape.segment.stitch import candidates, reading_order, stitch
from tests.segment.drawn import ellipses


def view(truth):
    """Find nuclei as a perfect segmentation would: each block sees its own cut of the truth."""

    def find(block):
        part = truth[block.slices]
        _, local = np.unique(np.r_[0, part.ravel()], return_inverse=True)
        return local[1:].reshape(part.shape)

    return find


def stitched(truth, find, tile, halo):
    out = np.zeros(truth.shape, np.int32)
    middles = stitch(find, out, tile, halo).middles
    assert np.unique(out).tolist() == list(range(len(middles) + 1))
    return out


@pytest.mark.parametrize("tile", [32, 50, 64, 127, 400])
def test_drawn_nuclei_come_out_as_drawn(tile):
    truth = ellipses((260, 201), spacing=19)
    out = stitched(truth, view(truth), tile, 32)
    assert match_labels(truth, out, 0.999).average_precision == 1.0
    np.testing.assert_array_equal(out > 0, truth > 0)


def test_order_of_labels_does_not_tell_the_tile_size():
    truth = ellipses((180, 180))
    images = []
    for tile in (40, 90, 512):
        out = np.zeros(truth.shape, np.int32)
        images.append(reading_order(stitch(view(truth), out, tile, 32).middles)[out])
    np.testing.assert_array_equal(images[0], images[1])
    np.testing.assert_array_equal(images[0], images[2])
    first = [np.argwhere(images[0] == k).mean(axis=0).astype(int).tolist() for k in range(1, 30)]
    assert first == sorted(first)


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 80), st.integers(0, 10_000))
def test_versions_that_differ_a_little_are_one_nucleus(tile, seed):
    """Each tile sees every nucleus shifted by up to a pixel: none is doubled, none is lost."""
    truth = ellipses((130, 130), spacing=24, seed=seed % 7)

    def find(block):
        rng = np.random.default_rng([seed, block.y0, block.x0])
        shift = rng.integers(-1, 2, 2)
        return np.roll(truth, shift, (0, 1))[block.slices]

    inner = truth.copy()
    inner[2:-2, 2:-2] = 0
    on_frame = np.unique(inner)
    inside = np.where(np.isin(truth, on_frame), 0, truth)
    out = stitched(truth, find, tile, 32)
    kept = {int(k) for k in np.unique(out[inside > 0]) if k}
    partners = [np.unique(out[inside == k]) for k in np.unique(inside)[1:]]
    large = [
        [int(q) for q in found if q and (out[inside == k] == q).mean() > 0.4]
        for k, found in zip(np.unique(inside)[1:], partners, strict=True)
    ]
    assert all(len(q) == 1 for q in large)
    assert len({q[0] for q in large}) == len(large) <= len(kept)


def test_an_orphan_is_taken():
    """Both tiles see the middle on the other side of the seam."""
    truth = np.zeros((20, 40), int)
    truth[5:12, 16:24] = 1

    def find(block):
        part = truth.copy()
        part[5:12, 24:27] = 1 if block.x0 == 0 else 0  # the left tile sees it lean to the right
        part[5:12, 13:16] = 0 if block.x0 == 0 else 1  # and the right tile to the left
        return part[block.slices]

    out = stitched(truth, find, 20, 12)
    assert out.max() == 1 and (out[5:12, 16:24] == 1).all()


def test_nuclei_cut_by_the_rim_are_left_to_others():
    labels = np.zeros((30, 30), int)
    labels[0:4, 5:9] = 1  # on the frame of the plane
    labels[26:30, 5:9] = 2  # on the rim of what the tile sees
    labels[12:16, 12:16] = 3
    labels[24:26, 24:26] = 4  # whole, but in the halo only
    found = candidates(labels, Block(0, 20, 0, 20), Block(0, 30, 0, 30), (60, 60))
    assert [(int(f.y[0]), int(f.x[0]), f.own) for f in found] == [(0, 5, True), (12, 12, True)]


def test_an_empty_plane():
    out = np.zeros((50, 30), np.int32)
    assert stitch(lambda block: np.zeros(block.shape, int), out, 16, 8).middles.shape == (0, 2)
    assert reading_order(np.zeros((0, 2), np.int64)).tolist() == [0]


def crossing_by_hand(truth, tile):
    """How often a nucleus has a pixel in a tile that does not hold its middle."""
    count = 0
    for label in np.unique(truth)[1:]:
        y, x = np.nonzero(truth == label)
        middle = (round(y.mean()) // tile, round(x.mean()) // tile)
        tiles = set(zip((y // tile).tolist(), (x // tile).tolist(), strict=True))
        count += len(tiles - {middle})
    return count


@pytest.mark.parametrize("tile", [50, 64, 400])
def test_tiles_that_agree_leave_no_suspect(tile):
    truth = ellipses((260, 201), spacing=19)
    found = stitch(view(truth), np.zeros(truth.shape, np.int32), tile, 32)
    assert found.suspects == 0
    assert found.crossing == crossing_by_hand(truth, tile)
    assert (found.crossing > 0) == (tile < 260)


def on_the_border(seen_by_owner):
    """One nucleus of 10 x 6 pixels across the border at x = 20; its middle lies in the left tile.

    What the left tile sees of it is given as columns; the right tile sees all of it.
    """
    truth = np.zeros((20, 40), np.int32)
    truth[5:15, 15:23] = 1

    def find(block):
        part = np.zeros(truth.shape, np.int32)
        columns = seen_by_owner if block.x0 == 0 else slice(15, 23)
        part[5:15, columns] = 1
        return part[block.slices]

    out = np.zeros(truth.shape, np.int32)
    return out, stitch(find, out, 20, 12)


@pytest.mark.parametrize(
    ("columns", "suspects"),
    [
        (slice(15, 23), 0),  # both see the same
        (slice(15, 22), 0),  # seven eighths of it are shared
        (slice(15, 20), 1),  # five eighths
        (slice(0, 0), 1),  # the tile that holds its middle sees nothing
    ],
)
def test_nuclei_on_which_tiles_do_not_agree_are_counted(columns, suspects):
    out, found = on_the_border(columns)
    assert len(found.middles) == 1 and (out == 1).sum() in (80, 70, 50)
    assert (found.crossing, found.suspects) == (1, suspects)
