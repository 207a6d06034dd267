"""The writer, read back by tifffile."""

import numpy as np
import pytest
import tifffile

from immunescape.errors import OutputError, SlideError
from immunescape.io import open_slide, write_ome_tiff

NAMES = ("DAPI", "CD8 <&> µ")


def image(dtype: str, height: int, width: int) -> np.ndarray:
    return (np.random.default_rng(1).random((2, height, width)) * 200).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
@pytest.mark.parametrize("shape", [(70, 90), (512, 512), (513, 1025)])
def test_round_trip(tmp_path, dtype, shape) -> None:
    pixels = image(dtype, *shape)
    path = write_ome_tiff(tmp_path / "new" / "a.ome.tif", pixels, NAMES, 0.325)
    np.testing.assert_array_equal(tifffile.imread(path), pixels)
    slide = open_slide(path)
    assert (slide.channels, slide.pixel_size_um) == (NAMES, 0.325)
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)
    with tifffile.TiffFile(path) as tif:
        page = tif.pages.first
        assert tif.is_ome and page.is_tiled and page.compression.name == "ZSTD"
    assert [p.name for p in path.parent.iterdir()] == ["a.ome.tif"]


def test_levels_are_means_of_full_resolution(tmp_path) -> None:
    pixels = image("uint16", 2100, 4103)
    path = write_ome_tiff(tmp_path / "a.ome.tif", pixels, NAMES, 0.5)
    with tifffile.TiffFile(path) as tif:
        assert [level.shape for level in tif.series[0].levels] == [
            (2, 2100, 4103), (2, 1050, 2051), (2, 525, 1025),
        ]  # fmt: skip
        third = tif.series[0].levels[2].asarray()
    block = pixels[1, 4 * 500 : 4 * 501, 4 * 1000 : 4 * 1001]
    assert third[1, 500, 1000] == np.rint(block.mean())
    expected = pixels[:, :, :4100].reshape(2, 525, 4, 1025, 4).mean((2, 4))
    np.testing.assert_array_equal(third, np.rint(expected))
    slide = open_slide(path)
    assert len(slide.arrays) == 3
    np.testing.assert_allclose(slide.downsamples, (1, 2, 4), rtol=1e-2)
    flat = write_ome_tiff(tmp_path / "flat.ome.tif", pixels, NAMES, 0.5, pyramid=False)
    assert len(open_slide(flat).arrays) == 1


def test_pixels_are_asked_for_in_bounded_blocks(tmp_path) -> None:
    class Watched:
        shape = (1, 2500, 6000)
        dtype = np.dtype("uint8")
        largest = 0

        def __getitem__(self, key):
            _, rows, columns = key
            block = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
            self.largest = max(self.largest, block.size)
            return block

    watched = Watched()
    write_ome_tiff(tmp_path / "a.ome.tif", watched, ["DAPI"], 0.5)
    assert 0 < watched.largest <= 2048**2


def test_same_input_gives_same_bytes(tmp_path) -> None:
    pixels = image("uint8", 80, 80)
    first = write_ome_tiff(tmp_path / "a.ome.tif", pixels, NAMES, 0.5).read_bytes()
    assert write_ome_tiff(tmp_path / "b.ome.tif", pixels, NAMES, 0.5).read_bytes() == first
    assert b"/tmp" not in first


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path) -> None:
    path = write_ome_tiff(tmp_path / "a.ome.tif", image("uint8", 80, 80), NAMES, 0.5)
    before = path.read_bytes()

    class Broken:
        shape = (1, 600, 600)
        dtype = np.dtype("uint8")

        def __getitem__(self, key):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ome_tiff(path, Broken(), ["DAPI"], 0.5)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.ome.tif"]


def test_what_cannot_be_written_is_one_line(tmp_path) -> None:
    pixels = image("uint8", 80, 80)
    with pytest.raises(SlideError, match="2 channels but 1 channel names"):
        write_ome_tiff(tmp_path / "a.ome.tif", pixels, ["DAPI"], 0.5)
    with pytest.raises(SlideError, match="pixel size of 0"):
        write_ome_tiff(tmp_path / "a.ome.tif", pixels, NAMES, 0)
    with pytest.raises(SlideError, match=r"a\.ome\.tif cannot be stored as OME-TIFF"):
        write_ome_tiff(tmp_path / "a.ome.tif", pixels.astype("uint64"), NAMES, 0.5)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"^a\.ome\.tif cannot be written"):
        write_ome_tiff(tmp_path / "file" / "a.ome.tif", pixels, NAMES, 0.5)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
