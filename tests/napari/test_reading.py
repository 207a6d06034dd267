"""The reader takes slides and results, refuses all else without a word, and reads no pixels."""

import shutil

import numpy as np
import pytest
import tifffile
import zarr
from napari.layers import Layer

from immunescape.cli.demo import sample_folder
from immunescape.io.geojson import read_annotations, read_regions, write_regions
from immunescape.io.tables import read_cells
from immunescape.napari.layers import facts_of, regions_from_layers, table_of
from immunescape.napari.reading import NOTHING, find_reader, read_result, read_slide
from immunescape.regions import ANNOTATION_ROLES, Regions
from immunescape.results import PHENOTYPES
from tests.mosaics import write_mosaic

BASELINE = sample_folder() / "P01_baseline.ome.tif"


def zarr_image(path, shape=(2, 64, 48)):
    group = zarr.open_group(path, mode="w", zarr_format=3)
    group.create_array("0", data=np.arange(np.prod(shape), dtype="uint16").reshape(shape))
    axes = [{"name": "c", "type": "channel"}]
    axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    scale = [{"type": "scale", "scale": [1.0, 0.25, 0.25]}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
        ],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "CD8"}]},
    }
    return path


def test_what_is_no_slide_is_left_to_others(tmp_path):
    plain = tmp_path / "photo.tif"
    tifffile.imwrite(plain, np.zeros((4, 4), np.uint8))
    fake = tmp_path / "fake.ome.tif"
    fake.write_text("no image at all")
    (tmp_path / "folder").mkdir()
    labels = zarr.open_group(tmp_path / "labels.zarr", mode="w", zarr_format=3)
    labels.attrs["ome"] = {"version": "0.5", "labels": []}
    absent = tmp_path / "absent.ome.tif"
    for path in (plain, fake, tmp_path / "folder", tmp_path / "labels.zarr", absent):
        assert find_reader(str(path)) is None
    assert find_reader([str(BASELINE), str(BASELINE)]) is None
    assert find_reader("bad\0name.ome.tif") is None


def test_slides_are_taken_by_name_and_content(tmp_path):
    copy = tmp_path / "UPPER.OME.TIF"
    shutil.copy(BASELINE, copy)
    field = tmp_path / "P7_component_data.tif"
    shutil.copy(BASELINE, field)
    for path in (BASELINE, copy, field):
        assert find_reader(str(path)) is read_slide
    assert find_reader([str(BASELINE)]) is read_slide
    image = zarr_image(tmp_path / "slide.zarr")
    assert find_reader(str(image)) is read_slide
    layers = [Layer.create(*d) for d in read_slide(str(image))]
    assert [x.name for x in layers] == ["Nuclei (DAPI)", "CD8"]
    assert layers[1].get_value((0.125, 0.375), world=True) == 64 * 48 + 1


def test_a_folder_of_tiles_is_a_slide_and_one_of_pictures_is_not(tmp_path):
    pixels = np.random.default_rng(2).random((2, 48, 96), np.float32)
    write_mosaic(tmp_path / "P7", pixels, ("DAPI", "CD8"), tile=(48, 48), by="names")
    assert find_reader(str(tmp_path / "P7")) is read_slide
    layers = [Layer.create(*d) for d in read_slide(str(tmp_path / "P7"))]
    assert [x.name for x in layers] == ["Nuclei (DAPI)", "CD8"]
    np.testing.assert_array_equal(np.asarray(layers[1].data), pixels[1])
    (tmp_path / "photos").mkdir()
    tifffile.imwrite(tmp_path / "photos" / "1.tif", np.zeros((4, 4), np.uint8))
    assert find_reader(str(tmp_path / "photos")) is None


def test_a_slide_that_cannot_be_used_is_told_in_one_line(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("immunescape.napari.reading.show_error", told.append)
    path = tmp_path / "P9.ome.tif"
    tifffile.imwrite(path, np.zeros((2, 8, 8), np.uint16), metadata={"axes": "CYX"}, ome=True)
    assert find_reader(str(path))(str(path)) is NOTHING
    (line,) = told
    assert "P9.ome.tif" in line and "pixel size" in line and str(tmp_path) not in line


def test_a_result_comes_back_as_it_was_left(analysed, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("immunescape.napari.reading.show_warning", told.append)
    folder = analysed / "P01_baseline"
    assert find_reader(str(folder)) is read_result
    alone = [Layer.create(*d) for d in read_result(str(folder))]
    assert "image" not in {x._type_string for x in alone}
    assert "does not lie beside" in told[0]
    # as a person keeps it: the slide, its annotations and the results together
    shutil.copy(BASELINE, analysed)
    shutil.copy(BASELINE.with_name("P01_baseline.geojson"), analysed)
    layers = {x.name: x for x in (Layer.create(*d) for d in read_result(str(folder)))}
    assert [n for n, x in layers.items() if x._type_string == "image"] == [
        "Nuclei (DAPI)", "S100", "SOX10", "CD8", "PD-L1",
    ]  # fmt: skip
    cells = read_cells(folder)
    assert table_of(layers["Cells"]).frame.equals(cells.frame)
    by_label = layers["Cells"].colormap.classes[cells.labels]
    assert [PHENOTYPES[k - 1] for k in by_label] == cells["phenotype"].tolist()
    assert not layers["Nuclei"].visible
    drawn = read_annotations(
        analysed / "P01_baseline.geojson", pixel_size_um=0.5, slide_name="P01_baseline"
    )
    back = regions_from_layers(layers.values(), slide="P01_baseline")
    assert sorted(back) == sorted(drawn)
    for role in drawn:
        assert back[role].equals_exact(drawn[role], 0)
    assert facts_of(layers["Cells"])["result"] == folder
    found = read_regions(folder / "regions.geojson", pixel_size_um=0.5)
    assert {"tissue", "centre", "outer_margin"} <= set(found)
    assert layers["Tissue"].metadata["immunescape"]["found"]


def test_regions_of_a_result_are_read_as_they_were_written(tmp_path):
    import shapely

    ring = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(3, 3), (6, 3), (6, 6), (3, 6)]])
    shapes = {name: shapely.MultiPolygon([ring]) for name in ANNOTATION_ROLES[:4]}
    shapes |= {"inner_margin": ring, "Proposed exclusion: folds": ring}
    write_regions(tmp_path / "r.geojson", Regions(shapes), 0.25)
    back = read_regions(tmp_path / "r.geojson", pixel_size_um=0.25)
    assert set(back) == set(shapes)
    for name in shapes:
        assert back[name].equals(shapes[name])


@pytest.mark.parametrize("ending", ["", "/"])
def test_a_folder_with_a_slash_at_its_end_is_the_same(tmp_path, ending):
    image = zarr_image(tmp_path / "slide.zarr")
    assert find_reader(f"{image}{ending}") is read_slide
