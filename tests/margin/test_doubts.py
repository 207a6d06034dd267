"""Each thing about regions and margin that a reader must doubt, provoked."""

import numpy as np
import pytest
import shapely

from immunescape.margin import (
    GridMask,
    MarginMap,
    MarginParams,
    bandwidth_doubts,
    compare_bandwidths,
    find_tumour,
    map_margin,
)
from immunescape.regions import Regions

FRAME = (1200.0, 1000.0)
WHOLE = GridMask.whole(FRAME)
LEFT = shapely.box(-50, -50, 500, 1100)
DISC = shapely.Point(600, 500).buffer(250)


def mapped(tumour, drawn=None, site="skin", tissue=WHOLE, source="drawn", **params) -> MarginMap:
    return map_margin(tissue, Regions(drawn or {}), tumour, source, site, MarginParams(**params))


def test_nothing_to_doubt_is_not_doubted():
    result = mapped(DISC)
    assert result.warnings == ()
    assert result.areas.not_evaluable == {}


@pytest.mark.parametrize(
    ("tumour", "drawn", "tissue", "reason"),
    [
        (shapely.MultiPolygon(), {}, WHOLE, "no tumour region on this slide"),
        (shapely.box(-9, -9, 2000, 2000), {}, WHOLE, "no margin within the analysed tissue"),
        (LEFT, {"analysed": shapely.box(50, 50, 500, 900)}, WHOLE, "no margin within"),
        (LEFT, {"margin_line": shapely.LineString([(-9, 0), (-9, 900)])}, WHOLE, "drawn margin li"),
        (LEFT, {"necrosis": LEFT.buffer(9)}, WHOLE, "the tumour region holds no analysed tissue"),
    ],
)
def test_without_a_margin_only_the_tumour_is_judged_and_the_reason_says_why(
    tumour, drawn, tissue, reason
):
    areas = mapped(tumour, drawn, tissue=tissue).areas
    for name in ("centre", "inner_margin", "outer_margin", "margin"):
        assert reason in areas.not_evaluable[name]
    assert ("tumour" in areas.not_evaluable) == (areas.areas_mm2["tumour"] == 0)
    assert "tissue" not in areas.not_evaluable and "stroma" not in areas.not_evaluable


def test_most_of_the_outline_at_the_frame():
    (warning,) = mapped(LEFT).warnings
    assert warning == (
        "only 33% of the tumour outline is margin; 67% lies at the frame, "
        "0% at glass or at what was left out"
    )


def test_most_of_the_outline_at_glass():
    """A slab 900 long, 400 of it with stroma on one side, the rest bounded by glass."""
    mask = (WHOLE.y_um > 300)[:, None] & (WHOLE.x_um > 100) & (WHOLE.x_um < 1000)
    mask &= ((WHOLE.y_um < 600)[:, None]) | (WHOLE.x_um < 500)
    tumour = shapely.box(100, 300, 1000, 600)
    (warning,) = mapped(tumour, tissue=WHOLE.with_mask(mask)).warnings
    assert warning.startswith("only 17% of the tumour outline is margin; 0% lies at the frame, 83%")


def test_a_margin_shorter_than_it_is_wide():
    sliver = shapely.box(-10, 420, 60, 560)
    exclude = {"excluded": shapely.box(-10, 300, 62, 422).union(shapely.box(-10, 558, 62, 700))}
    warnings = mapped(sliver, exclude).warnings
    assert any("the margin is only 1" in w and "both its widths of 100 µm" in w for w in warnings)
    assert not any("only 1" in w for w in mapped(sliver, exclude, width_um=40).warnings)


@pytest.mark.parametrize(
    ("drawn", "said"),
    [
        ({"analysed": shapely.box(2000, 0, 3000, 50)}, "no tissue is left to analyse"),
        ({"analysed": shapely.box(100, 100, 200, 250)}, "only 0.015 mm² of tissue is analysed"),
        ({"excluded": shapely.box(0, 0, 900, 1000)}, "leaves out 75% of the tissue"),
    ],
)
def test_little_is_left_to_analyse(drawn, said):
    assert any(said in w for w in mapped(DISC, drawn).warnings)


def test_a_line_that_strays_from_the_outline():
    """The line follows the front for 600 µm, then goes off into the stroma for 500."""
    line = shapely.LineString([(500, -9), (500, 600), (1000, 600)])
    (warning,) = mapped(LEFT, {"margin_line": line}).warnings
    assert warning.startswith("36% of the drawn margin line is farther")


def test_lymph_node():
    result = mapped(DISC, site="lymph_node")
    for name in ("outer_margin", "stroma", "margin"):
        assert "lymph node" in result.areas.not_evaluable[name]
    assert "centre" not in result.areas.not_evaluable


def test_stroma_drawn_in_a_lymph_node_is_all_its_stroma():
    strip = shapely.box(900, 0, 1200, 1000)
    result = mapped(LEFT, {"stroma_area": strip}, "lymph node", width_um=500)
    assert result.areas.not_evaluable == {}
    assert result.areas.areas_mm2["outer_margin"] == pytest.approx(0.1, rel=0.01)
    assert result.areas.areas_mm2["stroma"] == pytest.approx(0.2, rel=0.01)
    located = result.locate(np.array([[700.0, 500], [950, 500], [1100, 500], [450, 500]]))
    assert located.region.tolist() == ["excluded", "outer_margin", "stroma", "inner_margin"]
    assert result.regions.area_mm2("outer_margin") == pytest.approx(0.1, rel=0.01)
    both = {"stroma_area": strip, "lymphoid": shapely.box(1000, 0, 1300, 1000)}
    assert mapped(LEFT, both, "lymph node").areas.areas_mm2["stroma"] == pytest.approx(0.1)
    inside = {"stroma_area": shapely.box(100, 100, 200, 200)}
    assert "lymph node" in mapped(LEFT, inside, "lymph node").areas.not_evaluable["stroma"]


def test_stroma_drawn_elsewhere_changes_nothing_and_that_is_said():
    result = mapped(DISC, {"stroma_area": shapely.box(900, 0, 1200, 1000)})
    assert result.areas.areas_mm2["tissue"] == pytest.approx(1.2)
    (warning,) = result.warnings
    assert "used in lymph nodes only" in warning


def test_tumour_islands_that_are_left_out():
    rng = np.random.default_rng(1)
    nest = rng.uniform((100, 100), (500, 500), (800, 2))
    small = rng.uniform((800, 800), (835, 835), (8, 2))
    found = find_tumour(np.concatenate([nest, small]), WHOLE)
    assert found.islands_left_out == 1
    assert 5 <= found.cells_left_out <= 8  # some may lie just beyond the outline
    (warning,) = found.warnings
    assert warning.startswith(f"1 island(s) of tumour with {found.cells_left_out} tumour cells")
    assert find_tumour(nest, WHOLE).warnings == ()


def test_a_derived_region_that_hangs_on_the_bandwidth():
    rng = np.random.default_rng(2)
    loose = rng.uniform((300, 200), (900, 800), (170, 2))
    (warning,) = bandwidth_doubts(compare_bandwidths(loose, WHOLE))
    assert warning.startswith("the derived tumour region is uncertain: with a bandwidth of")
    packed = rng.uniform((300, 200), (900, 800), (1800, 2))
    assert bandwidth_doubts(compare_bandwidths(packed, WHOLE)) == ()
    assert bandwidth_doubts(compare_bandwidths(np.zeros((0, 2)), WHOLE)) == ()
