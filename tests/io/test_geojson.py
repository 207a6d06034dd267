import json

import numpy as np
import pytest
import shapely
import shapely.geometry

from immunescape.errors import AnnotationError, OutputError
from immunescape.io.geojson import read_annotations, write_regions
from immunescape.regions import Regions


def square(x: float, y: float, side: float = 10) -> dict:
    return shapely.geometry.mapping(shapely.box(x, y, x + side, y + side))


def feature(geometry, classification="Tumor", **properties) -> dict:
    given = {"name": classification} if isinstance(classification, str) else classification
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"objectType": "annotation", "classification": given, **properties},
    }


LINE = {"type": "LineString", "coordinates": [[0, 0], [30, 40]]}


@pytest.fixture
def read(tmp_path):
    def reading(content, shape=None, pixel_size_um=0.5) -> Regions:
        path = tmp_path / "drawn.geojson"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return read_annotations(path, pixel_size_um=pixel_size_um, slide_name="P01", shape=shape)

    return reading


@pytest.mark.parametrize("shell", ["collection", "feature", "list"])
def test_every_shell_of_features_is_read_and_pixels_become_um(read, shell):
    one = feature(square(100, 200, 20))
    content = {
        "collection": {"type": "FeatureCollection", "features": [one]},
        "feature": one,
        "list": [one],
    }[shell]
    tumour = read(content)["tumour"]
    assert tumour.bounds == (50, 100, 60, 110)
    assert tumour.geom_type == "MultiPolygon"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("Tumor", "tumour"), ("tumour", "tumour"), ("TUMOR", "tumour"), ("Region*", "analysed"),
        ("region", "analysed"), ("Ignore*", "excluded"), ("Artefact", "excluded"),
        ("Artifact", "excluded"), ("Necrosis", "necrosis"), ("Control", "control"),
        ("lymphoid", "lymphoid"), ("Epidermis", "epidermis"), ("Nerve", "nerve"),
        ("Stroma", "stroma_area"),
    ],
)  # fmt: skip
def test_class_names_become_roles(read, name, role):
    assert list(read([feature(square(0, 0), name)])) == [role]


@pytest.mark.parametrize("name", ["Margin line", "margin", "MARGIN LINE", "Margin_line"])
def test_margin_lines(read, name):
    line = read([feature(LINE, name)])["margin_line"]
    assert line.geom_type == "MultiLineString"
    assert line.length == 25


def test_the_outline_of_an_area_serves_as_margin_line(read):
    regions = read([feature(square(0, 0), "Margin"), feature(LINE, "Margin line")])
    assert regions["margin_line"].length == 45


def test_names_lists_text_and_no_class(read):
    regions = read(
        [
            feature(square(0, 0), {"names": ["Tumor"]}),
            feature(square(20, 0), {"names": ["Tumor", "CD8"]}),
            feature(square(40, 0), "Vessel"),
            feature(square(60, 0), "Tumor buds"),
            feature(square(80, 0), None),
            {"type": "Feature", "geometry": square(0, 0), "properties": None},
            {"type": "Feature", "geometry": None, "properties": {"classification": "Tumor"}},
        ]
    )
    assert regions.area_mm2("tumour") == pytest.approx(25e-6)
    assert regions.unknown == {
        "Vessel": 1,
        "Tumor buds": 1,
        "Tumor: CD8": 1,
        "objects without geometry": 1,
        "unclassified": 2,
    }


def test_cells_and_detections_are_counted_and_not_taken_for_areas(read):
    regions = read(
        [
            feature(square(0, 0), "Nerve", objectType="cell"),
            feature(square(0, 0), "Nerve", objectType="detection"),
            feature(square(0, 0), "Nerve") | {"id": "PathCellObject"},
        ]
    )
    assert list(regions) == []
    assert regions.unknown == {"cell objects": 2, "detection objects": 1}


def test_holes_and_several_areas_are_kept_and_united(read):
    ring = shapely.box(0, 0, 40, 40) - shapely.box(10, 10, 30, 30)
    two = shapely.MultiPolygon([shapely.box(100, 0, 110, 10), shapely.box(120, 0, 130, 10)])
    tumour = read(
        [
            feature(shapely.geometry.mapping(ring)),
            feature(shapely.geometry.mapping(two)),
            feature(square(105, 0)),
        ],
        pixel_size_um=1.0,
    )["tumour"]
    assert tumour.area == 1200 + 200 + 50
    assert sorted(len(p.interiors) for p in tumour.geoms) == [0, 0, 1]


def test_an_outline_that_crosses_itself_is_mended(read):
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [10, 10], [10, 0], [0, 10], [0, 0]]]}
    tumour = read([feature(bow)], pixel_size_um=1.0)["tumour"]
    assert tumour.is_valid
    assert tumour.area == 50


def test_planes_heights_and_a_byte_order_mark_do_no_harm(read):
    high = {"type": "Polygon", "coordinates": [[[0, 0, 3], [9, 0, 3], [9, 9, 3], [0, 0, 3]]]}
    high["plane"] = {"c": -1, "z": 2, "t": 1}
    assert not read("\ufeff" + json.dumps([feature(high)]))["tumour"].has_z


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("tumour at 5, 5", "is not JSON"),
        ("\x00\x01", "is not JSON"),
        ({"type": "Topology"}, "not GeoJSON"),
        ([{"geometry": None}], "not GeoJSON"),
        ("7", "not GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "holds no objects"),
        ({"type": "FeatureCollection"}, "not GeoJSON"),
        ([feature({"type": "Point", "coordinates": [1, 2]})], "is a Point; draw it as an area"),
        ([feature(LINE, "Necrosis")], "is a LineString; draw it as an area"),
        ([feature({"type": "Point", "coordinates": [1, 2]}, "Margin")], "draw it as a line"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]})], "make no Polygon"),
        ([feature({"type": "Polygon", "coordinates": 5})], "make no Polygon"),
        ([feature({"type": "Polygon"})], "make no Polygon"),
        ([feature({"type": "Polygon", "coordinates": [[["a", 0], [1, 1], [2, 3]]]})], "make no"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [5, float("nan")], [5, 5]]]})],
         "not a number"),
        ([feature({"type": "Polygon", "coordinates": [[[0, 0], [5, 5], [9, 9], [0, 0]]]})],
         "encloses nothing"),
        ([feature({"type": "Polygon", "coordinates": []})], "encloses nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(read, content, said):
    with pytest.raises(AnnotationError, match=said) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith("drawn.geojson")
    assert "\n" not in message and "/" not in message


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AnnotationError, match=r"none\.geojson cannot be read"):
        read_annotations(tmp_path / "none.geojson", pixel_size_um=1, slide_name="P01")


def test_annotations_of_another_slide_are_refused(read):
    far = [feature(square(5000, 0)), feature(square(0, 9000), "Necrosis")]
    with pytest.raises(AnnotationError, match=r"outside P01 \(200 x 100 pixels\)"):
        read(far, shape=(100, 200))
    assert list(read([*far, feature(square(190, 90))], shape=(100, 200))) == ["necrosis", "tumour"]


def test_what_is_written_is_read_back(tmp_path):
    ring = shapely.box(10, 10, 90, 70) - shapely.box(30, 30, 50, 50)
    shapes = {
        "tumour": shapely.MultiPolygon([ring, shapely.box(100, 10, 110, 20)]),
        "necrosis": shapely.MultiPolygon([shapely.box(30.248, 30.248, 50, 50)]),
        "margin_line": shapely.MultiLineString([[(0, 0), (5, 8)], [(20, 1), (30, 2)]]),
        "epidermis": shapely.MultiPolygon(),
        "interface": shapely.MultiLineString([[(0, 0), (5, 8)]]),
    }
    path = tmp_path / "regions.geojson"
    write_regions(path, Regions(shapes), 0.496)
    again = read_annotations(path, pixel_size_um=0.496, slide_name="P01")
    assert list(again) == ["margin_line", "necrosis", "tumour"]
    assert again.unknown == {}
    for name in again:
        assert again[name].hausdorff_distance(shapes[name]) < 0.001
    assert again["tumour"].area == pytest.approx(shapes["tumour"].area, rel=1e-4)


def test_qupath_finds_class_name_and_colour(tmp_path):
    path = tmp_path / "regions.geojson"
    write_regions(path, Regions({"tumour": shapely.box(0, 0, 5, 5)}), 0.5)
    written = json.loads(path.read_text("utf-8"))
    assert written["type"] == "FeatureCollection"
    (only,) = written["features"]
    assert only["properties"]["objectType"] == "annotation"
    assert only["properties"]["classification"] == {"name": "Tumor", "color": [200, 0, 0]}
    assert np.max(only["geometry"]["coordinates"]) == 10
    assert [p.name for p in tmp_path.iterdir()] == ["regions.geojson"]


def test_a_file_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"regions\.geojson cannot be written"):
        write_regions(tmp_path / "none" / "regions.geojson", Regions(), 0.5)
