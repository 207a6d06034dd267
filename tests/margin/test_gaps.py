"""What was not imaged is neither tissue nor margin; drawn by hand, areas and lengths counted."""

import numpy as np
import pytest
import shapely

from immunescape.margin import GridMask, derive_tumour, map_margin
from immunescape.regions import Regions
from immunescape.slide import Imaged

FRAME = (800.0, 600.0)
PIXEL_UM = 0.5
# two upright strips with 100 µm between them, all of 600 µm high
STRIPS = Imaged(np.array([[0, 1200, 0, 800], [0, 1200, 1000, 1600]]))
EDGE_UM = (400.0, 500.0)


@pytest.fixture
def tissue() -> GridMask:
    return GridMask.whole(FRAME, 2.0).of_imaged(STRIPS, PIXEL_UM)


def mapped(tissue: GridMask, tumour: shapely.Geometry):
    return map_margin(tissue, Regions(), shapely.MultiPolygon([tumour]), "drawn")


def test_gaps_are_no_tissue_and_know_how_far_they_are(tissue) -> None:
    assert tissue.area_um2() == 700 * 600
    assert tissue.gaps is not None
    away = np.maximum(EDGE_UM[0] - tissue.x_um, tissue.x_um - EDGE_UM[1])
    np.testing.assert_allclose(tissue.gaps.distance_um[17], np.maximum(away, 0), atol=1e-4)
    assert tissue.with_mask(~tissue.mask).gaps is tissue.gaps


def test_a_slide_imaged_everywhere_has_no_gaps() -> None:
    whole = GridMask.whole(FRAME)
    assert whole.of_imaged(None, PIXEL_UM) is whole
    assert whole.of_imaged(Imaged(np.array([[0, 1200, 0, 1600]])), PIXEL_UM).gaps is None


def test_a_tumour_that_ends_at_a_gap_has_no_margin_there(tissue) -> None:
    found = mapped(tissue, shapely.box(200, 0, 400, 600))
    np.testing.assert_allclose(found.regions["interface"].bounds, (200, 0, 200, 600), atol=1e-6)
    assert found.areas.areas_mm2["tumour"] == pytest.approx(200 * 600 / 1e6, rel=1e-12)
    assert found.areas.areas_mm2["tissue"] == pytest.approx(700 * 600 / 1e6, rel=1e-12)


def test_a_margin_stops_at_a_gap_and_goes_on_behind_it(tissue) -> None:
    """The upper half of the slide is tumour, over the gap as well."""
    found = mapped(tissue, shapely.box(0, 0, 800, 300))
    left, right = sorted(shapely.get_parts(found.regions["interface"]), key=lambda p: p.bounds)
    np.testing.assert_allclose(left.bounds, (0, 300, 400, 300), atol=1.01)
    np.testing.assert_allclose(right.bounds, (500, 300, 800, 300), atol=1.01)
    assert found.areas.margin_length_mm == pytest.approx(0.7, abs=0.003)


def test_what_is_nearer_to_a_gap_than_to_the_margin_is_censored(tissue) -> None:
    found = mapped(tissue, shapely.box(0, 0, 800, 300))
    x, y = np.meshgrid(np.arange(11.0, 800, 20), np.arange(11.0, 600, 20))
    points = np.stack([x.ravel(), y.ravel()], axis=1)
    located = found.locate(points)
    px, py = points.T
    to_margin = np.abs(py - 300)
    to_gap = np.maximum(np.maximum(EDGE_UM[0] - px, px - EDGE_UM[1]), 0)
    to_frame = np.minimum.reduce([px, 800 - px, py, 600 - py])
    inside = to_gap > 0
    assert (located["region"].to_numpy()[~inside] == "excluded").all()
    sure = inside & (np.abs(np.minimum(to_gap, to_frame) - to_margin) > 2)
    np.testing.assert_array_equal(
        located["edge_censored"].to_numpy()[sure], (np.minimum(to_gap, to_frame) < to_margin)[sure]
    )
    # in each strip what is left is a hexagon: two triangles of slope 1 are cut off at each end
    strips = [400.0, 300.0]
    kept = sum(2 * min(w / 2, 150) * (w - min(w / 2, 150)) for w in strips)
    assert found.areas.edge_censored_mm2 == pytest.approx((700 * 600 - kept) / 1e6, rel=0.02)


def test_a_derived_tumour_has_no_margin_along_a_gap(tissue) -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform((0, 0), FRAME, (2400, 2))
    x, y = points.T
    points = points[(x > 150) & (y > 150) & ~((x >= EDGE_UM[0]) & (x < EDGE_UM[1]))]
    found = mapped(tissue, shapely.union_all(derive_tumour(points, tissue)))
    along = shapely.box(EDGE_UM[0] - 10, 200, EDGE_UM[1] + 10, 600)
    assert found.regions["interface"].intersection(along).length == 0
    assert found.regions["interface"].length > 300
