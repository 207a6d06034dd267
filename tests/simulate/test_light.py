"""The picture shows what the truth says, spoiled as the parameters say."""

import dataclasses

import numpy as np
import pytest

from immunescape.simulate import CHANNELS, FieldParams, simulate_field
from immunescape.simulate.biology import Marks
from immunescape.simulate.camera import bleed_matrix, blur, expose
from immunescape.simulate.chance import generator
from immunescape.simulate.masks import Forms, draw_labels, frame_shape, pad_px
from immunescape.simulate.neighbours import facing_pixels
from immunescape.simulate.nests import lay_ground
from immunescape.simulate.placement import Bodies
from immunescape.simulate.stains import stain_light

OFFSET = FieldParams().pedestal
SMALL = FieldParams(width_um=260, height_um=220)


@pytest.fixture(scope="module")
def field():
    return simulate_field(SMALL, "response", seed=5, name="small")


def expose_point(params, channel, light=2e5):
    """Picture of one bright square in one stain; everything else dark."""
    height, width = frame_shape(params)
    pad = pad_px(params)
    canvas = np.zeros((5, height + 2 * pad, width + 2 * pad), np.float32)
    canvas[channel, pad + 20 : pad + 40, pad + 20 : pad + 40] = light
    ground = lay_ground(params, generator(1, "g"))
    return expose(canvas, ground, np.ones(5), params, generator(1, "c")).astype(float) - OFFSET


@pytest.mark.parametrize("channel", range(5))
def test_bleed_through_is_as_set(channel):
    params = FieldParams(
        width_um=60, height_um=60, bleed_through=0.12, haze_fraction=0, autofluorescence=0,
        background_photons=0, uneven_illumination=0,
    )  # fmt: skip
    seen = expose_point(params, channel, light=3000)[:, 25:35, 25:35].mean(axis=(1, 2)) / 3000
    for other in range(5):
        expected = {0: 1.0, 1: 0.12, -1: 0.04}.get(other - channel, 0.0)
        if other != channel or expected < 1:
            assert seen[other] == pytest.approx(expected, abs=0.003)
    assert np.allclose(np.diag(bleed_matrix(params)), 1)


def test_blur_keeps_the_light_and_spreads_it_over_the_optical_resolution():
    point = np.zeros((81, 81), np.float32)
    point[40, 40] = 1
    sharp = blur(point, dataclasses.replace(SMALL, haze_fraction=0.0))
    assert sharp.sum() == pytest.approx(1, abs=1e-3)
    y, _ = np.indices(point.shape) - 40
    assert np.sqrt((sharp * y**2).sum()) * 0.5 == pytest.approx(SMALL.psf_um, rel=0.05)
    assert blur(point, SMALL)[40, 48] > 10 * sharp[40, 48]


def test_noise_is_that_of_photons_and_of_reading():
    params = FieldParams(
        width_um=100, height_um=100, background_photons=50, autofluorescence=0,
        uneven_illumination=0, tumour_density_per_mm2=0, stroma_density_per_mm2=0,
    )  # fmt: skip
    picture = expose_point(params, 0, light=0)
    local = picture[:, 1:] - picture[:, :-1]
    assert picture.mean() == pytest.approx(50, rel=0.15)
    assert local.std() / np.sqrt(2) == pytest.approx(np.sqrt(50 + 1.6**2), rel=0.1)


def test_background_and_light_are_uneven():
    flat = dataclasses.replace(SMALL, uneven_illumination=0.0, haze_fraction=0.0)
    uneven = dataclasses.replace(flat, uneven_illumination=0.6)
    pictures = [
        simulate_field(p, "cold", 3).image[0].astype(float) - OFFSET for p in (flat, uneven)
    ]
    share = pictures[1] / np.maximum(pictures[0], 20)
    bright = pictures[0] > 100
    assert share[bright].max() > 0.9 and np.quantile(share[bright], 0.02) < 0.6


def test_every_stain_tells_positive_from_negative_cells(field):
    cells = field.truth.cells
    compartments = {"CD8": field.cells, "PD-L1": field.cells, "S100": field.cells}
    for channel, column in zip(
        CHANNELS[1:],
        ["cd8_positive", "pdl1_positive", "s100_positive", "sox10_positive"],
        strict=True,
    ):
        labels = compartments.get(channel, field.nuclei)
        plane = field.image[CHANNELS.index(channel)].astype(float) - OFFSET
        area = np.bincount(labels.ravel())[1:]
        mean = np.bincount(labels.ravel(), plane.ravel())[1:] / area
        positive = cells[column].to_numpy()
        low, high = np.quantile(mean[positive], 0.1), np.quantile(mean[~positive], 0.75)
        assert low > 1.5 * high, channel
        overlap = (mean[positive][:, None] > mean[~positive]).mean()
        assert 0.95 < overlap <= 1, channel


def test_nuclei_stand_out_of_the_background(field):
    dapi = field.image[0].astype(float) - OFFSET
    inside, outside = dapi[field.nuclei > 0], dapi[field.cells == 0]
    assert inside.mean() > 4 * outside.mean()
    signal_to_noise = (inside.mean() - outside.mean()) / np.sqrt(inside.mean())
    assert 5 < signal_to_noise < 50
    assert field.image.max() <= 4095


def test_neighbours_share_the_light_of_a_membrane(field):
    """The rim of a negative cell is brighter towards a positive neighbour than away from it."""
    positive = np.concatenate([[False], field.truth.cells["pdl1_positive"]])
    cells, plane = field.cells, field.image[2].astype(float) - OFFSET
    here, right = cells[:, :-1], cells[:, 1:]
    border = (here != right) & (here > 0) & ~positive[here]
    towards = border & (right > 0) & positive[right]
    away = border & ~((right > 0) & positive[right])
    assert plane[:, :-1][towards].mean() > 2 * plane[:, :-1][away].mean()


def test_more_overlap_makes_more_nuclei_share_a_border():
    apart, close = (
        simulate_field(dataclasses.replace(SMALL, overlap_fraction=f), "cold", 6) for f in (0, 0.5)
    )
    shared = [facing_pixels(f.nuclei, 0)[1].sum() for f in (apart, close)]
    assert shared[1] > 3 * shared[0]


def test_where_nuclei_overlap_their_light_adds_up_and_labels_do_not():
    params = FieldParams(width_um=60, height_um=60, stain_spread=0)
    at, none = np.array([28.0, 32.0]), np.zeros(2, bool)
    pair = Bodies(at, np.full(2, 30.0), np.full(2, 1), np.full(2, 4.0), np.full(2, 4.0), 0 * at)
    forms = Forms(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros(2))
    labels = draw_labels(pair, forms, params, generator(1, "l"))
    marks = Marks(none, none, none, none, np.zeros(2), np.zeros(2))
    light = stain_light(pair, forms, labels.cells, marks, params, generator(1, "s"))[0]
    pad = pad_px(params)
    y, x = (np.indices(light.shape) + 0.5 - pad) * 0.5
    inside = [np.hypot(x - cx, y - 30) < 3.5 for cx in at]
    both, one = inside[0] & inside[1], inside[0] ^ inside[1]
    assert light[both].mean() == pytest.approx(2 * light[one].mean(), rel=0.15)
    assert set(np.unique(labels.nuclei[both])) == {1, 2}
