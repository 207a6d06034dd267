import numpy as np
import pytest

from immunescape.blocks import Block
from immunescape.panel import Panel, Stain
from immunescape.quality import CorrectionParams, correct_slide
from immunescape.simulate import FieldParams, simulate_field
from immunescape.slide import Slide
from tests.real_data import DATA, needs

GLASS = 106.0
"""Offset of the simulator's camera and its light of an empty image: what no light looks like."""


def panel(*roles: str) -> Panel:
    return Panel(
        tuple(
            Stain(channel=f"c{i}", marker=f"m{i}", compartment="cell", role=role)
            for i, role in enumerate(roles)
        )
    )


def slide(image, pixel_um=0.5) -> Slide:
    return Slide("drawn", (np.asarray(image),), tuple(f"c{i}" for i in range(len(image))), pixel_um)


def scene(seed=0, pedestal=100.0, drift=0.0, shape=(384, 448)):
    """Glass on the right third; discs of stain and a glow in the tissue, with photon noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    tissue = x < shape[1] * 2 // 3
    glow = np.where(tissue, 60 * np.exp(np.sin(x / 17) * np.cos(y / 23)), 0.0)
    discs = tissue & (((x % 40) - 20) ** 2 + ((y % 40) - 20) ** 2 < 80)
    stain = np.where(discs & ((x // 40 + y // 40) % 3 == 0), 400.0, 0.0)
    empty = pedestal * (1 + drift * (y / shape[0]))
    dapi = np.where(discs, 300.0, 0.0)
    light = np.stack([dapi + 0.1 * glow, stain + 0.5 * glow, glow])
    noisy = rng.poisson(light + empty) + rng.normal(0, 2, (3, *shape))
    return noisy.astype(np.float32), stain, glow, discs, np.broadcast_to(empty, shape)


def test_nothing_asked_for_returns_the_very_slide():
    image = slide(scene()[0])
    corrected = correct_slide(image, panel("nuclear", "marker", "marker"))
    assert corrected.slide is image
    assert corrected.record == {}
    assert corrected.warnings == ()


def test_constant_is_the_level_of_glass_and_values_may_lie_below_zero():
    image = scene()[0]
    corrected = correct_slide(
        slide(image), panel("nuclear", "marker", "marker"), CorrectionParams(background="constant")
    )
    for channel in corrected.slide.channels:
        assert corrected.record[channel]["background"] == pytest.approx(100, abs=1.5)
    pixels = np.asarray(corrected.slide.arrays[0][:, :, :])
    assert pixels.dtype == np.float32
    assert pixels.min() < 0
    np.testing.assert_allclose(
        pixels[1], image[1] - corrected.record["c1"]["background"], rtol=0, atol=1e-3
    )


@pytest.mark.parametrize("pedestal", [0.0, 500.0])
@pytest.mark.parametrize("glass", [0.0, 0.3])
def test_background_of_a_simulated_field(glass, pedestal):
    small = FieldParams(width_um=200, height_um=200, glass_fraction=glass)
    made = simulate_field(small, "baseline", 3)
    image = made.image.astype(np.uint16) + np.uint16(pedestal)
    found = correct_slide(
        Slide("s", (image,), made.slide.channels, 0.5),
        panel(*["marker"] * 5),
        CorrectionParams(background="constant"),
    )
    for row in found.record.values():
        # glass itself, or tissue without stain, which is a little brighter but never darker
        above = 3 if glass else 14
        assert GLASS + pedestal - 3 <= row["background"] <= GLASS + pedestal + above


def test_smooth_follows_glass_and_leaves_dense_tissue_its_signal():
    image, _, _, _, empty = scene(drift=0.15)
    image[1][:, :290] += 500  # a sheet of cells that all stain: no pixel of it is background
    corrected = correct_slide(
        slide(image, 2.0),
        panel("nuclear", "marker", "marker"),
        CorrectionParams(background="smooth"),
    )
    pixels = np.asarray(corrected.slide.arrays[0][:, :, :])
    glass = pixels[:, :, 310:]
    for rows in (slice(0, 64), slice(320, 384)):
        np.testing.assert_allclose(glass[:, rows].mean(axis=(1, 2)), 0, atol=4.5)
    taken = image[1] - pixels[1]
    assert taken.max() <= empty.max() + 3
    np.testing.assert_allclose(taken, empty, atol=10)


def test_without_glass_a_smooth_background_is_constant_and_says_so():
    image = scene()[0][:, :, :256]
    found = correct_slide(
        slide(image), panel("nuclear", "marker", "marker"), CorrectionParams(background="smooth")
    )
    assert any("no empty glass" in w for w in found.warnings)
    assert found.record["c1"]["background_low"] == found.record["c1"]["background_high"]


def test_autofluorescence_is_taken_from_markers_without_negative_bias():
    image, stain, glow, *_ = scene()
    wanted = CorrectionParams(background="constant", autofluorescence="subtract")
    found = correct_slide(slide(image), panel("nuclear", "marker", "autofluorescence"), wanted)
    assert found.record["c1"]["autofluorescence"] == pytest.approx(0.5, abs=0.05)
    assert found.record["c0"]["autofluorescence"] == 0
    pixels = np.asarray(found.slide.arrays[0][:, :, :])
    unstained = (stain == 0) & (glow > 0)
    assert abs(pixels[1][unstained].mean()) < 3
    bright = unstained & (glow > 100)
    assert -6 < pixels[1][bright].mean() < 6
    assert pixels[1][stain > 0].mean() == pytest.approx(400, rel=0.02)


def test_a_marker_that_owes_nothing_to_the_glow_is_left_alone():
    image, stain, glow, *_ = scene()
    rng = np.random.default_rng(5)
    image[1] = rng.poisson(100 + stain)
    image[1][glow > 100] -= 3  # a little darker where the glow is: nothing may be added either
    wanted = CorrectionParams(autofluorescence="subtract")
    found = correct_slide(slide(image), panel("nuclear", "marker", "autofluorescence"), wanted)
    assert found.record["c1"]["autofluorescence"] == 0
    np.testing.assert_array_equal(np.asarray(found.slide.arrays[0][1, :, :]), image[1])


def test_a_panel_without_that_role_is_told():
    wanted = CorrectionParams(autofluorescence="subtract")
    image = slide(scene()[0])
    found = correct_slide(image, panel("nuclear", "marker", "marker"), wanted)
    assert found.slide is image
    assert "role autofluorescence" in found.warnings[0]


def test_tiles_and_the_size_of_blocks_change_nothing():
    image = scene(drift=0.15)[0]
    stains = panel("nuclear", "marker", "autofluorescence")
    wanted = {"background": "smooth", "autofluorescence": "subtract"}
    one, two = (
        correct_slide(slide(image, 2.0), stains, CorrectionParams(**wanted, block_px=size))
        for size in (64, 1024)
    )
    assert one.record == two.record
    whole = np.asarray(two.slide.arrays[0][:, :, :])
    for block in (Block(0, 50, 0, 33), Block(100, 311, 70, 448)):
        np.testing.assert_array_equal(one.slide.read(block), whole[:, *block.slices])
    np.testing.assert_array_equal(np.asarray(one.slide["c1"][3:9, 5:8]), whole[1, 3:9, 5:8])


def test_a_pyramid_is_corrected_at_every_level():
    image = scene(drift=0.15)[0]
    half = image.reshape(3, 192, 2, 224, 2).mean((2, 4))
    pyramid = Slide("drawn", (image, half), ("c0", "c1", "c2"), 2.0)
    wanted = CorrectionParams(background="smooth", autofluorescence="subtract")
    found = correct_slide(pyramid, panel("nuclear", "marker", "autofluorescence"), wanted)
    full, small = (np.asarray(a[:, :, :]) for a in found.slide.arrays)
    np.testing.assert_allclose(full.reshape(3, 192, 2, 224, 2).mean((2, 4)), small, atol=0.05)


def test_saturation_is_counted_and_a_bright_tail_is_not():
    image = scene()[0]
    bright = image.clip(0, 450).round().astype(np.uint16)
    wanted = CorrectionParams(background="constant")
    found = correct_slide(slide(bright), panel("nuclear", "marker", "marker"), wanted)
    assert found.record["c1"]["saturation"] == 450
    assert found.record["c1"]["saturated_share"] == pytest.approx((bright[1] == 450).mean())
    assert any("c1 are saturated at 450" in w for w in found.warnings)
    assert found.record["c0"]["saturation"] is None
    assert found.record["c0"]["saturated_share"] == 0


def test_a_scanners_black_fill_is_no_background():
    image = scene()[0].round().clip(0).astype(np.uint16)
    image[:, :, 192:] = 0
    found = correct_slide(
        slide(image), panel("nuclear", "marker", "marker"), CorrectionParams(background="constant")
    )
    assert found.record["c1"]["background"] > 95


@needs("inform", "FIHC4__0929309_HP_IM3_2_component_data.tif")
def test_unmixed_components_have_almost_no_background():
    from immunescape.io import open_slide

    path = DATA / "inform" / "FIHC4__0929309_HP_IM3_2_component_data.tif"
    opened = open_slide(path)
    found = correct_slide(opened, panel(*["marker"] * 5), CorrectionParams(background="constant"))
    for channel, row in found.record.items():
        pixels = np.asarray(opened[channel])
        assert 0 <= row["background"] < 0.2 * np.percentile(pixels, 99.5)
        assert row["saturation"] is None
