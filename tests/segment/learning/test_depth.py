"""Nuclei of one patch made dim or blurred, each by its own amount."""

import numpy as np
import pytest

from immunescape.segment.learning.depth import at_depths

LIGHT = 0.6
GROUND = 0.1


def squares() -> tuple[np.ndarray, np.ndarray]:
    """A grid of 36 square nuclei of 12 pixels, 20 apart, on an even ground."""
    labels = np.zeros((140, 140), dtype=np.int32)
    for k in range(36):
        row, column = 12 + 20 * (k // 6), 12 + 20 * (k % 6)
        labels[row : row + 12, column : column + 12] = k + 1
    return (GROUND + LIGHT * (labels > 0)).astype(np.float32), labels


def seen(seed: int) -> np.ndarray:
    return at_depths(*squares(), np.random.default_rng(seed))


def middles(image: np.ndarray) -> np.ndarray:
    """Light of the middle of each nucleus above the ground, as a share of what it was."""
    return (image[18:140:20, 18:140:20][:6, :6].ravel() - GROUND) / LIGHT


@pytest.mark.parametrize("seed", range(5))
def test_some_nuclei_are_dimmer_none_brighter_and_none_is_lost(seed):
    left = middles(seen(seed))
    assert left.max() < 1.02
    assert left.min() > 0.1
    assert left.max() - left.min() > 0.3


def test_what_lies_far_from_nuclei_stays():
    image, labels = squares()
    image[:, -8:] = 0.37  # farther than four pixels from all, and than a blur spreads light
    after = at_depths(image, labels, np.random.default_rng(1))
    np.testing.assert_allclose(after[:, -4:], image[:, -4:], atol=1e-3)


def test_light_is_moved_or_dimmed_never_made():
    image, _ = squares()
    for seed in range(5):
        assert seen(seed).sum() < image.sum()


def test_blurred_nuclei_lose_their_edge():
    slopes = []
    for seed in range(8):
        image = seen(seed)
        left = middles(image)
        rims = (image[18:140:20, 11:140:20] - GROUND)[:6, :6].ravel() / LIGHT  # one pixel outside
        slopes.append((rims / left).max())
    assert max(slopes) > 0.25  # a blur of 1.5 px and more leaves a third of the light there


def test_the_same_seed_the_same_picture_and_nothing_without_nuclei():
    np.testing.assert_array_equal(seen(3), seen(3))
    image, labels = squares()
    empty = np.where(labels == 5, -1, 0).astype(np.int32)
    assert at_depths(image, empty, np.random.default_rng(0)) is image
