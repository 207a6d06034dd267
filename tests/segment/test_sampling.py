"""Pixels of the network depend on the place in the slide, never on the block."""

import numpy as np
import pytest

from immunescape.blocks import Block, iter_blocks
from immunescape.segment.sampling import Grid


def shrunk(image, grid, size):
    out = np.full(grid.shape, np.nan, np.float32)
    for block in iter_blocks(grid.shape, size):
        out[block.slices] = grid.shrink(image[grid.footprint(block).slices], block)
    return out


@pytest.mark.parametrize("ratio", [2.0, 1.54, 3.7, 0.5, 0.81])
@pytest.mark.parametrize("shape", [(57, 83), (5, 40)])
def test_blocks_and_whole_are_the_same(ratio, shape):
    grid = Grid(shape, ratio)
    image = np.random.default_rng(0).random(shape)
    np.testing.assert_array_equal(shrunk(image, grid, 7), shrunk(image, grid, 1000))
    labels = np.random.default_rng(1).integers(0, 5, grid.shape).astype(np.int32)

    def enlarged(size):
        out = np.full(shape, -1, np.int32)
        for block in iter_blocks(shape, size):
            out[block.slices] = grid.enlarge(labels[grid.around(block).slices], block)
        return out

    np.testing.assert_array_equal(enlarged(9), enlarged(1000))


def test_halving_takes_the_mean_of_four():
    image = np.arange(24.0).reshape(4, 6)
    expected = image.reshape(2, 2, 3, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(shrunk(image, Grid((4, 6), 2.0), 99), expected)


def test_a_ramp_stays_a_ramp():
    ramp = np.broadcast_to((np.arange(60) + 0.5) * 0.25, (8, 60))  # µm
    for network_um in (0.5, 0.4, 0.2):
        grid = Grid.between((8, 60), 0.25, network_um)
        line = shrunk(ramp, grid, 11)[2]
        expected = (np.arange(len(line)) + 0.5) * network_um
        np.testing.assert_allclose(line[2:-3], expected[2:-3], atol=0.02)


def test_pixel_sizes_within_a_tenth_are_left_alone():
    assert Grid.between((10, 10), 0.4965, 0.5).native
    assert Grid.between((10, 10), 0.55, 0.5).native
    assert not Grid.between((10, 10), 0.56, 0.5).native
    grid = Grid.between((10, 12), 0.5, 0.5)
    image = np.random.default_rng(0).random((10, 12)).astype(np.float32)
    np.testing.assert_array_equal(shrunk(image, grid, 4), image)


def test_labels_doubled_are_squares_with_the_corners_voted():
    labels = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 2]], np.int32)
    grid = Grid((6, 6), 2.0)
    block = Block(0, 6, 0, 6)
    expected = [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 0, 2, 2],
        [0, 0, 0, 0, 2, 2],
    ]
    # Pixel (3, 3): 9/16 of label 1 against 6/16 of background and 1/16 of label 2.
    expected[3][3] = 1
    # Pixel (4, 4): 9/16 of label 2.
    np.testing.assert_array_equal(grid.enlarge(labels, block), expected)
