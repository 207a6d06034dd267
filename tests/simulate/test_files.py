"""What is written is what was simulated, byte for byte the same each time."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import shapely
import tifffile

from immunescape.errors import OutputError
from immunescape.simulate import CHANNELS, FieldParams, simulate_field, write_field, write_patient

TINY = FieldParams(width_um=100, height_um=80, margin_width_um=20)


@pytest.fixture(scope="module")
def patient(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patient")
    return folder, write_patient(folder, 3, "P05", TINY)


def test_image_and_labels_come_back(patient):
    folder, fields = patient
    for field in fields:
        with tifffile.TiffFile(folder / f"{field.name}.ome.tif") as tif:
            assert np.array_equal(tif.asarray(), field.image)
            for channel in CHANNELS:
                assert f'Name="{channel}"' in tif.ome_metadata
            assert 'PhysicalSizeX="0.5"' in tif.ome_metadata
        for kind in ("nuclei", "cells"):
            labels = tifffile.imread(folder / "truth" / f"{field.name}_{kind}.tif")
            assert labels.dtype == np.int32 and np.array_equal(labels, getattr(field, kind))


def test_annotation_is_the_tumour_in_pixels_within_the_frame(patient):
    folder, fields = patient
    for field in fields:
        content = json.loads((folder / f"{field.name}.geojson").read_text(encoding="utf-8"))
        assert content["type"] == "FeatureCollection"
        (feature,) = content["features"]
        assert feature["properties"]["classification"]["name"] == "Tumor"
        drawn = shapely.geometry.shape(feature["geometry"])
        assert drawn.geom_type in ("Polygon", "MultiPolygon")
        assert drawn.area * 0.25 == pytest.approx(field.regions["tumour"].area, rel=1e-4)
        x0, y0, x1, y1 = drawn.bounds
        assert x0 >= 0 and y0 >= 0 and x1 <= 200 and y1 <= 160


def test_tables_come_back(patient):
    folder, fields = patient
    for field in fields:
        for table in ("cells", "regions", "contacts", "summary"):
            read = pd.read_csv(folder / "truth" / f"{field.name}_{table}.csv")
            pd.testing.assert_frame_equal(
                read, getattr(field.truth, table), check_dtype=False, atol=1e-3
            )


def test_sample_sheet_names_files_that_are_there(patient):
    folder, _ = patient
    sheet = pd.read_csv(folder / "samples.csv")
    assert sheet["timepoint"].tolist() == ["baseline", "response", "relapse"]
    assert sheet["day"].is_monotonic_increasing and set(sheet["patient"]) == {"P05"}
    for column in ("slide", "annotations"):
        assert all((folder / name).is_file() for name in sheet[column])


def test_same_seed_writes_the_same_bytes(patient, tmp_path):
    folder, _ = patient
    write_patient(tmp_path, 3, "P05", TINY)
    written = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert len(written) == 3 * 9 + 1
    assert written == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for name in written:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file, not a folder")
    field = simulate_field(TINY, "cold", 1)
    with pytest.raises(OutputError, match="taken cannot be written"):
        write_field(field, tmp_path / "taken")
    with pytest.raises(OutputError, match="cannot name a folder"):
        write_patient(tmp_path, 1, "a/b", TINY)


def test_nerves_and_lymphoid_tissue_are_written_where_there_are_any(tmp_path):
    params = FieldParams(width_um=260, height_um=200, pixel_size_um=1.0, nest_fraction=0.2)
    names = {}
    for nerves in (1, 0):
        field = simulate_field(dataclasses.replace(params, nerves=nerves), "node", 1)
        write_field(field, tmp_path)
        content = json.loads((tmp_path / "truth" / "field_places.geojson").read_text("utf-8"))
        names[nerves] = [f["properties"]["classification"]["name"] for f in content["features"]]
    assert names == {1: ["Nerve", "Lymphoid"], 0: ["Lymphoid"]}
    write_field(simulate_field(params, "cold", 1), tmp_path)
    assert not (tmp_path / "truth" / "field_places.geojson").exists()


def test_nothing_is_drawn_where_there_is_no_tumour(tmp_path):
    for fraction in (0.5, 0.0):
        params = dataclasses.replace(TINY, nest_fraction=fraction)
        write_field(simulate_field(params, "cold", 1), tmp_path)
        assert (tmp_path / "field.geojson").exists() == (fraction > 0)
