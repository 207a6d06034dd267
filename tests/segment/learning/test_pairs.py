"""Annotated pairs: which belong together, and what was drawn on them."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from immunescape.errors import LabelsError, PanelError, SlideError
from immunescape.io import fingerprint, open_slide
from immunescape.io.label_store import LabelStore
from immunescape.segment.learning.annotated import ReadOptions, read_pair
from immunescape.segment.learning.pairs import Pair, find_pairs
from immunescape.segment.levels import slide_levels
from tests.real_data import DATA, needs
from tests.segment.drawn import ellipses
from tests.segment.learning.annotating import PIXEL_UM, counts_of, write_pair, write_pairs
from tests.slides import square, write_geojson


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


# --- which belong together -------------------------------------------------------------------


def test_pairs_in_two_folders_are_matched_by_name(tmp_path):
    touch(tmp_path, "images/b.ome.tif", "images/a.qptiff", "images/c_component_data.tif")
    touch(tmp_path, "masks/b.tif", "masks/a_nuclei.tiff", "masks/c.tif", "masks/a.geojson")
    touch(tmp_path, "images/.hidden.tif", "images/notes.txt")
    images, masks = tmp_path / "images", tmp_path / "masks"
    assert find_pairs(tmp_path) == (
        Pair("a", images / "a.qptiff", masks / "a_nuclei.tiff", masks / "a.geojson"),
        Pair("b", images / "b.ome.tif", masks / "b.tif"),
        Pair("c", images / "c_component_data.tif", masks / "c.tif"),
    )


def test_pairs_side_by_side_are_matched_by_ending(tmp_path):
    touch(tmp_path, "P1.ome.tif", "P1_nuclei.tif", "P2.tif", "P2_cp_masks.tif", "P2.geojson")
    assert [(p.name, p.mask.name, p.region and p.region.name) for p in find_pairs(tmp_path)] == [
        ("P1", "P1_nuclei.tif", None),
        ("P2", "P2_cp_masks.tif", "P2.geojson"),
    ]


def test_the_store_of_a_result_is_a_label_image(tmp_path):
    touch(tmp_path, "images/P1.ome.tif", "masks/P1/labels.zarr/zarr.json", "masks/P1/cells.parquet")
    assert [p.mask for p in find_pairs(tmp_path)] == [tmp_path / "masks" / "P1" / "labels.zarr"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ((), "holds no pictures"),
        (("images/a.tif",), "has images but no masks folder"),
        (("images/a.tif", "masks/b.tif"), r"a\.tif has no label image; add one named a to masks"),
        (("images/a.tif", "masks/a.tif", "masks/b.tif"), r"b\.tif has no picture"),
        (("images/a.tif", "images/a.ome.tif", "masks/a.tif"), r"both named a; keep one"),
        (("a.tif",), r"a\.tif has no label image; add a_nuclei\.tif"),
        (("a.tif", "a_nuclei.tif", "b_masks.tif"), r"b_masks\.tif has no picture"),
    ],
)
def test_what_does_not_pair_is_named(tmp_path, files, message):
    touch(tmp_path, *files)
    with pytest.raises(LabelsError, match=message):
        find_pairs(tmp_path)


def test_a_file_is_no_folder(tmp_path):
    touch(tmp_path, "a.tif")
    with pytest.raises(LabelsError, match=r"a\.tif is not a folder; put pictures into images/"):
        find_pairs(tmp_path / "a.tif")


# --- what was drawn on them ------------------------------------------------------------------


def only(folder):
    (pair,) = find_pairs(folder)
    return pair


def test_the_stain_is_that_which_the_engine_sees(tmp_path):
    labels = ellipses((90, 130))
    write_pair(tmp_path, "P1", labels)
    pair = only(tmp_path)
    field = read_pair(pair)
    slide = open_slide(pair.image)
    expected = slide_levels(slide, "DAPI").apply(counts_of(labels))
    np.testing.assert_array_equal(field.picture, expected)
    np.testing.assert_array_equal(field.labels, labels)
    assert (field.name, field.pixel_um, field.nuclei) == ("P1", PIXEL_UM, labels.max())
    assert field.image_sha256 == fingerprint(pair.image).sha256
    assert not field.notes


def test_a_channel_can_be_named_and_several_give_the_brightest(tmp_path):
    labels = ellipses((80, 80))
    write_pair(tmp_path, "P1", labels)
    pair = only(tmp_path)
    dapi, other = (read_pair(pair, ReadOptions(nuclear=(n,))).picture for n in ("DAPI", "CD8"))
    both = read_pair(pair, ReadOptions(nuclear=("DAPI", "CD8"))).picture
    np.testing.assert_array_equal(both, np.maximum(dapi, other))


def test_what_was_not_annotated_is_cut_away_but_for_its_surroundings(tmp_path):
    labels = ellipses((400, 300))
    labels[:250], labels[330:], labels[:, :200] = -1, -1, -1
    image = counts_of(ellipses((400, 300)))
    write_pair(tmp_path, "P1", labels, image=image)
    field = read_pair(only(tmp_path))
    context = int(40 / PIXEL_UM)
    assert field.labels.shape == (400 - 250 + context, 300 - 200 + context)
    np.testing.assert_array_equal(field.labels, labels[250 - context :, 200 - context :])
    slide = open_slide(tmp_path / "images" / "P1.ome.tif")
    whole = slide_levels(slide, "DAPI").apply(image)
    np.testing.assert_array_equal(field.picture, whole[250 - context :, 200 - context :])


def test_a_drawn_region_says_what_was_annotated(tmp_path):
    labels = ellipses((120, 200))
    write_pair(tmp_path, "P1", labels)
    write_geojson(
        tmp_path / "masks",
        square(100, 20, 180, 100, "Region*"),
        square(100, 20, 120, 50, "Ignore*"),
        name="P1.geojson",
    )
    field = read_pair(only(tmp_path))
    expected = np.full(labels.shape, -1)
    expected[20:100, 100:180] = labels[20:100, 100:180]
    expected[20:50, 100:120] = -1
    left = 100 - int(40 / PIXEL_UM)
    np.testing.assert_array_equal(field.labels, expected[:, left:])


def test_masks_of_a_result_are_its_nuclei(tmp_path):
    labels = ellipses((70, 90))
    write_pair(tmp_path, "P1", labels)
    (tmp_path / "masks" / "P1.tif").unlink()
    store = LabelStore.create(tmp_path / "masks" / "P1" / "labels.zarr", PIXEL_UM)
    for name, plane in (("nuclei", labels), ("cells", labels + 1)):
        store.add(name, labels.shape)[...] = plane
        store.finish(name)
    np.testing.assert_array_equal(read_pair(only(tmp_path)).labels, labels)


def test_one_plane_needs_no_channel_name_but_a_pixel_size(tmp_path):
    labels = ellipses((60, 60))
    write_pair(tmp_path, "P1", labels)
    (tmp_path / "images" / "P1.ome.tif").unlink()
    tifffile.imwrite(tmp_path / "images" / "P1.tif", counts_of(labels))
    pair = only(tmp_path)
    with pytest.raises(SlideError, match=r"P1\.tif has no pixel size; pass --pixel-size-um"):
        read_pair(pair)
    assert read_pair(pair, ReadOptions(pixel_size_um=0.25)).pixel_um == 0.25
    tifffile.imwrite(tmp_path / "images" / "P1.tif", np.stack([counts_of(labels)] * 2))
    with pytest.raises(SlideError, match=r"P1\.tif .*pass --channel-names with 2 names"):
        read_pair(pair, ReadOptions(pixel_size_um=0.25))


def replaced_mask(tmp_path, mask):
    write_pair(tmp_path, "P1", ellipses((60, 60)))
    tifffile.imwrite(tmp_path / "masks" / "P1.tif", mask)
    return only(tmp_path)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((60, 60), "uint16"), r"P1\.tif of P1 holds no nuclei; draw some"),
        (np.zeros((60, 61), "uint16"), r"P1\.tif is 60 x 61 pixels but P1 is 60 x 60"),
        (np.full((60, 60), -1, "int32"), r"P1\.tif marks everything as not annotated"),
        (np.full((60, 60), -2, "int32"), r"P1\.tif holds numbers below -1"),
        (np.full((60, 60), 0.5, "float32"), r"P1\.tif holds fractions"),
        ((ellipses((60, 60)) > 0).astype("uint8") * 255, r"gives all nuclei the number 255"),
        ((np.arange(3600).reshape(60, 60) + 2.0**31), r"P1\.tif holds labels above 2147483647"),
    ],
)  # fmt: skip
def test_a_mask_that_cannot_be_used_is_named_with_its_remedy(tmp_path, mask, message):
    with pytest.raises(LabelsError, match=message):
        read_pair(replaced_mask(tmp_path, mask))


def test_a_picture_without_nuclear_stain_is_refused(tmp_path):
    write_pair(tmp_path, "P1", ellipses((60, 60)))
    pair = only(tmp_path)
    options = ReadOptions(channel_names=("CD8", "SOX10"))
    with pytest.raises(PanelError, match=r"P1 has no channel named.*CD8, SOX10\); pass --nuclear"):
        read_pair(pair, options)


def test_a_region_must_leave_something(tmp_path):
    write_pair(tmp_path, "P1", ellipses((60, 60)))
    masks = tmp_path / "masks"
    write_geojson(masks, square(0, 0, 9, 9, "Tumor"), name="P1.geojson")
    with pytest.raises(LabelsError, match=r"P1\.geojson draws neither Region nor Ignore"):
        read_pair(only(tmp_path))
    write_geojson(masks, square(0, 0, 60, 60, "Ignore"), name="P1.geojson")
    with pytest.raises(LabelsError, match=r"P1\.geojson leaves nothing"):
        read_pair(only(tmp_path))


def test_specks_and_nuclei_that_nobody_drew_are_told(tmp_path):
    labels = ellipses((200, 200))
    image = counts_of(labels)
    labels[:, 60:] = 0
    labels[100, 30:33] = 5000
    write_pair(tmp_path, "P1", labels, image=image)
    notes = read_pair(only(tmp_path)).notes
    assert any("are smaller than 5 µm²" in note for note in notes)
    assert any("bright in places far from any nucleus drawn" in note for note in notes)


@needs("inform")
def test_a_real_field_with_the_nuclei_that_another_program_found(tmp_path):
    stem = "FIHC4__0929309_HP_IM3_2"
    maps = tifffile.imread(DATA / "inform" / f"{stem}_binary_seg_maps.tif", key=1)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    image = tmp_path / "images" / f"{stem}_component_data.tif"
    image.write_bytes((DATA / "inform" / image.name).read_bytes())
    tifffile.imwrite(tmp_path / "masks" / f"{stem}.tif", maps)
    field = read_pair(only(tmp_path))
    assert (field.name, field.nuclei, field.labels.shape) == (stem, 270, (260, 348))
    assert field.pixel_um == pytest.approx(0.497, abs=0.001)
    inside, outside = field.picture[maps > 0], field.picture[maps == 0]
    assert np.median(inside) > 3 * np.median(outside)  # it is the DAPI, not another stain


@given(st.integers(0, 6), st.permutations(["a", "b", "c"]))
def test_pairs_do_not_depend_on_the_order_of_files(tmp_path_factory, extra, names):
    folder = tmp_path_factory.mktemp("pairs")
    touch(folder, *(f"images/{n}.tif" for n in names), *(f"masks/{n}.tif" for n in names[::-1]))
    touch(folder, *(f"images/{k}.txt" for k in range(extra)))
    assert [p.name for p in find_pairs(folder)] == ["a", "b", "c"]


def test_pairs_of_ellipses_are_read(tmp_path):
    fields = [read_pair(pair) for pair in find_pairs(write_pairs(tmp_path, 2))]
    assert [field.name for field in fields] == ["P00", "P01"]
