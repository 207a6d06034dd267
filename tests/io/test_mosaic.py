"""A slide cut into tiles and put together again: the slide that was cut is the truth."""

import pickle
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tifffile
from tests.mosaics import Cut, cuts, write_mosaic, write_tile

from immunescape.blocks import Block, iter_blocks
from immunescape.errors import SceneError, SlideError
from immunescape.io import fingerprint, mosaic, open_slide
from immunescape.io.fingerprint import whole_hash
from immunescape.io.mosaic_planes import MosaicPlanes

NAMES = ("DAPI", "CD8", "PD-L1")
UM = 0.5


@pytest.fixture(scope="module")
def whole() -> np.ndarray:
    return np.random.default_rng(11).random((3, 132, 172), dtype=np.float32) * 50


def paste(folder: Path, parts: list[tuple[Cut, np.ndarray]], **options) -> None:
    """Write tiles at given places, whatever they show."""
    folder.mkdir()
    for k, (cut, pixels) in enumerate(parts):
        corner = (1000 + cut.x * UM, 2000 + cut.y * UM)
        write_tile(folder / f"{k}_component_data.tif", pixels, NAMES, UM, corner, **options)


@pytest.mark.parametrize("by", ["tags", "names", "both"])
@pytest.mark.parametrize("overlap", [0, 8])
def test_a_cut_slide_is_whole_again(tmp_path, whole, by, overlap) -> None:
    folder = tmp_path / "P07"
    write_mosaic(folder, whole, NAMES, tile=(48, 60), overlap=overlap, by=by)
    slide = open_slide(folder)
    assert (slide.name, slide.channels, slide.pixel_size_um) == ("P07", NAMES, UM)
    assert slide.format == "mosaic of inForm component data"
    assert (slide.shape, slide.dtype, slide.imaged) == ((132, 172), np.float32, None)
    assert slide.warnings == ()
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    for block in (*iter_blocks(slide.shape, 37), Block(47, 49, 59, 61), Block(131, 132, 171, 172)):
        np.testing.assert_array_equal(slide.read(block), whole[:, *block.slices])
    np.testing.assert_array_equal(slide["CD8"].compute(), whole[1])
    assert (
        f"placed by {'[x,y] in the names' if by == 'names' else 'position tags'}"
        in (slide.facts[0])
    )


def test_an_overlap_shows_the_tile_whose_middle_is_nearest(tmp_path) -> None:
    """By a loop over pixels and tiles, on tiles of several sizes that lie askew."""
    shape = (70, 90)
    parts = [Cut(0, 0, 40, 50), Cut(3, 41, 40, 49), Cut(30, 0, 40, 60), Cut(28, 50, 42, 40)]
    expected = np.zeros(shape)
    for y in range(shape[0]):
        for x in range(shape[1]):
            covering = [
                ((y + 0.5 - c.y - c.height / 2) ** 2 + (x + 0.5 - c.x - c.width / 2) ** 2, c.y, c.x)
                for c in parts
                if c.y <= y < c.y + c.height and c.x <= x < c.x + c.width
            ]
            if covering:
                expected[y, x] = 1 + [(c.y, c.x) for c in parts].index(min(covering)[1:])
    shown = [np.full((3, c.height, c.width), k, np.float32) for k, c in enumerate(parts, 1)]
    for name, order in (("one", [0, 1, 2, 3]), ("two", [2, 0, 3, 1])):
        paste(tmp_path / name, [(parts[k], shown[k]) for k in order])
        slide = open_slide(tmp_path / name)
        np.testing.assert_array_equal(slide.arrays[0][0], expected)
        for block in iter_blocks(shape, 16):
            np.testing.assert_array_equal(slide.read(block)[2], expected[block.slices])
    assert slide.imaged is not None
    np.testing.assert_array_equal(slide.imaged.mask(Block(0, 70, 0, 90)), expected > 0)
    assert slide.imaged.area_px == (expected > 0).sum()


def test_a_missing_tile_is_a_gap(tmp_path, whole) -> None:
    write_mosaic(tmp_path / "P07", whole, NAMES, tile=(48, 60), without=(4,))
    slide = open_slide(tmp_path / "P07")
    seen = np.ones(slide.shape, bool)
    seen[48:96, 60:120] = False
    np.testing.assert_array_equal(slide.arrays[0][...], np.where(seen, whole, 0))
    for block in iter_blocks(slide.shape, 31):
        np.testing.assert_array_equal(slide.imaged.mask(block), seen[block.slices])
    x_um, y_um = np.arange(0.35, 86, 0.7), np.arange(0.35, 66, 0.7)
    at = seen[np.ix_((y_um / UM).astype(int), (x_um / UM).astype(int))]
    np.testing.assert_array_equal(slide.imaged.at(x_um, y_um, UM), at)
    share = 48 * 60 / (132 * 172)
    assert slide.warnings == (
        f"{100 * share:.3g} % of the frame of P07 was not imaged: it counts neither as tissue nor "
        "as margin",
    )


def test_channels_are_matched_by_name(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    paths = write_mosaic(folder, whole, NAMES, tile=(44, 172))
    turned = (2, 0, 1)
    pixels = whole[list(turned), 44:88]
    write_tile(paths[1], pixels, [NAMES[k] for k in turned], UM, (15_000, 50_000 + 44 * UM))
    slide = open_slide(folder)
    assert slide.channels == NAMES
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    assert any("1 of 3 tiles hold their channels in another order" in w for w in slide.warnings)


def test_seams_that_rounding_leaves_are_closed(tmp_path, whole) -> None:
    left, right = whole[:, :64, :80], whole[:, :64, 80:160]
    lower = whole[:, 64:128, :80]
    paste(
        tmp_path / "P07",
        [(Cut(0, 0, 64, 80), left), (Cut(0, 81, 64, 80), right), (Cut(66, 0, 64, 80), lower)],
    )
    slide = open_slide(tmp_path / "P07")
    read = slide.arrays[0][...]
    np.testing.assert_array_equal(read[:, :64, 80], left[:, :, -1])
    np.testing.assert_array_equal(read[:, 64:66, :80], np.repeat(left[:, -1:], 2, axis=1))
    np.testing.assert_array_equal(read[:, :64, 81:], right)
    np.testing.assert_array_equal(read[:, 66:, :80], lower)
    for block in iter_blocks(slide.shape, 13):
        np.testing.assert_array_equal(slide.read(block), read[:, *block.slices])
    assert not slide.imaged.mask(Block(66, 130, 81, 161)).any()
    assert slide.imaged.mask(Block(0, 66, 0, 80)).all()
    assert any("seams of up to 2 px" in w for w in slide.warnings)


def test_positions_off_the_pixels_are_told(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    folder.mkdir()
    for k, off in enumerate((0.0, 0.4)):
        corner = (1000 + (86 * k + off) * UM, 2000)
        part = whole[:, :, 86 * k : 86 * (k + 1)]
        write_tile(folder / f"{k}_component_data.tif", part, NAMES, UM, corner)
    slide = open_slide(folder)
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    assert any("up to 0.40 px from whole pixels" in w for w in slide.warnings)


def test_tags_that_say_nothing_give_way_to_names(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    paths = write_mosaic(folder, whole, NAMES, tile=(132, 88), by="names")
    for path, x in zip(paths, (0, 88), strict=True):
        write_tile(path, whole[:, :, x : x + 88], NAMES, UM, (0.0, 0.0))
    slide = open_slide(folder)
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    assert "placed by [x,y] in the names" in slide.facts[0]


@pytest.mark.parametrize("given", [0.49, 0.25, 1.0])
def test_another_pixel_size_leaves_tiles_placed_by_tags_at_their_pixels(
    tmp_path, whole, given
) -> None:
    write_mosaic(tmp_path / "P07", whole, NAMES, tile=(30, 40), overlap=2)
    slide = open_slide(tmp_path / "P07", pixel_size_um=given)
    assert (slide.pixel_size_um, slide.shape, slide.imaged) == (given, (132, 172), None)
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    assert [w for w in slide.warnings if "--pixel-size-um" not in w] == []


def test_another_pixel_size_places_tiles_by_their_names(tmp_path, whole) -> None:
    """The stage says where they are in µm: it knows nothing of what a file calls a pixel."""
    folder = tmp_path / "P07"
    shown = whole[:, :120, :160]
    written = write_mosaic(folder, shown, NAMES, tile=(40, 160), by="names", um=0.25)
    for path, y in zip(written, (0, 40, 80), strict=True):
        write_tile(path, shown[:, y : y + 40], NAMES, UM)  # calls its pixels 0.5 µm
    slide = open_slide(folder, pixel_size_um=0.25)
    assert (slide.shape, slide.imaged) == ((120, 160), None)
    np.testing.assert_array_equal(slide.arrays[0][...], shown)


def test_plain_tiles_with_position_tags(tmp_path, whole) -> None:
    """As other programs write them: whole numbers, in inches, all channels in one page."""
    folder = tmp_path / "P07"
    folder.mkdir()
    pixels = whole.astype(np.uint16)
    inch = 25_400
    for k in range(2):
        tifffile.imwrite(
            folder / f"{k}.tif",
            pixels[:, :, 86 * k : 86 * (k + 1)],
            photometric="minisblack",
            planarconfig="separate",
            resolution=(inch / UM, inch / UM),
            resolutionunit="INCH",
            tile=(32, 32),
            metadata=None,
            extratags=[(286, 5, 1, (round((7 + 86 * k * UM) * 100), inch * 100), True),
                       (287, 5, 1, (3, 1), True)],
        )  # fmt: skip
    slide = open_slide(folder, channel_names=NAMES)
    assert (slide.dtype, slide.channels, slide.imaged) == (np.uint16, NAMES, None)
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)


def test_it_is_read_by_threads_and_by_other_processes(tmp_path, whole) -> None:
    write_mosaic(tmp_path / "P07", whole, NAMES, tile=(48, 60), overlap=6)
    slide = open_slide(tmp_path / "P07")
    blocks = list(iter_blocks(slide.shape, 20))
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            for block, read in zip(blocks, pool.map(slide.read, blocks), strict=True):
                np.testing.assert_array_equal(read, whole[:, *block.slices])
    again = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(again.read(blocks[9]), whole[:, *blocks[9].slices])
    assert not [f for f in psutil.Process().open_files() if f.path.endswith("_data.tif")]


def test_a_block_reads_only_the_tiles_it_shows(tmp_path, whole) -> None:
    paths = write_mosaic(tmp_path / "P07", whole, NAMES, tile=(48, 60))
    slide = open_slide(tmp_path / "P07")
    for path in paths[1:]:
        path.unlink()
    np.testing.assert_array_equal(slide.read(Block(0, 48, 0, 60)), whole[:, :48, :60])
    with pytest.raises(SlideError, match="can no longer be read; put it back") as told:
        slide.read(Block(0, 48, 0, 61))
    assert paths[1].name in str(told.value)


def test_what_is_known_of_pages_is_bounded(tmp_path, whole, monkeypatch) -> None:
    monkeypatch.setattr("immunescape.io.mosaic_planes._PARSED", 2)
    write_mosaic(tmp_path / "P07", whole, NAMES, tile=(48, 60))
    slide = open_slide(tmp_path / "P07")
    np.testing.assert_array_equal(slide.arrays[0][...], whole)
    planes = slide.arrays[0]
    assert isinstance(planes, MosaicPlanes)
    assert sum(bool(tile._pages) for tile in planes.tiles) <= 2


def test_tiles_of_two_slides(tmp_path, whole) -> None:
    folder = tmp_path / "export"
    write_mosaic(folder, whole, NAMES, tile=(132, 88), by="names", slide="P07 base")
    write_mosaic(folder, whole[:, :60], NAMES, tile=(60, 88), by="names", slide="P08")
    with pytest.raises(SceneError, match=re.escape(
        "export holds tiles of 2 slides: 1 P07 base (2 tiles), 2 P08 (2 tiles); pass --scene"
    )):  # fmt: skip
        open_slide(folder)
    for scene in ("P08", "2", 2):
        slide = open_slide(folder, scene=scene)
        assert slide.name == "P08"
        np.testing.assert_array_equal(slide.arrays[0][...], whole[:, :60])
    with pytest.raises(SlideError, match="has no tiles of 'P09'; pass --scene with one of 1 P07"):
        open_slide(folder, scene="P09")


def test_what_lies_beside_the_tiles_is_left_alone(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    write_mosaic(folder, whole, NAMES, tile=(132, 88), by="both")
    before = fingerprint(folder)
    maps = np.zeros((4, 9, 9), np.int32)
    tifffile.imwrite(folder / "P07_[1,2]_binary_seg_maps.tif", maps, photometric="minisblack")
    (folder / "P07_[1,2]_cell_seg_data.txt").write_text("Cell ID\n1\n")
    (folder / "P07_[1,2]_composite_image.tif").write_bytes(b"no matter")
    (folder / "._P07_[1,2]_component_data.tif").write_bytes(b"a Mac's note")
    (folder / ".DS_Store").write_bytes(b"another")
    for place in ("result/P07", "result/.P07.tiles"):
        (folder / place).mkdir(parents=True)
        (folder / place / "P07_[1,2]_component_data.tif").write_bytes(b"no tile")
    np.testing.assert_array_equal(open_slide(folder).arrays[0][...], whole)
    assert fingerprint(folder) == before
    with whole_hash(folder) as digest:
        assert digest() == before.sha256


def test_a_tile_that_is_moved_or_changed_makes_another_slide(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    paths = write_mosaic(folder, whole, NAMES, tile=(132, 88))
    seen = {fingerprint(folder)}
    write_tile(paths[1], whole[:, :, 88:], NAMES, UM, (15_000 + 89 * UM, 50_000))
    seen.add(fingerprint(folder))
    write_tile(paths[1], whole[:, :, 88:] + 1, NAMES, UM, (15_000 + 89 * UM, 50_000))
    seen.add(fingerprint(folder))
    paths[1].rename(folder / "other_component_data.tif")
    seen.add(fingerprint(folder))
    assert len(seen) == 4


def one_more(folder, whole, name="x_component_data.tif", **change):
    options = {"pixels": whole[:, :40, :40], "names": NAMES, "um": UM, "corner_um": (15_100, 9e4)}
    return write_tile(folder / name, **(options | change))


def cut_short(folder, whole):
    path = one_more(folder, whole)
    path.write_bytes(path.read_bytes()[:-30_000])


BAD = {
    "no tile": (lambda f, w: shutil.rmtree(f) or f.mkdir(), "P07 is a folder without OME-Zarr or"),
    "cut off": (cut_short, "x_component_data.tif is (truncated|a damaged)"),
    "no TIFF": (
        lambda f, w: (f / "x_component_data.tif").write_text("nothing"),
        "x_component_data.tif is a damaged or truncated TIFF; copy or export it again",
    ),
    "no place": (
        lambda f, w: one_more(f, w, corner_um=None),
        "x_component_data.tif has no position, neither TIFF tags nor .* take it out of P07",
    ),
    "same place": (
        lambda f, w: one_more(f, w, corner_um=(15_000, 50_000)),
        "P07_00_component_data.tif and x_component_data.tif lie at the same place",
    ),
    "fewer stains": (
        lambda f, w: one_more(f, w, pixels=w[:2, :40], names=NAMES[:2]),
        "x_component_data.tif holds the channels DAPI, CD8 but most tiles beside it DAPI, CD8, PD",
    ),
    "other stains": (
        lambda f, w: one_more(f, w, names=("DAPI", "CD8", "SOX10")),
        "x_component_data.tif holds the channels DAPI, CD8, SOX10 but",
    ),
    "other pixels": (
        lambda f, w: one_more(f, w, um=0.25),
        "x_component_data.tif has a pixel of 0.25 x 0.25 µm but most tiles beside it have a pixel",
    ),
    "other type": (
        lambda f, w: one_more(f, w, dtype="float64"),
        "x_component_data.tif stores pixels as float64 but most tiles beside it as float32",
    ),
    "another format": (
        lambda f, w: tifffile.imwrite(
            f / "x_component_data.tif", w, photometric="minisblack", imagej=True
        ),
        "x_component_data.tif is ImageJ TIFF but most tiles beside it are inForm",
    ),
    "far apart": (
        lambda f, w: one_more(f, w, corner_um=(9e6, 9e6)),
        "the tiles in P07 lie 8985 mm apart, more than a slide is long; check the positions",
    ),
    "some names": (
        lambda f, w: one_more(f, w, "P07_[1,2]_component_data.tif"),
        "P07_.._component_data.tif has no .x,y. in its name, unlike other tiles in P07",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_mosaic_is_refused_in_one_line(tmp_path, whole, case) -> None:
    folder = tmp_path / "P07"
    write_mosaic(folder, whole, NAMES, tile=(48, 60))
    spoil, expected = BAD[case]
    spoil(folder, whole)
    with pytest.raises(SlideError) as told:
        open_slide(folder)
    text = str(told.value)
    assert re.search(expected, text), text
    assert "\n" not in text and str(tmp_path) not in text


def test_places_have_to_be_told(tmp_path, whole) -> None:
    folder = tmp_path / "P07"
    folder.mkdir()
    for k in range(2):
        write_tile(folder / f"{k}_component_data.tif", whole, NAMES, UM, (0.0, 0.0))
    with pytest.raises(SlideError, match="the position tags of 0_component_data"):
        open_slide(folder)
    (folder / "1_component_data.tif").unlink()
    np.testing.assert_array_equal(open_slide(folder).arrays[0][...], whole)


def test_tiles_that_lie_over_each_other_are_warned_of(tmp_path) -> None:
    """Two tiles of 60 columns: told where more than half of what they cover is covered twice."""
    tile = np.zeros((3, 40, 60), np.float32)
    for name, step in (("P07", 19), ("P08", 21)):
        paste(tmp_path / name, [(Cut(0, 0, 40, 60), tile), (Cut(0, step, 40, 60), tile)])
    # columns 19 to 59 of 0 to 78: 41 of 79
    said = "the tiles in P07 hold 51.9 % of its pixels more than once; check their positions"
    assert open_slide(tmp_path / "P07").warnings == (said,)
    # columns 21 to 59 of 0 to 80: 39 of 81
    assert open_slide(tmp_path / "P08").warnings == ()


def test_exposures_are_told_where_all_tiles_agree_and_differences_are_warned_of() -> None:
    tiles: list = [
        SimpleNamespace(found=SimpleNamespace(exposure_ms=times))
        for times in [(2.0, 20.0, 7.0), (50.0, 2.0, None)]
    ]
    names = ("DAPI", "CD8", "PD-L1")
    alike, notes = mosaic._exposures("P07", tiles, [(0, 1, 2), (1, 0, 2)], names)
    assert alike == (2.0, None, None)
    (note,) = notes
    assert note == (
        "the tiles in P07 were exposed for 20 to 50 ms in CD8: a cell is not as bright in one as "
        "in another"
    )
    tiles[0].found.exposure_ms = ()
    assert mosaic._exposures("P07", tiles, [(0, 1, 2), (1, 0, 2)], names) == ((None,) * 3, [])


def test_cuts_cover_the_plane() -> None:
    count = np.zeros((130, 172), int)
    for cut in cuts(count.shape, (48, 60), 8):
        count[cut.slices] += 1
    assert count.min() == 1 and count.max() == 4
