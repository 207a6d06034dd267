"""What regions promise of widths, classes, necrosis, control tissue and files given back."""

import numpy as np
import pytest
import shapely

from immunescape.io.geojson import read_annotations, write_regions
from immunescape.margin import (
    GridMask,
    MarginParams,
    control_mask,
    derive_tumour,
    left_out,
    map_margin,
)
from immunescape.regions import Regions

FRAME = (1200.0, 1000.0)
WHOLE = GridMask.whole(FRAME)
DISC = shapely.Point(600, 500).buffer(250, quad_segs=100)
LEFT = shapely.box(-50, -50, 500, 1100)


@pytest.mark.parametrize("width", [40, 100, 360, 500])
def test_the_widths_that_others_use(width):
    frame = (1400.0, 900.0)
    result = map_margin(
        GridMask.whole(frame), Regions(), shapely.box(-9, -9, 700, 999), "drawn",
        params=MarginParams(width_um=width),
    )  # fmt: skip
    for name in ("inner_margin", "outer_margin"):
        assert result.areas.areas_mm2[name] == pytest.approx(width * 900 / 1e6, rel=1e-9)
    assert result.areas.areas_mm2["centre"] == pytest.approx((700 - width) * 900 / 1e6)
    assert result.areas.margin_width_um == width
    x = np.array([700 - width - 0.5, 700 - width + 0.5, 700 + width - 0.5, 700 + width + 0.5])
    located = result.locate(np.stack([x, np.full(4, 450.0)], axis=1))
    assert located.region.tolist() == ["centre", "inner_margin", "outer_margin", "stroma"]


@pytest.mark.parametrize("role", ["lymphoid", "epidermis", "nerve"])
def test_tissue_that_is_no_stroma_counts_for_nothing_outside_and_as_tumour_inside(role):
    block = shapely.box(400, 100, 700, 300)
    result = map_margin(WHOLE, Regions({role: block}), LEFT, "drawn")
    areas = result.areas.areas_mm2
    assert areas["tumour"] == pytest.approx(0.5)
    assert areas["outer_margin"] == pytest.approx(0.08)
    assert areas["stroma"] == pytest.approx(0.6 - 0.02)
    located = result.locate(np.array([[450.0, 200], [550, 200], [650, 200], [650, 500]]))
    assert located.region.tolist() == ["inner_margin", "excluded", "excluded", "stroma"]


@pytest.mark.parametrize("cut_out", [False, True])
def test_necrosis_within_the_tumour_is_no_interface(cut_out):
    """Whether the pathologist cut the necrosis out of the tumour or drew it on top."""
    dead = shapely.Point(600, 500).buffer(120)
    tumour = DISC - dead.buffer(-3) if cut_out else DISC
    result = map_margin(WHOLE, Regions({"necrosis": dead}), tumour, "drawn")
    assert result.areas.margin_length_mm == pytest.approx(2 * np.pi * 0.25, rel=0.001)
    assert result.areas.areas_mm2["centre"] == pytest.approx(
        np.pi * (0.15**2 - 0.12**2), rel=0.01
    )  # fmt: skip
    located = result.locate(np.array([[600.0, 500], [735, 500]]))
    assert located.region.tolist() == ["excluded", "centre"]


def test_necrosis_is_no_hole_of_a_derived_tumour_once_drawn():
    rng = np.random.default_rng(3)
    points = rng.uniform((340, 240), (860, 760), (1100, 2))
    dead = shapely.Point(600, 500).buffer(110)
    ring = (DISC - dead).buffer(-2)
    points = points[shapely.intersects_xy(ring, *points.T)]
    bare = derive_tumour(points, WHOLE)
    assert len(bare.geoms[0].interiors) == 1
    drawn = Regions({"necrosis": dead})
    known = derive_tumour(points, WHOLE, annotations=drawn)
    mapped = map_margin(WHOLE, drawn, known, "derived")
    inner = mapped.regions["interface"].intersection(dead.buffer(40))
    assert inner.is_empty


def test_control_tissue_is_left_out_but_serves_as_control():
    control = shapely.box(900, 0, 1200, 1000)
    drawn = Regions({"control": control})
    result = map_margin(WHOLE, drawn, LEFT, "drawn")
    points = np.array([[950.0, 500], [800, 500]])
    assert control_mask(drawn, points).tolist() == [True, False]
    assert left_out(drawn, points).tolist() == [True, False]
    assert result.locate(points).region.tolist() == ["excluded", "stroma"]
    assert result.areas.areas_mm2["tissue"] == pytest.approx(0.9)
    assert not control_mask(Regions(), points).any()
    assert control_mask(drawn, np.zeros((0, 2))).shape == (0,)


def test_a_derived_tumour_is_written_without_the_glass_it_laps_over():
    mask = np.broadcast_to(WHOLE.x_um < 500, WHOLE.mask.shape)
    tissue = WHOLE.with_mask(mask.copy())
    lapping = shapely.box(300, 200, 540, 800)
    derived = map_margin(tissue, Regions(), lapping, "derived")
    drawn = map_margin(tissue, Regions(), lapping, "drawn")
    assert derived.areas.areas_mm2 == drawn.areas.areas_mm2
    assert derived.areas.margin_length_mm == drawn.areas.margin_length_mm
    assert derived.regions["tumour"].bounds == pytest.approx((300, 200, 500, 800))
    assert drawn.regions["tumour"].bounds == (300, 200, 540, 800)
    rng = np.random.default_rng(0)
    points = rng.uniform(0, FRAME, (3000, 2))
    one, other = derived.locate(points), drawn.locate(points)
    assert (one.region == other.region).all()
    on_tissue = one.region != "excluded"
    assert one[on_tissue].equals(other[on_tissue])


@pytest.mark.parametrize("source", ["drawn", "derived"])
def test_our_own_regions_given_back_as_annotations_repeat_the_result(tmp_path, source):
    pixel_um = 0.496
    drawn = {
        "margin_line": shapely.MultiLineString([[(500, 0), (500, 700)], [(500, 700), (520, 1000)]]),
        "excluded": shapely.box(450, 100, 560, 200),
        "necrosis": shapely.box(100, 500, 200, 600),
        "control": shapely.box(1000, 0, 1200, 300),
        "epidermis": shapely.box(1000, 600, 1200, 1000),
        "analysed": shapely.box(20, 20, 1180, 980),
    }
    first = map_margin(WHOLE, Regions(drawn), LEFT, source)
    path = tmp_path / "regions.geojson"
    write_regions(path, first.regions, pixel_um)
    again = read_annotations(path, pixel_size_um=pixel_um, slide_name="P01")
    assert again.unknown == {}
    assert set(again) == {"tumour", *drawn}
    second = map_margin(WHOLE, again, again["tumour"], "imported")
    assert second.areas.areas_mm2 == pytest.approx(first.areas.areas_mm2, abs=0.0005)
    assert second.areas.margin_length_mm == pytest.approx(first.areas.margin_length_mm, abs=0.002)
    assert second.areas.not_evaluable == first.areas.not_evaluable


def test_stroma_of_a_result_is_not_taken_for_stroma_that_a_person_drew(tmp_path):
    first = map_margin(WHOLE, Regions(), DISC, "drawn", "lymph_node")
    path = tmp_path / "regions.geojson"
    write_regions(path, first.regions, 0.5)
    again = read_annotations(path, pixel_size_um=0.5, slide_name="P01")
    assert list(again) == ["tumour"]
