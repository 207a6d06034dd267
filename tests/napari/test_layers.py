"""Layers lie where the core says, look right at first sight, and give back what they were given."""

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import shapely
from napari.layers import Layer
from shapely import MultiPolygon, Polygon, box

from immunescape.cells import CellTable
from immunescape.errors import SlideError
from immunescape.io.label_store import LabelStore
from immunescape.napari.contrast import contrast_limits, slide_limits
from immunescape.napari.layers import (
    common_limits,
    facts_of,
    features_of,
    label_layer,
    points_layer,
    recolour,
    regions_from_layers,
    regions_layers,
    slide_layers,
    table_of,
)
from immunescape.napari.planes import Overview, channel_pyramid
from immunescape.panel import match_panel
from immunescape.regions import ANNOTATION_ROLES, Regions
from immunescape.slide import Imaged, Slide

CHANNELS = ("DAPI", "Autofluorescence", "PD-L1", "CD8", "S100", "SOX10", "CD68")


def made(layers):
    return [Layer.create(*layer) for layer in layers]


def small_slide(size=40, **changes):
    pixels = np.zeros((len(CHANNELS), size, size), np.uint16) + 100
    for k in range(len(CHANNELS)):
        pixels[k, 4:8, 2 + 4 * k : 6 + 4 * k] = 1000 * (k + 1)
    return Slide("S1", (pixels,), CHANNELS, changes.get("pixel_size_um", 0.5))


def test_each_marker_is_a_layer_in_its_colour_and_place():
    layers = {x.name: x for x in made(slide_layers(small_slide()))}
    assert list(layers)[-5:] == ["CD68", "S100", "SOX10", "CD8", "PD-L1"]
    assert [x.name for x in layers.values() if not x.visible] == ["Autofluorescence"]
    pdl1 = layers["PD-L1"]
    assert pdl1.blending == "additive"
    red, green, blue, _ = pdl1.colormap.colors[-1]
    assert red > 0.9 and green < 0.3 and blue < 0.3
    assert tuple(map(str, pdl1.units)) == ("micrometer", "micrometer")
    assert pdl1.axis_labels == ("y", "x")
    # the bright square of channel 2 is pixels 4 to 7 and 10 to 13: its middle is 3 and 6 µm
    assert pdl1.get_value((3.0, 6.0), world=True) == 3000
    assert pdl1.get_value((2.01, 5.01), world=True) == 3000
    assert pdl1.get_value((1.99, 5.01), world=True) == 100
    assert facts_of(pdl1)["marker"] == "pdl1" and facts_of(pdl1)["slide"] == "S1"


def test_colours_of_a_field_can_be_told_apart():
    layers = [x for x in made(slide_layers(small_slide())) if x.visible]
    ends = np.array([x.colormap.colors[-1][:3] for x in layers])
    distances = np.linalg.norm(ends[:, None] - ends[None], axis=-1)
    assert distances[~np.eye(len(ends), dtype=bool)].min() > 0.3


def test_limits_are_black_on_the_ground_and_full_on_the_signal():
    rng = np.random.default_rng(0)
    ground = rng.normal(120, 3, 90_000)
    signal = rng.normal(400, 10, 3_000)
    low, high = contrast_limits(np.concatenate([ground, signal]).astype(np.float32))
    assert low == pytest.approx(120, abs=1)
    assert 400 < high < 440


def test_a_channel_without_stain_stays_dark():
    noise = np.random.default_rng(1).normal(120, 3, 90_000).astype(np.float32)
    low, high = contrast_limits(noise)
    assert np.max((noise - low) / (high - low)) < 0.5


@pytest.mark.parametrize("pixels", [np.zeros(0), np.full(9, 7.0), np.full(9, np.nan)])
def test_limits_of_nothing_still_differ(pixels):
    low, high = contrast_limits(pixels.astype(np.float32))
    assert high > low


def test_what_was_not_imaged_does_not_make_stain_dark():
    rng = np.random.default_rng(4)
    image = rng.normal(200, 9, (1, 300, 300)).astype(np.float32)
    image[0, 100:150, 100:150] += 900
    wide = np.zeros((1, 700, 900), np.float32)
    wide[:, :300, :300] = image
    imaged = Imaged(np.array([[0, 300, 0, 300]]))
    panel = match_panel(["DAPI"]).panel
    alone = slide_limits(Slide("s", (image,), ("DAPI",), 0.5), panel)
    beside = slide_limits(Slide("s", (wide,), ("DAPI",), 0.5, imaged=imaged), panel)
    assert beside == alone
    assert beside["dapi"][0] > 190


def test_timepoints_share_their_limits_and_one_without_stain_stays_dark():
    bright, dark = small_slide(), small_slide()
    dark.arrays[0][2] = 100
    panel = match_panel(CHANNELS).panel
    limits = common_limits([(bright, panel), (dark, panel)])
    one, other = ({x.name: x for x in made(slide_layers(s, limits=limits))} for s in (bright, dark))
    for name in one:
        assert one[name].contrast_limits == other[name].contrast_limits
    assert one["PD-L1"].contrast_limits[1] == 3000


class CountedPlanes:
    """A (c, y, x) array of the number of its row and column, that counts the pixels read."""

    ndim = 3

    def __init__(self, shape):
        self.shape, self.dtype, self.most, self.read = shape, np.dtype(np.uint16), 0, 0

    def __getitem__(self, key):
        _, rows, columns = key
        y = np.arange(self.shape[1])[rows]
        x = np.arange(self.shape[2])[columns]
        out = (y[:, None] * 3 + x[None]).astype(np.uint16)
        self.most, self.read = max(self.most, out.size), self.read + out.size
        return out


def test_a_large_slide_without_a_pyramid_gets_one():
    planes = CountedPlanes((1, 9000, 300))
    slide = Slide("big", (planes,), ("DAPI",), 0.5)
    levels = channel_pyramid(slide, "DAPI")
    assert planes.read == 0
    assert [x.shape for x in levels] == [
        (9000, 300), (4500, 150), (2250, 75), (1125, 38), (563, 19),
    ]  # fmt: skip
    whole = planes[0, :, :]
    planes.most = planes.read = 0
    for k, level in enumerate(levels[1:], 1):
        step = 2**k
        wanted = whole[::step, ::step]
        np.testing.assert_array_equal(level[10:33, 5:17], wanted[10:33, 5:17])
        np.testing.assert_array_equal(level[7, 3:9], wanted[7, 3:9])
    np.testing.assert_array_equal(np.asarray(levels[3]), whole[::8, ::8])
    np.testing.assert_array_equal(np.asarray(levels[4]), whole[::16, ::16])
    assert planes.most <= 2048 * 300
    assert planes.read < 1.02 * 9000 * 300  # one pass in all


def test_a_small_slide_or_one_with_a_pyramid_keeps_its_levels():
    slide = Slide("s", (da.zeros((1, 50, 40)), da.zeros((1, 25, 20))), ("DAPI",), 0.5)
    assert [x.shape for x in channel_pyramid(slide, "DAPI")] == [(50, 40), (25, 20)]
    layer = Layer.create(*slide_layers(slide)[0])
    assert layer.multiscale
    assert not isinstance(channel_pyramid(small_slide(), "DAPI")[-1], Overview)


LABELS = np.array([[0, 1, 1, 5], [0, 1, 5, 5], [2, 2, 0, 5]], np.int32)


@pytest.fixture
def store(tmp_path):
    store = LabelStore.create(tmp_path / "labels.zarr", 0.5)
    store.add("cells", LABELS.shape)[:] = LABELS
    store.finish("cells")
    return store


def table(**columns):
    places = {"x_um": [1.0, 0.5, 1.75], "y_um": [0.25, 1.25, 0.75], "area_um2": [1.0, 2.0, 3.0]}
    index = pd.Index([1, 2, 5], name="label")
    return CellTable(pd.DataFrame({**places, **columns}, index=index))


def test_cells_are_drawn_in_the_colour_of_their_class(store):
    cells = table(phenotype=["tumour", "cd8_t", "other"])
    layer = Layer.create(*label_layer(store, "cells", cells, slide="S1"))
    np.testing.assert_array_equal(np.asarray(layer.data[0]), LABELS)
    for row, column in np.ndindex(LABELS.shape):  # the middle of a pixel, in µm
        place = (row + 0.5) / 2, (column + 0.5) / 2
        np.testing.assert_allclose(layer.world_to_data(place), (row, column))
    red, blue = (1, 0, 0, 1), (0, 0, 1, 1)
    recolour(layer, [0, 1, 1, 0, 0, 2], [red, blue])
    np.testing.assert_array_equal(layer.get_color(1), red)
    np.testing.assert_array_equal(layer.get_color(5), blue)
    recolour(layer, [0, 2, 0, 0, 0, 1])
    np.testing.assert_array_equal(layer.get_color(1), blue)
    np.testing.assert_array_equal(layer.get_color(2), (0, 0, 0, 0))
    np.testing.assert_array_equal(layer.get_color(77), (0, 0, 0, 0))
    shown = layer.colormap._data_to_texture(LABELS)
    np.testing.assert_array_equal(shown, [[0, 2, 2, 1], [0, 2, 1, 1], [0, 0, 0, 1]])
    layer.new_colormap()  # what the colour mode "auto" gives: a colour a cell
    recolour(layer, [0, 1, 0, 0, 0, 0])
    np.testing.assert_array_equal(layer.get_color(1), red)
    layer.selected_label, layer.show_selected_label = 5, True
    np.testing.assert_array_equal(layer.get_color(1), (0, 0, 0, 0))
    with pytest.raises(ValueError, match="from 0 to 2"):
        recolour(layer, [0, 3])


def test_more_classes_than_a_texture_holds_are_refused(store):
    layer = Layer.create(*label_layer(store, "cells"))
    with pytest.raises(ValueError, match="no colours by class yet"):
        recolour(layer, [0, 1])
    with pytest.raises(ValueError, match="at most 250"):
        recolour(layer, [0, 1], ["#ff0000"] * 251)
    recolour(layer, np.arange(251), ["#ff0000"] * 250)
    np.testing.assert_array_equal(layer.get_color(5), (1, 0, 0, 1))


def test_the_cell_table_comes_back_from_the_layer(store):
    cells = table(phenotype=["tumour", "cd8_t", "other"], region=["centre"] * 3)
    layer = Layer.create(*label_layer(store, "cells", cells))
    assert list(layer.features.columns)[:3] == ["index", "phenotype", "region"]
    pd.testing.assert_frame_equal(table_of(layer).frame, cells.frame)
    assert "phenotype: cd8_t" in layer._get_properties((1.1, 0.3), world=True)
    with pytest.raises(SlideError, match="carries no cell table"):
        table_of(Layer.create(*label_layer(store, "cells")))


def test_points_lie_on_the_cells():
    cells = table()
    layer = Layer.create(*points_layer(cells, [True, False, True]))
    np.testing.assert_array_equal(layer.data, [[0.25, 1.0], [0.75, 1.75]])
    many = CellTable(
        pd.DataFrame(
            {"x_um": np.zeros(10_001), "y_um": 0.0}, index=pd.RangeIndex(1, 10_002, name="label")
        )
    )
    with pytest.raises(ValueError, match="too many"):
        points_layer(many, np.ones(10_001, bool))
    assert features_of(cells)["index"].tolist() == [1, 2, 5]


RING = Polygon([(0, 0), (100, 0), (100, 80), (0, 80)], [[(20, 20), (60, 20), (60, 60), (20, 60)]])
ISLAND = Polygon([(30, 30), (50, 30), (50, 50), (30, 50)], [[(35, 35), (40, 35), (40, 40)]])
DRAWN = Regions(
    {
        "tumour": MultiPolygon([ISLAND, RING, box(200, 0, 210, 5)]),
        "excluded": MultiPolygon([box(1.25, 2.5, 3, 4)]),
        "margin_line": shapely.MultiLineString([[(0, 0), (5, 5), (9, 1)], [(20, 0), (30, 1)]]),
    }
)


def test_regions_survive_the_round_trip_with_holes_and_islands():
    layers = made(regions_layers(DRAWN, ("necrosis",)))
    assert [x.name for x in layers] == ["Tumour", "Exclude", "Margin line", "Necrosis"]
    back = regions_from_layers(layers)
    assert sorted(back) == sorted(DRAWN)
    for name in DRAWN:
        assert back[name].equals(DRAWN[name])
    # read shape by shape, as after any change
    for layer in layers:
        del layer.metadata["immunescape"]["drawn"]
    back = regions_from_layers(layers)
    for name in DRAWN:
        assert shapely.equals_exact(
            shapely.normalize(back[name]), shapely.normalize(DRAWN[name]), 1e-4
        ), name


def test_a_layer_as_it_was_made_gives_back_the_very_geometry():
    odd = MultiPolygon([Polygon([(0.1, 0.1), (10.123456789, 0.3), (7.7, 9.87654321)])])
    (layer,) = made(regions_layers(Regions({"tumour": odd})))
    assert regions_from_layers([layer])["tumour"].equals_exact(odd, 0)
    layer.data = [np.asarray(layer.data[0]) + 1]
    moved = regions_from_layers([layer])["tumour"]
    wanted = shapely.transform(odd, lambda xy: xy + 1)
    assert shapely.equals_exact(shapely.normalize(moved), shapely.normalize(wanted), 1e-4)


def test_shapes_of_every_kind_are_read():
    (layer,) = made(regions_layers(Regions(), ("tumour",)))
    layer.add_rectangles(np.array([[0, 0], [10, 20]]))
    assert regions_from_layers([layer])["tumour"].equals(box(0, 0, 20, 10))
    layer.add_ellipses(np.array([[100, 120], [20, 10]]))  # its middle, then its half axes
    area = regions_from_layers([layer])["tumour"].area
    assert area == pytest.approx(200 + np.pi * 20 * 10, rel=0.002)
    layer.feature_defaults = {"part": "hole"}
    layer.add_polygons(np.array([[2, 2], [2, 4], [4, 4], [4, 2]]))
    assert regions_from_layers([layer])["tumour"].area == pytest.approx(area - 4)
    bow = np.array([[200, 0], [210, 10], [210, 0], [200, 10]])  # crosses itself in the middle
    layer.feature_defaults = {"part": "area"}
    layer.add_polygons(bow)
    assert regions_from_layers([layer])["tumour"].area == pytest.approx(area - 4 + 50)
    assert regions_from_layers([layer])["tumour"].is_valid


def test_found_regions_are_lines_near_the_truth_and_are_never_taken_for_drawn():
    circle = shapely.Point(500, 500).buffer(400, quad_segs=2000)
    (layer,) = made(
        regions_layers(
            Regions(
                {
                    "tissue": circle,
                }
            ),
            found=True,
        )
    )
    assert list(layer.shape_type) == ["path"]
    assert len(layer.data[0]) < 300
    shown = shapely.LineString(np.asarray(layer.data[0])[:, ::-1])
    assert shapely.hausdorff_distance(shown, circle.exterior) < 1.1
    assert list(regions_from_layers([layer])) == []


def test_only_layers_of_the_slide_that_draw_a_role_count():
    mine = made(regions_layers(DRAWN, slide="S1"))
    other = made(regions_layers(Regions({"nerve": box(0, 0, 1, 1)}), slide="S2"))
    found = made(regions_layers(Regions({"tumour": box(500, 0, 600, 9)}), found=True, slide="S1"))
    corner = [np.array([[0, 0], [0, 9], [9, 9]])]
    plain = Layer.create(corner, {"name": "Nerve [1]", "shape_type": "polygon"}, "shapes")
    scrap = Layer.create(corner, {"name": "Shapes", "shape_type": "polygon"}, "shapes")
    back = regions_from_layers([*mine, *other, *found, plain, scrap], slide="S1")
    assert sorted(back) == ["excluded", "margin_line", "nerve", "tumour"]
    assert back["nerve"].area == pytest.approx(40.5)
    assert set(back) <= set(ANNOTATION_ROLES)


def test_slides_side_by_side_keep_their_own_coordinates():
    layers = made(regions_layers(DRAWN, origin_um=(1000.0, 50.0)))
    assert tuple(layers[0].translate) == (50.0, 1000.0)
    for layer in layers:
        del layer.metadata["immunescape"]["drawn"]
    assert regions_from_layers(layers)["excluded"].equals(DRAWN["excluded"])
    image = made(slide_layers(small_slide(), origin_um=(1000.0, 50.0)))[-1]
    assert image.get_value((53.0, 1006.0), world=True) == 3000
