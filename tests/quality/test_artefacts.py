import dataclasses

import numpy as np
import pytest

from immunescape.panel import Panel, match_panel
from immunescape.quality import ISSUES, QualityParams, assess_quality
from immunescape.simulate import CHANNELS, SCENARIOS
from immunescape.slide import Slide
from tests.quality.fields import GRID_UM, PANEL, field, judged, on_grid
from tests.real_data import DATA, needs

LITTLE = 0.005
"""Largest share of a clean field that may be proposed."""


def union(proposals, shape) -> np.ndarray:
    return np.logical_or.reduce([np.zeros(shape, bool), *proposals.values()])


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_clean_field_gives_no_proposals(scenario):
    found = judged(scenario, 11)
    assert union(found.proposals, (200, 200)).mean() < LITTLE
    assert not {"saturated", "fold", "blurred"} & set(found.proposals)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("issue", "scenario", "params"),
    [
        ("fold", "baseline", {"folds": 1}),
        ("fold", "cold", {"folds": 1}),
        ("blurred", "response", {"blurred_fraction": 0.2}),
        ("saturated", "baseline", {"saturated_fraction": 0.01}),
    ],
)
def test_what_is_spoiled_is_found(issue, scenario, params):
    made, found = field(scenario, 21, **params), judged(scenario, 21, **params)
    true, proposed = on_grid(made.regions[issue]), found.proposals[issue]
    assert (true & proposed).sum() / true.sum() >= 0.7
    assert (true & proposed).sum() / (true | proposed).sum() >= 0.55
    beside = union({k: v for k, v in found.proposals.items() if k != issue}, true.shape) & ~true
    assert beside.mean() < LITTLE


def test_glass_and_a_frame_of_tumour_alone_are_clean():
    for params in ({"glass_fraction": 0.25}, {"nest_sides": 4}):
        found = judged("relapse", 12, **params)
        assert union(found.proposals, (200, 200)).mean() < LITTLE


def test_debris_is_found_under_either_name():
    params = {"debris_per_mm2": 100.0}
    made, found = field("baseline", 22, **params), judged("baseline", 22, **params)
    true = on_grid(made.regions["debris"])
    assert "debris" in found.proposals
    assert (union(found.proposals, true.shape) & true).sum() / true.sum() >= 0.6
    assert not {"fold", "blurred", "saturated"} & set(found.proposals)


def test_pigment_is_proposed_by_whole_cells():
    made, found = field("response", 11, pigment=0.05), judged("response", 11, pigment=0.05)
    true = on_grid(made.regions["pigment"])
    proposed = union({k: found.proposals[k] for k in ("pigment", "debris")}, true.shape)
    assert (proposed & true).sum() / true.sum() >= 0.6
    assert (proposed & ~true).mean() < 0.01


def test_proposals_lie_within_the_tissue_and_name_known_issues():
    made = field("baseline", 21, folds=1)
    tissue = np.zeros((200, 200), bool)
    tissue[:, :120] = True
    found = assess_quality(made.slide, PANEL, tissue, GRID_UM)
    assert set(found.proposals) <= set(ISSUES)
    for mask in found.proposals.values():
        assert mask.shape == tissue.shape
        assert not (mask & ~tissue).any()
    assert found.record["fold"]["share_of_tissue"] == pytest.approx(
        found.proposals["fold"].sum() / tissue.sum()
    )


def test_without_tissue_there_is_nothing_to_propose():
    made = field("baseline", 21, folds=1)
    found = assess_quality(made.slide, PANEL, np.zeros((200, 200), bool), GRID_UM)
    assert found.proposals == {}


def test_the_size_of_blocks_changes_nothing():
    made = field("baseline", 21, saturated_fraction=0.01)
    tissue = np.ones((200, 200), bool)
    one, two = (
        assess_quality(made.slide, PANEL, tissue, GRID_UM, made.cells, QualityParams(block_px=px))
        for px in (192, 4096)
    )
    assert one.record == two.record
    assert set(one.proposals) == set(two.proposals)
    for name in one.proposals:
        np.testing.assert_array_equal(one.proposals[name], two.proposals[name])


def test_an_offset_changes_no_proposal():
    made = field("baseline", 21, folds=1)
    raised = Slide("raised", (made.image + np.uint16(500),), CHANNELS, 0.5)
    tissue = np.ones((200, 200), bool)
    found = [assess_quality(s, PANEL, tissue, GRID_UM).proposals for s in (made.slide, raised)]
    assert set(found[0]) == set(found[1])
    for name in found[0]:
        np.testing.assert_array_equal(found[0][name], found[1][name])


def test_saturated_pixels_are_counted_and_told():
    made, found = (f("baseline", 21, saturated_fraction=0.01) for f in (field, judged))
    for channel, plane in zip(CHANNELS, made.image, strict=True):
        share = found.record[channel]["saturated_share"]
        assert share == pytest.approx((plane == plane.max()).mean())
    assert any("PD-L1 are saturated at 4095" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("dtype", "top"), [("float32", 0.7), ("float64", 0.7), ("uint32", 2**24 + 1)]
)
def test_a_plateau_of_any_type_of_pixel_is_proposed_whole(dtype, top):
    """A square of 50 µm saturates; neither 0.7 nor 2**24 + 1 is a number of 32 bits."""
    noise = np.random.default_rng(0).uniform(0.01, 0.2, (5, 400, 400))
    image = (noise * top).astype(dtype)
    image[1, 120:220, 80:180] = top
    slide = Slide("plateau", (image,), CHANNELS, 0.5)
    found = assess_quality(slide, PANEL, np.ones((100, 100), bool), GRID_UM)
    true = np.zeros((100, 100), bool)
    true[30:55, 20:45] = True
    np.testing.assert_array_equal(found.proposals["saturated"], true)


def test_a_hot_pixel_is_no_plateau_and_hides_none():
    made = field("baseline", 21, saturated_fraction=0.01)
    image = made.image.copy()
    image[1, 40, 40] = 60000
    hot = Slide("hot", (image,), CHANNELS, 0.5)
    found = assess_quality(hot, PANEL, np.ones((200, 200), bool), GRID_UM)
    assert found.record["CD8"]["saturated_share"] == pytest.approx(
        (made.image[1] == 4095).mean(), rel=1e-3
    )


def test_what_is_set_to_zero_is_not_looked_for():
    made = field("baseline", 21, folds=1)
    off = QualityParams(fold_score=0, blur_ratio=0, bright_everywhere=0)
    found = assess_quality(made.slide, PANEL, np.ones((200, 200), bool), GRID_UM, params=off)
    assert found.proposals == {}


def test_focus_needs_a_nuclear_stain_and_says_so():
    made = field("baseline", 21, folds=1)
    stains = tuple(
        dataclasses.replace(s, role="marker") if s.role == "nuclear" else s for s in PANEL.stains
    )
    found = assess_quality(made.slide, Panel(stains), np.ones((200, 200), bool), GRID_UM)
    assert "fold" not in found.proposals
    assert any("no channel shows nuclei" in w for w in found.warnings)


@pytest.mark.parametrize("grid_um", [0.7, 2.0, 5.3])
def test_any_working_grid_is_served(grid_um):
    made = field("baseline", 21, folds=1)
    n = int(np.ceil(400 / grid_um))
    found = assess_quality(made.slide, PANEL, np.ones((n, n), bool), grid_um)
    share = found.proposals["fold"].mean()
    assert share == pytest.approx(judged("baseline", 21, folds=1).proposals["fold"].mean(), rel=0.1)


@needs("inform", "FIHC4__0929309_HP_IM3_2_component_data.tif")
@pytest.mark.parametrize(
    "path",
    ["inform/FIHC4__0929309_HP_IM3_2_component_data.tif", "qptiff/small_vectra.qptiff"],
)
def test_real_fields_without_artefacts_give_none(path):
    from immunescape.io import open_slide
    from immunescape.margin import tissue_mask

    slide = open_slide(DATA / path)
    tissue = tissue_mask(slide, None, slide.pixel_size_um).mask
    found = assess_quality(slide, match_panel(slide.channels).panel, tissue.mask, tissue.grid_um)
    assert union(found.proposals, tissue.mask.shape).sum() / tissue.mask.sum() < LITTLE
