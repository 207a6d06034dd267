"""Rendered stains: bright where nuclei are, hollow or clumped by the amount asked for."""

import numpy as np
import pytest

from immunescape.segment.learning import render
from immunescape.segment.learning.render import render_stain
from tests.segment.drawn import ellipses

SEEDS = range(24)


def disc(radius=28, side=120):
    """One large nucleus in the middle, and for each of its pixels how deep it lies."""
    yy, xx = np.indices((side, side)) - side // 2
    out = np.hypot(yy, xx)
    return (out <= radius).astype(np.int32), radius - out


def test_stains_are_bright_where_nuclei_are():
    labels = ellipses((150, 150))
    for seed in range(8):
        image = render_stain(labels, np.random.default_rng(seed), ghosts=np.rot90(labels))
        assert image.shape == labels.shape and np.isfinite(image).all()
        assert image[labels > 0].mean() > 1.5 * image[labels == 0].mean()


@pytest.mark.parametrize("hollow", [0.2, 0.6])
def test_the_middle_of_a_hollow_nucleus_is_dimmer_by_the_stated_share(hollow):
    labels, depth = disc()
    middle, rim = depth > 16, (depth > 0) & (depth < 2)
    for seed in SEEDS:
        full, dim = (render._bodies(labels, np.random.default_rng(seed), h) for h in (0.0, hollow))
        assert dim[middle] == pytest.approx((1 - hollow) * full[middle], rel=1e-3)
        assert (dim[rim] > (1 - 0.3 * hollow) * full[rim]).all()
        assert not dim[labels == 0].any()


def test_a_small_nucleus_is_hardly_hollow():
    labels, depth = disc(radius=4)
    full, dim = (render._bodies(labels, np.random.default_rng(0), h) for h in (0.0, 0.6))
    assert dim[depth == 4] > 0.65 * full[depth == 4]


def test_hollow_nuclei_look_so_through_blur_and_noise():
    labels, depth = disc()
    middle, ring, around = depth > 16, (depth > 1) & (depth < 4), depth < -12
    shares = []
    for seed in SEEDS:
        picture = [render_stain(labels, np.random.default_rng(seed), hollow=h) for h in (0.0, 0.5)]
        light = [
            [float(np.median(p[part]) - np.median(p[around])) for part in (middle, ring)]
            for p in picture
        ]
        shares.append([light[1][k] / light[0][k] for k in (0, 1)])
    in_middle, in_ring = np.median(shares, axis=0)
    assert in_middle == pytest.approx(0.5, abs=0.08)
    assert in_ring > 0.75


def test_nuclei_that_are_neither_hollow_nor_clumped_take_no_more_chance():
    """A share of nothing changes no pixel, and shifts no later draw of the same generator."""
    labels = ellipses((90, 90))
    for seed in SEEDS:
        plain, hollow = np.random.default_rng(seed), np.random.default_rng(seed)
        np.testing.assert_array_equal(
            render_stain(labels, plain), render_stain(labels, hollow, hollow=1e-12, clumped=0.0)
        )
        assert plain.random() == hollow.random()


def test_only_clumps_draw_a_second_texture(monkeypatch):
    asked = []

    def texture(shape, rng, amount, finest=0.8):
        asked.append((amount, finest))
        return np.ones(shape, dtype=np.float32)

    monkeypatch.setattr(render, "_texture", texture)
    labels = ellipses((60, 60))
    render_stain(labels, np.random.default_rng(0))
    assert len(asked) == 1 and 0.05 <= asked[0][0] <= 0.3 and asked[0][1] == 0.8
    render_stain(labels, np.random.default_rng(0), clumped=0.4)
    assert asked[2] == (0.4, 1.5) and asked[1] == asked[0]


def test_clumps_are_coarse_and_as_strong_as_asked():
    """Neighbours in noise smoothed by s pixels correlate by exp(-1 / 4 s2): 0.895 for s = 1.5."""
    nearest = {0.8: [], 1.5: []}
    for finest, found in nearest.items():
        for seed in range(40):
            clumps = render._texture((200, 200), np.random.default_rng(seed), 0.2, finest)
            assert clumps.mean() == pytest.approx(1.0, abs=0.05)
            assert clumps.std() == pytest.approx(0.2, rel=0.02)
            off = clumps - clumps.mean()
            found.append(float((off[:, 1:] * off[:, :-1]).mean() / off.var()))
    assert 0.885 < min(nearest[1.5]) and max(nearest[1.5]) < 0.985
    assert min(nearest[0.8]) < 0.8


def test_clumped_nuclei_are_more_uneven():
    labels, depth = disc()
    inside = depth > 6
    uneven = [
        np.median(
            [
                np.std(seen := render_stain(labels, np.random.default_rng(s), clumped=c)[inside])
                / np.mean(seen)
                for s in SEEDS
            ]
        )
        for c in (0.0, 0.4)
    ]
    assert uneven[1] > 1.4 * uneven[0]
