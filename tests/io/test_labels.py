"""Masks come in lazily, are checked, and leave as OME-Zarr that other programs open."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from tests.real_data import DATA, needs

from immunescape.errors import LabelsError
from immunescape.io.labels import LabelStore, read_imported_labels
from immunescape.slide import Slide

NUCLEI = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 3, 0, 0, 9, 0],
        [0, 3, 0, 0, 9, 0],
        [0, 0, 0, 0, 0, 0],
    ]
)
CELLS = np.array(
    [
        [3, 3, 3, 9, 9, 9],
        [3, 3, 3, 9, 9, 9],
        [3, 3, 3, 9, 9, 9],
        [0, 0, 0, 0, 0, 0],
    ]
)


def slide(shape=(4, 6)):
    return Slide("P07", (np.zeros((1, *shape), np.uint8),), ("DAPI",), 0.5)


def refused(path, **kwargs):
    with pytest.raises(LabelsError) as caught:
        read_imported_labels(path, slide(), **kwargs)
    text = str(caught.value)
    assert "\n" not in text and "/" not in text
    return text


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "uint32", "int64", "float32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_of_any_number_type(tmp_path, dtype, compression):
    file = tmp_path / "cells.tif"
    tifffile.imwrite(file, CELLS.astype(dtype), compression=compression)
    read = read_imported_labels(file, slide())
    assert read.nuclei is None
    np.testing.assert_array_equal(read.cells[:, :], CELLS)
    np.testing.assert_array_equal(read.cells[1:3, 2:4], CELLS[1:3, 2:4])
    assert read.cells.dtype == np.int32 and read.cells[0:1, 0:1].dtype == np.int32
    read = read_imported_labels(file, slide(), are="nuclei")
    assert read.cells is None and read.nuclei is not None


@pytest.mark.parametrize("imagej", [False, True])
def test_two_planes_are_nuclei_and_cells(tmp_path, imagej):
    file = tmp_path / "masks.tif"
    pair = np.stack([NUCLEI, CELLS]).astype("uint16")
    tifffile.imwrite(file, pair, imagej=imagej, photometric="minisblack")
    read = read_imported_labels(file, slide())
    np.testing.assert_array_equal(read.nuclei[:, :], NUCLEI)
    np.testing.assert_array_equal(read.cells[:, :], CELLS)


def test_two_files_and_a_folder_are_a_pair(tmp_path):
    for name, plane in (("nuclei", NUCLEI), ("cells", CELLS)):
        tifffile.imwrite(tmp_path / f"{name}.tif", plane.astype("uint16"))
    files = tmp_path / "nuclei.tif", tmp_path / "cells.tif"
    for given in (files, tmp_path):
        read = read_imported_labels(given, slide())
        np.testing.assert_array_equal(read.nuclei[:, :], NUCLEI)
        np.testing.assert_array_equal(read.cells[:, :], CELLS)


def ngff(path, images, version):
    """Write an OME-Zarr with a labels group by hand."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    labels = group.create_group("labels")
    for name, plane in images.items():
        image = labels.create_group(name)
        stored = plane.astype("uint32")[None, None]
        image.create_array("0", shape=stored.shape, dtype="uint32", chunks=(1, 1, 2, 3))
        image["0"][...] = stored
        meta = {"multiscales": [{"axes": list("czyx"), "datasets": [{"path": "0"}]}]}
        image.attrs.update(meta if version == "0.4" else {"ome": meta | {"version": version}})


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_with_labels(tmp_path, version):
    path = tmp_path / "slide.ome.zarr"
    ngff(path, {"Nuclei": NUCLEI, "cell": CELLS}, version)
    read = read_imported_labels(path, slide())
    np.testing.assert_array_equal(read.nuclei[:, :], NUCLEI)
    np.testing.assert_array_equal(read.cells[:, :], CELLS)
    alone = read_imported_labels(path / "labels" / "Nuclei", slide(), are="nuclei")
    np.testing.assert_array_equal(alone.nuclei[:, :], NUCLEI)


def test_one_label_image_of_any_name_is_what_the_caller_says(tmp_path):
    ngff(tmp_path / "a.zarr", {"stardist": NUCLEI}, "0.5")
    read = read_imported_labels(tmp_path / "a.zarr", slide(), are="nuclei")
    np.testing.assert_array_equal(read.nuclei[:, :], NUCLEI)
    ngff(tmp_path / "b.zarr", {"first": NUCLEI, "second": CELLS}, "0.5")
    assert "first" in refused(tmp_path / "b.zarr") and "second" in refused(tmp_path / "b.zarr")


def test_a_plain_zarr_array(tmp_path):
    zarr.save_array(tmp_path / "cells.zarr", CELLS.astype("int32"))
    np.testing.assert_array_equal(
        read_imported_labels(tmp_path / "cells.zarr", slide()).cells[:, :], CELLS
    )


@pytest.mark.parametrize(
    ("plane", "word"),
    [
        (CELLS[:3], "3 x 6"),
        (CELLS + 0.5, "fractions"),
        (np.where(CELLS, np.nan, 0.0), "fractions"),
        (-CELLS, "negative"),
        (CELLS.astype("int64") << 40, "2147483647"),
        (np.stack([CELLS] * 3, -1).astype("uint8"), "colour"),
        (np.stack([CELLS] * 5).astype("uint8"), "5 planes"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, plane, word):
    colour = plane.ndim == 3 and plane.shape[-1] == 3
    tifffile.imwrite(tmp_path / "bad.tif", plane, photometric="rgb" if colour else "minisblack")
    text = refused(tmp_path / "bad.tif")
    assert text.startswith("bad.tif") and word in text


def test_a_mask_without_numbers_is_refused(tmp_path):
    zarr.save_array(tmp_path / "mask.zarr", CELLS > 0)
    assert "every cell its own number" in refused(tmp_path / "mask.zarr")


def test_a_pair_must_share_labels(tmp_path):
    swapped = np.select([NUCLEI == 3, NUCLEI == 9], [9, 3])
    tifffile.imwrite(tmp_path / "m.tif", np.stack([swapped, CELLS]).astype("uint8"),
                     photometric="minisblack")  # fmt: skip
    assert "2 nuclei lie in a cell of another label (first: 3)" in refused(tmp_path / "m.tif")
    leaning = NUCLEI.copy()
    leaning[1, 2:4] = 3  # two pixels in its own cell, one in the neighbour
    tifffile.imwrite(tmp_path / "ok.tif", np.stack([leaning, CELLS]).astype("uint8"),
                     photometric="minisblack")  # fmt: skip
    assert read_imported_labels(tmp_path / "ok.tif", slide()).nuclei is not None


def test_missing_and_foreign_files(tmp_path):
    assert "does not exist" in refused(tmp_path / "none.tif")
    (tmp_path / "note.tif").write_text("no picture")
    assert refused(tmp_path / "note.tif").startswith("note.tif")
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder").startswith("folder")


def test_a_store_keeps_what_is_written_and_is_read_back_as_import(tmp_path):
    path = tmp_path / "labels.zarr"
    store = LabelStore.create(path, 0.5)
    for name, plane in (("nuclei", NUCLEI), ("cells", CELLS)):
        store.add(name, plane.shape)[...] = plane
        store.finish(name)
    store.add("tissue", (2, 3), pixel_size_um=2.0)[...] = 1
    store.finish("tissue")
    again = LabelStore.open(path)
    assert again.names == ("nuclei", "cells", "tissue") and "cells" in again
    assert again.pixel_size_um == 0.5
    assert again.scale_um("tissue") == 2.0 and again.scale_um("nuclei") == 0.5
    np.testing.assert_array_equal(again["cells"][:, :], CELLS)
    read = read_imported_labels(path, slide())
    np.testing.assert_array_equal(read.nuclei[:, :], NUCLEI)
    with pytest.raises(LabelsError, match=r"no labels 'membrane'; it has nuclei, cells, tissue"):
        again["membrane"]
    with pytest.raises(LabelsError, match="exists already"):
        LabelStore.create(path, 0.5)
    with pytest.raises(LabelsError, match="already"):
        store.add("nuclei", (4, 6))
    with pytest.raises(LabelsError, match="no label store"):
        LabelStore.open(tmp_path / "nothing.zarr")


def test_the_pyramid_keeps_every_second_pixel_and_says_its_scale(tmp_path):
    plane = np.random.default_rng(0).integers(0, 50, (2049, 1500), dtype=np.int32)
    store = LabelStore.create(tmp_path / "labels.zarr", 0.25)
    store.add("cells", plane.shape)[...] = plane
    store.finish("cells")
    levels = store.levels("cells")
    assert [level.shape for level in levels] == [(2049, 1500), (1025, 750), (513, 375)]
    np.testing.assert_array_equal(levels[1][...], plane[::2, ::2])
    np.testing.assert_array_equal(levels[2][...], plane[::4, ::4])
    # What the files themselves say, read without our code.
    meta = json.loads((tmp_path / "labels.zarr/labels/cells/zarr.json").read_text())
    ome = meta["attributes"]["ome"]
    assert ome["version"] == "0.5" and "image-label" in ome
    scales = [d["coordinateTransformations"][0]["scale"] for d in ome["multiscales"][0]["datasets"]]
    assert scales == [[0.25, 0.25], [0.5, 0.5], [1.0, 1.0]]
    assert {a["unit"] for a in ome["multiscales"][0]["axes"]} == {"micrometer"}
    array = json.loads((tmp_path / "labels.zarr/labels/cells/0/zarr.json").read_text())
    assert array["zarr_format"] == 3 and array["data_type"] == "int32"
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [1024, 1024]
    assert [c["name"] for c in array["codecs"]] == ["bytes", "zstd"]
    root = json.loads((tmp_path / "labels.zarr/labels/zarr.json").read_text())
    assert root["attributes"]["ome"]["labels"] == ["cells"]


@needs("nuclei", "train")
def test_real_masks_are_read_by_parts():
    file = min((DATA / "nuclei" / "train" / "masks").glob("*.tif"))
    drawn = tifffile.imread(file)
    read = read_imported_labels(file, slide(drawn.shape), are="nuclei")
    np.testing.assert_array_equal(read.nuclei[50:200, 20:90], drawn[50:200, 20:90])


@needs("inform")
def test_maps_of_several_kinds_in_one_file_are_refused():
    file = DATA / "inform" / "FIHC4__0929309_HP_IM3_2_binary_seg_maps.tif"
    assert "4 planes" in refused(file)


def test_a_store_is_found_from_another_working_folder(tmp_path, monkeypatch):
    """As by a process that helps with a slide, which is told of the array alone."""
    monkeypatch.chdir(tmp_path)
    store = LabelStore.create(Path("labels.zarr"), 0.5)
    store.add("cells", (3, 4))[...] = 7
    made = pickle.dumps(store["cells"])
    opened = pickle.dumps(LabelStore.open(Path("labels.zarr"))["cells"])
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    for array in (pickle.loads(made), pickle.loads(opened)):
        assert (array[...] == 7).all()


def test_a_store_that_was_left_is_taken_up_without_its_scraps_or_not_at_all(tmp_path):
    path = tmp_path / "labels.zarr"
    store = LabelStore.create(path, 0.5)
    store.add("cells", (3, 4))[...] = 7
    scrap = path / "labels" / "cells" / "0" / "c" / "0" / "0.4f.partial"
    scrap.write_bytes(b"half a chunk")
    again = LabelStore.resume(path, ("cells",))
    assert (again.add("cells", (3, 4))[...] == 7).all()
    assert not scrap.exists()
    (path / "labels" / "cells" / "0" / "zarr.json").write_bytes(b"")
    with pytest.raises(LabelsError, match=r"labels\.zarr is damaged"):
        LabelStore.resume(path, ("cells",))
