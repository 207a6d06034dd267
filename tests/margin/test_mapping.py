import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity
from shapely.affinity import rotate

from immunescape.margin import GridMask, MarginMap, MarginParams, map_margin
from immunescape.regions import Regions
from immunescape.results import REGION_NAMES

FRAME = (1201.0, 1000.7)
DISC = shapely.Point(600, 500).buffer(250, quad_segs=200)
LEFT = shapely.box(-50, -50, 500.3, 1100)


def mapped(tumour, drawn=None, site="skin", frame=FRAME, tissue=None, **params) -> MarginMap:
    return map_margin(
        tissue or GridMask.whole(frame),
        Regions(drawn or {}),
        tumour,
        "drawn",
        site,
        MarginParams(**params),
    )


def areas_um2(result: MarginMap) -> dict[str, float]:
    return {name: area * 1e6 for name, area in result.areas.areas_mm2.items()}


def grid_points(frame, step=7.0) -> np.ndarray:
    x, y = np.meshgrid(np.arange(step / 2, frame[0], step), np.arange(step / 2, frame[1], step))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_half_plane():
    result = mapped(LEFT)
    area = areas_um2(result)
    assert tuple(area) == REGION_NAMES
    assert area["inner_margin"] == pytest.approx(100 * 1000.7, rel=0.01)
    assert area["outer_margin"] == pytest.approx(100 * 1000.7, rel=0.01)
    assert area["tumour"] == pytest.approx(500.3 * 1000.7, rel=0.01)
    assert area["tissue"] == pytest.approx(1201 * 1000.7, rel=1e-9)
    assert result.areas.margin_length_mm == pytest.approx(1.0007)
    assert result.areas.not_evaluable == {}
    assert result.areas.tumour_source == "drawn"


@pytest.mark.parametrize("angle", [7, 30, 44, 81])
def test_a_turned_half_plane_agrees_with_its_geometry(angle):
    half = rotate(shapely.box(-3000, -3000, 600, 3000), angle, origin=(600, 500))
    line = rotate(shapely.LineString([(600, -3000), (600, 3000)]), angle, origin=(600, 500))
    frame = shapely.box(0, 0, *FRAME)
    zone = line.intersection(frame).buffer(100)
    result = mapped(half)
    area = areas_um2(result)
    inside = frame.intersection(half)
    assert area["tumour"] == pytest.approx(inside.area, rel=0.002)
    assert area["inner_margin"] == pytest.approx(inside.intersection(zone).area, rel=0.005)
    assert area["margin"] == pytest.approx(frame.intersection(zone).area, rel=0.005)


def test_disc_and_its_bands():
    result = mapped(DISC)
    area = areas_um2(result)
    assert area["centre"] == pytest.approx(np.pi * 150**2, rel=0.01)
    assert area["inner_margin"] == pytest.approx(np.pi * (250**2 - 150**2), rel=0.01)
    assert area["outer_margin"] == pytest.approx(np.pi * (350**2 - 250**2), rel=0.01)
    bands = result.areas.bands
    assert list(bands.columns) == ["from_um", "to_um", "area_mm2"]
    assert len(bands) == 50
    ring = bands[(bands.from_um >= -220) & (bands.to_um <= 120)]
    true = np.pi * ((250 + ring.to_um) ** 2 - (250 + ring.from_um) ** 2)
    assert np.allclose(ring.area_mm2 * 1e6, true, rtol=0.01)
    assert bands.area_mm2.sum() + result.areas.edge_censored_mm2 == pytest.approx(
        result.areas.areas_mm2["tissue"]
    )


def test_annulus_has_a_margin_on_both_rings():
    ring = DISC.difference(shapely.Point(600, 500).buffer(120, quad_segs=200))
    result = mapped(ring, width_um=40)
    area = areas_um2(result)
    assert result.areas.margin_length_mm * 1e3 == pytest.approx(2 * np.pi * 370, rel=0.001)
    assert area["inner_margin"] == pytest.approx(np.pi * (250**2 - 210**2 + 160**2 - 120**2), 0.01)
    assert area["outer_margin"] == pytest.approx(np.pi * (290**2 - 250**2 + 120**2 - 80**2), 0.01)


def test_a_nest_that_leaves_the_frame_by_three_sides_has_margin_along_the_fourth():
    result = mapped(shapely.box(-10, -10, 600, 1010))
    assert result.regions["interface"].bounds == pytest.approx((600, 0, 600, 1000.7))
    near_frame = result.locate(np.array([[1.0, 500], [300, 1], [300, 1000], [599, 500]]))
    assert near_frame.region.tolist() == ["centre", "centre", "centre", "inner_margin"]


def test_an_outline_drawn_just_within_the_frame_is_no_interface():
    result = mapped(shapely.box(3, 2, 600, 998))
    assert result.regions["interface"].bounds[0] == pytest.approx(600)


def test_cells_and_areas_go_by_the_same_rule():
    nest = shapely.Polygon(
        [(-20, 200), (300, 100), (520, 420), (700, 380), (640, 800), (200, 1100)]
    )
    result = mapped(nest)
    points = grid_points(FRAME, 2.0)
    points = points[(points < np.array(FRAME)).all(axis=1)]
    share = result.locate(points).region.value_counts(normalize=True)
    for name in ("centre", "inner_margin", "outer_margin", "stroma"):
        assert share[name] == pytest.approx(
            result.areas.areas_mm2[name] / result.areas.areas_mm2["tissue"], rel=0.01
        )
        assert result.regions.area_mm2(name) == pytest.approx(
            result.areas.areas_mm2[name], rel=0.01
        )


def test_ties():
    points = np.array([[500.3, 500], [400.3, 500], [600.3, 500], [400.2, 500], [600.4, 500]])
    located = mapped(LEFT).locate(points)
    assert located.region.tolist() == [
        "inner_margin", "inner_margin", "outer_margin", "centre", "stroma",
    ]  # fmt: skip
    assert located.distance_to_margin_um.to_numpy() == pytest.approx([0, -100, 100, -100.1, 100.1])
    assert located.piece.tolist() == [1] * 5


def test_edge_censored_is_nearer_to_the_frame_than_to_the_interface():
    located = mapped(LEFT).locate(np.array([[440.0, 61], [440, 60], [440, 500], [10, 500]]))
    assert located.edge_censored.tolist() == [False, True, False, True]


def test_cropping_through_a_tumour_leaves_uncensored_cells_and_bands_alone():
    nest = shapely.Polygon([(150, 150), (560, 90), (900, 420), (760, 800), (480, 660), (200, 860)])
    size, x0, y0 = (700.0, 620.0), 120.0, 200.0
    whole = mapped(nest)
    crop = mapped(shapely.affinity.translate(nest, -x0, -y0), frame=size)
    points = grid_points(size, 5.0) + 0.123
    after = crop.locate(points)
    before = whole.locate(points + np.array([x0, y0]))
    sure = ~after.edge_censored
    assert sure.sum() > 3000
    pd.testing.assert_frame_equal(before[sure], after[sure], check_exact=False, rtol=0, atol=0.01)
    # Band areas: the whole slide's, counted where the crop is not censored.
    grid = GridMask.whole(size)
    x, y = np.meshgrid(grid.x_um, grid.y_um)
    middles = np.stack([x.ravel(), y.ravel()], axis=1)
    kept = ~crop.locate(middles).edge_censored
    distance = whole.locate(middles + np.array([x0, y0])).distance_to_margin_um
    bands = crop.areas.bands
    edges = np.append(bands.from_um, bands.to_um.iloc[-1])
    counted = np.histogram(distance[kept], edges)[0] * 4e-6
    assert bands.area_mm2.sum() > 0.1
    assert np.allclose(bands.area_mm2, counted, atol=2e-4)
    assert bands.area_mm2.sum() == pytest.approx(counted.sum(), rel=0.002)


def test_a_tumour_that_fills_the_frame_has_no_margin():
    result = mapped(shapely.box(-5, -5, 2000, 2000))
    assert set(result.areas.not_evaluable) == {"centre", "inner_margin", "outer_margin", "margin"}
    assert result.areas.areas_mm2["tumour"] == pytest.approx(1.2018407)
    assert result.areas.margin_length_mm == 0
    assert len(result.areas.bands) == 0
    located = result.locate(np.array([[5.0, 5], [600, 500]]))
    assert located.region.tolist() == ["centre", "centre"]
    assert located.distance_to_margin_um.isna().all()
    assert not located.edge_censored.any()


def test_no_tumour_is_a_result():
    result = mapped(shapely.MultiPolygon())
    assert set(result.areas.not_evaluable) == set(REGION_NAMES) - {"stroma", "tissue"}
    assert result.areas.areas_mm2["stroma"] == pytest.approx(1.2018407)
    assert result.areas.tumour_source == ""
    assert result.locate(np.array([[5.0, 5]])).region.tolist() == ["stroma"]
    assert len(result.locate(np.zeros((0, 2)))) == 0


def test_exclusions_and_necrosis_are_not_interface_and_their_cells_do_not_count():
    fold = shapely.box(480, 300, 640, 420)
    dead = shapely.box(495, 600, 560, 700)
    result = mapped(LEFT, {"excluded": fold, "necrosis": dead})
    assert result.areas.margin_length_mm == pytest.approx(1.0007 - 0.12 - 0.1, abs=0.003)
    located = result.locate(np.array([[490.0, 350], [550, 350], [520, 650], [490, 650]]))
    assert located.region.tolist() == ["excluded", "excluded", "excluded", "inner_margin"]
    lost = shapely.union(fold, dead)
    assert areas_um2(result)["tissue"] == pytest.approx(1201 * 1000.7 - lost.area, rel=0.001)
    assert result.regions.area_mm2("excluded") * 1e6 == pytest.approx(lost.area)


def test_only_the_drawn_field_is_analysed_and_its_border_is_no_margin():
    result = mapped(LEFT, {"analysed": shapely.box(100, 100, 500.3, 900)})
    assert areas_um2(result)["tissue"] == pytest.approx(400.3 * 800, rel=0.005)
    assert result.areas.margin_length_mm == 0
    wider = mapped(LEFT, {"analysed": shapely.box(100, 100, 800, 900)})
    assert wider.areas.margin_length_mm == pytest.approx(0.8, abs=0.003)
    assert wider.locate(np.array([[50.0, 500], [550, 500]])).region.tolist() == [
        "excluded",
        "outer_margin",
    ]


def test_the_free_edge_of_the_section_is_no_margin():
    grid = GridMask.whole(FRAME)
    tissue = grid.with_mask(grid.mask & (grid.y_um > 400)[:, None] & (grid.x_um < 900))
    result = mapped(shapely.box(200, 380, 600, 700), tissue=tissue)
    assert result.areas.margin_length_mm == pytest.approx(0.3 + 0.4 + 0.3, abs=0.01)
    assert result.locate(np.array([[400.0, 390]])).region.tolist() == ["excluded"]


def test_tissue_that_is_no_stroma_is_left_out_of_it_but_bounds_the_tumour():
    result = mapped(LEFT, {"epidermis": shapely.box(450, -10, 560, 1100)})
    area = areas_um2(result)
    assert result.areas.margin_length_mm == pytest.approx(1.0007)
    assert area["tumour"] == pytest.approx(500.3 * 1000.7, rel=0.002)
    assert area["outer_margin"] == pytest.approx(40.3 * 1000.7, rel=0.01)
    located = result.locate(np.array([[480.0, 500], [520, 500], [570, 500]]))
    assert located.region.tolist() == ["inner_margin", "excluded", "outer_margin"]


def test_in_a_lymph_node_the_outer_side_needs_lymphoid_tissue_drawn():
    bare = mapped(LEFT, site="lymph_node")
    assert set(bare.areas.not_evaluable) == {"outer_margin", "stroma", "margin"}
    drawn = mapped(LEFT, {"lymphoid": shapely.box(700, -1, 1300, 1100)}, "lymph_node")
    assert drawn.areas.not_evaluable == {}
    full = mapped(LEFT, {"lymphoid": shapely.box(400, -1, 1300, 1100)}, "lymph_node")
    assert "outer_margin" in full.areas.not_evaluable


@pytest.mark.parametrize(
    ("site", "nodal"),
    [("Lymph node", True), ("lymph-node", True), ("LYMPH_NODES", True), ("lymphangioma", False)],
)
def test_a_lymph_node_is_known_however_it_is_written(site, nodal):
    assert ("outer_margin" in mapped(LEFT, site=site).areas.not_evaluable) == nodal


def test_a_drawn_line_replaces_the_outline_and_the_tumour_tells_the_side():
    line = shapely.LineString([(520, 0), (520, 600)])
    result = mapped(LEFT, {"margin_line": line})
    assert result.areas.margin_length_mm == pytest.approx(0.6)
    located = result.locate(np.array([[430.0, 300], [510, 300], [619, 300], [490, 760]]))
    assert located.region.tolist() == ["inner_margin", "outer_margin", "outer_margin", "centre"]
    assert located.distance_to_margin_um.iloc[0] == pytest.approx(-90)
    (warning,) = result.warnings
    assert "follows 70% of the tumour outline" in warning


def test_a_drawn_line_along_the_whole_outline_leaves_no_doubt():
    line = shapely.LineString([(520, -10), (520, 1010)])
    result = mapped(LEFT, {"margin_line": line})
    assert result.areas.margin_length_mm == pytest.approx(1.0007)
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("tumour", "line", "said"),
    [
        (shapely.MultiPolygon(), [(5, 5), (9, 9)], "no tumour region"),
        (LEFT, [(900, 5), (900, 890)], "100% of the drawn margin line is farther"),
        (LEFT, [(-50, 5), (-50, 90)], "outside the analysed tissue"),
    ],
)
def test_a_line_that_fits_nothing_is_told(tumour, line, said):
    (warning,) = mapped(tumour, {"margin_line": shapely.LineString(line)}).warnings
    assert said in warning


def test_pieces_of_tissue_are_told_apart():
    grid = GridMask.whole((100.0, 50.0))
    tissue = grid.with_mask(np.broadcast_to((grid.x_um < 30) | (grid.x_um > 60), grid.mask.shape))
    located = mapped(shapely.box(0, 0, 10, 10), tissue=tissue).locate(
        np.array([[5.0, 5], [90, 40], [50, 20]])
    )
    assert located.piece.tolist() == [2, 1, 0]


def test_doubling_every_length_doubles_distances_and_quadruples_areas():
    once = mapped(DISC, width_um=50)
    grid = GridMask.whole((2 * FRAME[0], 2 * FRAME[1]), 4.0)
    twice = mapped(shapely.affinity.scale(DISC, 2, 2, origin=(0, 0)), tissue=grid, width_um=100)
    points = grid_points(FRAME, 31.0)
    assert np.allclose(
        once.locate(points).distance_to_margin_um * 2,
        twice.locate(2 * points).distance_to_margin_um,
    )
    for name in REGION_NAMES:
        assert twice.areas.areas_mm2[name] == pytest.approx(4 * once.areas.areas_mm2[name], 1e-3)
