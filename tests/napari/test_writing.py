"""What is saved from the layers is what the core reads: cell tables and QuPath's GeoJSON."""

import json

import numpy as np
import pandas as pd
import pytest
import shapely
from napari.layers import Layer

from immunescape.cells import CellTable
from immunescape.errors import AnnotationError, OutputError, SlideError
from immunescape.io.geojson import read_annotations
from immunescape.napari.layers import features_of, regions_layers
from immunescape.napari.writing import write_cell_table, write_regions_geojson
from immunescape.regions import Regions

CELLS = CellTable(
    pd.DataFrame(
        {
            "x_um": [1.25, 1 / 3],
            "y_um": [2.0, 4.0],
            "cd8_positive": pd.array([True, None], dtype="boolean"),
            "phenotype": ["cd8_t", "unknown"],
        },
        index=pd.Index([3, 9], name="label"),
    )
)
ATTRIBUTES = {
    "name": "Cells",
    "features": features_of(CELLS),
    "metadata": {"immunescape": {"columns": tuple(CELLS.frame.columns)}},
}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_cell_table_is_written_exactly(tmp_path, ending):
    path = tmp_path / f"cells.{ending}"
    assert write_cell_table(str(path), None, ATTRIBUTES) == [str(path)]
    read = pd.read_csv(path) if ending == "csv" else pd.read_parquet(path)
    assert read.columns.tolist() == ["label", "x_um", "y_um", "cd8_positive", "phenotype"]
    assert read["label"].tolist() == [3, 9]
    assert read["x_um"].tolist() == [1.25, 1 / 3]
    assert read["cd8_positive"].isna().tolist() == [False, True]


def test_a_layer_without_cells_and_another_ending_are_refused(tmp_path):
    with pytest.raises(SlideError, match="Masks carries no cell table"):
        write_cell_table(
            str(tmp_path / "c.csv"), None, {"name": "Masks", "features": pd.DataFrame()}
        )
    with pytest.raises(OutputError, match=r"c\.xlsx is neither"):
        write_cell_table(str(tmp_path / "c.xlsx"), None, ATTRIBUTES)
    assert list(tmp_path.iterdir()) == []


RING = shapely.Polygon([(0, 0), (50, 0), (50, 50), (0, 50)], [[(10, 10), (20, 10), (20, 20)]])


def test_regions_are_written_for_qupath_and_read_back(tmp_path):
    drawn = Regions({"tumour": shapely.MultiPolygon([RING]), "nerve": shapely.box(60, 0, 70, 5)})
    layers = [Layer.create(*d) for d in regions_layers(drawn, pixel_size_um=0.5)]
    box = {"name": "Vessel", "shape_type": "polygon"}
    layers.append(Layer.create([np.array([[0, 0], [0, 4], [4, 4]])], box, "shapes"))
    path = tmp_path / "drawn.geojson"
    write_regions_geojson(str(path), [x.as_layer_data_tuple() for x in layers])
    features = json.loads(path.read_text())["features"]
    assert [f["properties"]["classification"]["name"] for f in features] == [
        "Tumor", "Nerve", "Vessel",
    ]  # fmt: skip
    # pixels of 0.5 µm: the outer corner of the ring at 50 µm is at pixel 100
    assert max(x for x, _ in features[0]["geometry"]["coordinates"][0][0]) == 100
    back = read_annotations(path, pixel_size_um=0.5, slide_name="S")
    for name in drawn:
        assert back[name].equals(drawn[name])
    assert back.unknown == {"Vessel": 1}


def test_nothing_drawn_and_an_unknown_pixel_size_are_refused(tmp_path):
    empty = [Layer.create(*d) for d in regions_layers(Regions(), ("tumour",), pixel_size_um=1)]
    with pytest.raises(AnnotationError, match="nothing is drawn"):
        write_regions_geojson(str(tmp_path / "a.geojson"), [x.as_layer_data_tuple() for x in empty])
    (layer,) = (Layer.create(*d) for d in regions_layers(Regions({"tumour": RING})))
    with pytest.raises(AnnotationError, match="pixel size is not known"):
        write_regions_geojson(str(tmp_path / "a.geojson"), [layer.as_layer_data_tuple()])
    assert list(tmp_path.iterdir()) == []
