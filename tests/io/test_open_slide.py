"""Every format, written by tifffile or read from a real file, and compared with tifffile."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.real_data import DATA, needs

from immunescape.blocks import Block, iter_blocks
from immunescape.io import open_slide

NAMES = ("DAPI", "CD8", "PD-L1")


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 60_000, (3, 150, 201), dtype=np.uint16)


def write_ome(path: Path, pixels: np.ndarray, *, um: float = 0.5, unit: str = "µm", **options):
    options.setdefault("photometric", "minisblack")
    tifffile.imwrite(
        path,
        pixels,
        ome=True,
        metadata={
            "axes": "CYX",
            "Channel": {"Name": list(NAMES)},
            "PhysicalSizeX": um,
            "PhysicalSizeXUnit": unit,
            "PhysicalSizeY": um,
            "PhysicalSizeYUnit": unit,
        },
        **options,
    )
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rowsperstrip": 7},
        {"tile": (64, 48)},
        {"tile": (64, 64), "compression": "zstd", "predictor": True},
        {"tile": (32, 64), "compression": "lzw", "predictor": True},
        {"rowsperstrip": 16, "compression": "deflate"},
        {"tile": (64, 64), "compression": "jpeg2000"},
        {"compression": "lzw", "rowsperstrip": 150},
        {"tile": (64, 64), "byteorder": ">", "compression": "zstd"},
        {"byteorder": ">"},
        {"bigtiff": True, "tile": (64, 64)},
    ],
    ids=str,
)
def test_any_storage_reads_as_tifffile_reads_it(tmp_path, pixels, options) -> None:
    path = write_ome(tmp_path / "P07.ome.tif", pixels, **options)
    slide = open_slide(path)
    assert (slide.name, slide.format, slide.warnings) == ("P07", "OME-TIFF", ())
    assert (slide.channels, slide.pixel_size_um, slide.shape) == (NAMES, 0.5, (150, 201))
    expected = tifffile.imread(path)
    for block in (*iter_blocks(slide.shape, 64), Block(10, 11, 200, 201)):
        np.testing.assert_array_equal(slide.read(block), expected[:, *block.slices])
    np.testing.assert_array_equal(slide["CD8"].compute(), expected[1])
    assert slide.dtype == np.uint16 and slide.dtype.isnative


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_pixel_types(tmp_path, pixels, dtype) -> None:
    path = write_ome(tmp_path / "a.ome.tif", (pixels // 300).astype(dtype), tile=(64, 64))
    np.testing.assert_array_equal(open_slide(path).arrays[0][...], tifffile.imread(path))


@pytest.mark.parametrize(
    ("um", "unit"),
    [(500, "nm"), (0.5, "µm"), (0.5, "μm"), (0.0005, "mm"), (5e-5, "cm"), (5000, "Å"),
     (0.5 / 25400, "in"), (0.5 * 72 / 25400, "pt"), (5e-7, "m")],
)  # fmt: skip
def test_physical_sizes_in_any_unit(tmp_path, pixels, um, unit) -> None:
    path = write_ome(tmp_path / "a.ome.tif", pixels, um=um, unit=unit)
    assert open_slide(path).pixel_size_um == pytest.approx(0.5, rel=1e-6)


def test_pyramid_in_subifds(tmp_path, pixels) -> None:
    path = tmp_path / "a.ome.tif"
    small = [pixels[:, :: 2**k, :: 2**k] for k in (1, 2)]
    with tifffile.TiffWriter(path, ome=True, bigtiff=True) as tif:
        metadata = {
            "axes": "CYX", "Channel": {"Name": list(NAMES)}, "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.5,
        }  # fmt: skip
        options = {"tile": (32, 32), "compression": "zstd", "photometric": "minisblack"}
        tif.write(pixels, subifds=2, metadata=metadata, **options)
        for level in small:
            tif.write(level, subfiletype=1, metadata=None, **options)
    slide = open_slide(path)
    assert [a.shape for a in slide.arrays] == [(3, 150, 201), (3, 75, 101), (3, 38, 51)]
    for array, level in zip(slide.arrays[1:], small, strict=True):
        np.testing.assert_array_equal(array[...], level)


def test_planar_samples_are_channels(tmp_path, pixels) -> None:
    five = np.concatenate([pixels, pixels[:2] + 1])
    for planar, image in (("separate", five), ("contig", np.moveaxis(five, 0, -1))):
        path = tmp_path / f"{planar}.tif"
        tifffile.imwrite(
            path, image, photometric="minisblack", planarconfig=planar, tile=(64, 64),
            extrasamples=[0] * 4, metadata=None,
        )  # fmt: skip
        slide = open_slide(path, pixel_size_um=0.5, channel_names=tuple("abcde"))
        np.testing.assert_array_equal(slide.arrays[0][...], five)
        np.testing.assert_array_equal(slide.arrays[0][3, 60:70, 60:150:7], five[3, 60:70, 60:150:7])


def test_several_scenes_ask_and_obey(tmp_path, pixels) -> None:
    path = tmp_path / "two.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for i in (0, 1):
            tif.write(
                pixels[:, i * 50 :], photometric="minisblack",
                metadata={
                    "axes": "CYX", "Name": f"secret {i}", "PhysicalSizeX": 0.5,
                    "PhysicalSizeY": 0.5, "Channel": {"Name": list(NAMES)},
                },
            )  # fmt: skip
    second = open_slide(path, scene=2)
    assert second.name == "two_scene2"
    np.testing.assert_array_equal(second.arrays[0][...], pixels[:, 50:])
    assert open_slide(path, scene="secret 0").shape == (150, 201)
    with pytest.raises(ValueError, match=r"2 scenes: 1 \(201 x 150 px, 3 .*--scene") as caught:
        open_slide(path)
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="no scene '7'; pass --scene"):
        open_slide(path, scene=7)


def test_label_and_macro_images_are_left_out(tmp_path, pixels) -> None:
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for name, image in (("image", pixels), ("label image", pixels[:, :9]), ("macro", pixels)):
            tif.write(
                image, photometric="minisblack",
                metadata={"axes": "CYX", "Name": name, "PhysicalSizeX": 1, "PhysicalSizeY": 1},
            )  # fmt: skip
    slide = open_slide(path)
    assert slide.name == "a"
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)
    assert any("channel 1, channel 2, channel 3" in w for w in slide.warnings)


def test_imagej_hyperstack(tmp_path, pixels) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path, pixels, imagej=True, resolution=(2.0, 2.0),
        metadata={"axes": "CYX", "unit": "um", "Labels": ["c:1/3 - DAPI", "CD8\nx", "PD-L1"]},
    )  # fmt: skip
    slide = open_slide(path)
    assert (slide.format, slide.channels, slide.pixel_size_um) == ("ImageJ TIFF", NAMES, 0.5)
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)


def test_imagej_virtual_stack_keeps_planes_behind_one_directory(tmp_path, pixels) -> None:
    path = tmp_path / "virtual.tif"
    description = "ImageJ=1.54f\nimages=3\nchannels=3\nhyperstack=true\nunit=micron\n"
    tifffile.imwrite(
        path, pixels[0], description=description, metadata=None, software=False,
        resolution=(2.0, 2.0), byteorder=">",
    )  # fmt: skip
    with tifffile.TiffFile(path) as tif:
        start = tif.pages.first.dataoffsets[0]
    with path.open("r+b") as handle:
        handle.seek(start)
        handle.write(pixels.astype(">u2").tobytes())
    slide = open_slide(path, channel_names=NAMES)
    assert slide.pixel_size_um == 0.5
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(slide.arrays[0]))[2, 5], pixels[2, 5])


def test_imagej_without_labels_counts_its_channels(tmp_path, pixels) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "CYX"})
    slide = open_slide(path, pixel_size_um=0.25)
    assert slide.channels == ("channel 1", "channel 2", "channel 3")
    assert "--channel-names" in slide.warnings[0]


def test_plain_stack_with_words_of_the_user(tmp_path, pixels) -> None:
    path = tmp_path / "plain stack.TIF"
    tifffile.imwrite(path, pixels, photometric="minisblack")
    slide = open_slide(path, pixel_size_um=0.5, channel_names=NAMES)
    assert (slide.name, slide.format) == ("plain stack", "TIFF stack")
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)


def test_pages_written_one_by_one_are_channels(tmp_path, pixels) -> None:
    path = tmp_path / "pages.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane in pixels:
            tif.write(plane, contiguous=False, resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    slide = open_slide(path, channel_names=NAMES)
    assert slide.pixel_size_um == pytest.approx(0.5)
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)


def test_reduced_pages_are_pyramid_or_thumbnail(tmp_path, pixels) -> None:
    path = tmp_path / "flat.tif"
    with tifffile.TiffWriter(path) as tif:
        options = {"photometric": "minisblack", "metadata": None, "tile": (32, 32)}
        tif.write(pixels, **options)
        tif.write(pixels[:, ::2, ::2], subfiletype=1, **options)
        tif.write(pixels[0, ::9, ::9], subfiletype=1, **options)
    slide = open_slide(path, pixel_size_um=0.5, channel_names=NAMES)
    assert [a.shape for a in slide.arrays] == [(3, 150, 201), (3, 75, 101)]


def test_slices_named_as_channels_are_channels(tmp_path, pixels) -> None:
    path = tmp_path / "slices.tif"
    tifffile.imwrite(path, pixels, imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(ValueError, match=r"3 focal planes.*--channel-names"):
        open_slide(path, pixel_size_um=0.5)
    slide = open_slide(path, pixel_size_um=0.5, channel_names=NAMES)
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)


def qpi_page(kind: str, name: str = "", biomarker: str = "", extra: str = "") -> str:
    return (
        '<?xml version="1.0" encoding="utf-16"?><PerkinElmer-QPI-ImageDescription>'
        f"<ImageType>{kind}</ImageType><Barcode>SECRET-1</Barcode><SlideID>SECRET-2</SlideID>"
        f"<Name>{name}</Name><Biomarker>{biomarker}</Biomarker>{extra}"
        "</PerkinElmer-QPI-ImageDescription>"
    )


def write_qptiff(path: Path, pixels: np.ndarray, biomarkers, names, extra="", **options) -> Path:
    with tifffile.TiffWriter(path) as tif:
        common = {"software": "PerkinElmer-QPI", "metadata": None}
        tiled = {**common, "tile": (32, 32), "compression": "lzw", **options}

        def stains(image, kind):
            for plane, name, biomarker in zip(image, names, biomarkers, strict=True):
                tif.write(plane, description=qpi_page(kind, name, biomarker, extra), **tiled)

        stains(pixels, "FullResolution")
        small = np.zeros((40, 50, 3), np.uint8)
        tif.write(small, description=qpi_page("Thumbnail"), photometric="rgb", **common)
        stains(pixels[:, ::2, ::2], "ReducedResolution")
        stains(pixels[:, ::4, ::4], "ReducedResolution")
        tif.write(small, description=qpi_page("Overview"), photometric="rgb", **common)
        tif.write(small, description=qpi_page("Label"), photometric="rgb", **common)
    return path


SCAN = "<ScanProfile><root><ScanResolution><PixelSizeMicrons>0.5</PixelSizeMicrons>"
SCAN += "</ScanResolution></root></ScanProfile>"


def test_qptiff_pyramid_biomarkers_and_pixel(tmp_path, pixels) -> None:
    path = tmp_path / "core 1.qptiff"
    write_qptiff(path, pixels, ("", "CD8", "PD-L1"), ("DAPI", "Opal 570", "Opal 520"), SCAN)
    slide = open_slide(path)
    assert (slide.name, slide.format, slide.channels) == ("core 1", "QPTIFF", NAMES)
    assert slide.pixel_size_um == 0.5
    assert [a.shape[1:] for a in slide.arrays] == [(150, 201), (75, 101), (38, 51)]
    np.testing.assert_array_equal(slide.arrays[0][...], pixels)
    np.testing.assert_array_equal(slide.arrays[2][...], pixels[:, ::4, ::4])
    assert slide.warnings == ()


@pytest.mark.parametrize(
    ("per_cm", "extra", "expected", "warned"),
    [
        (1e4 / 0.4965, SCAN, 0.4965, False),
        (1e4 / 0.25, SCAN, 0.5, True),
        (1e4 / 0.25, "", 0.25, False),
        (None, "<ScanProfile>{\"PixelSizeMicrons\": 0.325}</ScanProfile>", 0.325, False),
    ],
)  # fmt: skip
def test_qptiff_pixel_from_xml_or_tags(tmp_path, pixels, per_cm, extra, expected, warned) -> None:
    options = {"resolution": (per_cm, per_cm), "resolutionunit": "CENTIMETER"} if per_cm else {}
    path = write_qptiff(tmp_path / "a.qptiff", pixels, [""] * 3, NAMES, extra, **options)
    slide = open_slide(path)
    assert slide.pixel_size_um == pytest.approx(expected, rel=1e-4)
    assert bool(slide.warnings) == warned


def test_biomarker_that_stands_twice_keeps_its_dye(tmp_path, pixels) -> None:
    path = tmp_path / "a.qptiff"
    write_qptiff(path, pixels, ("DAPI", "CD8", "CD8"), ("DAPI", "Opal 570", "Opal 520"), SCAN)
    assert open_slide(path).channels == ("DAPI", "CD8 Opal 570", "CD8 Opal 520")


@needs("inform")
def test_real_component_file() -> None:
    path = DATA / "inform" / "FIHC4__0929309_HP_IM3_2_component_data.tif"
    slide = open_slide(path)
    assert (slide.name, slide.format) == ("FIHC4__0929309_HP_IM3_2", "inForm component data")
    assert slide.channels == ("Alexa 594", "Cy3", "Cy5", "DAPI", "FITC")
    assert slide.pixel_size_um == pytest.approx(0.497, abs=5e-4)
    assert (slide.shape, slide.dtype, len(slide.arrays)) == ((260, 348), np.float32, 1)
    for block in iter_blocks(slide.shape, 128):
        np.testing.assert_array_equal(
            slide.read(block), tifffile.imread(path, key=range(5))[:, *block.slices]
        )


@needs("qptiff")
def test_real_qptiff() -> None:
    path = DATA / "qptiff" / "small_vectra.qptiff"
    slide = open_slide(path)
    assert (slide.name, slide.format) == ("small_vectra", "QPTIFF")
    assert slide.channels == ("DAPI", "FITC", "Cy3")
    assert slide.pixel_size_um == pytest.approx(0.4965, abs=5e-5)
    block = Block(700, 900, 1700, 1920)
    np.testing.assert_array_equal(
        slide.read(block, ("Cy3", "DAPI")),
        tifffile.imread(path, key=[2, 0])[:, *block.slices],
    )
    assert slide.exposure_ms == pytest.approx((2.63, 14.29, 208.03))


def test_exposures_of_an_ome_tiff(tmp_path, pixels) -> None:
    told = {"ExposureTime": [0.02, 5.0, 0.0], "ExposureTimeUnit": ["s", "ms", "s"]}
    meta = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5, "Plane": told}
    meta["Channel"] = {"Name": list(NAMES)}
    tifffile.imwrite(tmp_path / "a.ome.tif", pixels, ome=True, metadata=meta)
    assert open_slide(tmp_path / "a.ome.tif").exposure_ms == (20.0, 5.0, None)
    write_ome(tmp_path / "b.ome.tif", pixels)
    assert open_slide(tmp_path / "b.ome.tif").exposure_ms == ()


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("<ExposureTime>2500</ExposureTime>", (2.5,) * 3),
        ("<ExposureTime>2500</ExposureTime><IsUnmixedComponent>True</IsUnmixedComponent>", ()),
        ("<ExposureTime>0</ExposureTime>", ()),
        ("<ExposureTime>long</ExposureTime>", ()),
    ],
)
def test_exposures_of_a_qptiff(tmp_path, pixels, extra, expected) -> None:
    path = write_qptiff(tmp_path / "a.qptiff", pixels, NAMES, NAMES, SCAN + extra)
    assert open_slide(path).exposure_ms == expected


def test_names_and_size_of_the_user_win(tmp_path, pixels) -> None:
    path = write_ome(tmp_path / "a.ome.tif", pixels)
    slide = open_slide(path, pixel_size_um=0.25, channel_names=("x", " y  z ", "w"))
    assert (slide.channels, slide.pixel_size_um) == (("x", "y z", "w"), 0.25)
    assert "states a pixel of 0.5 µm; 0.25 µm" in slide.warnings[0]
    assert open_slide(path, pixel_size_um=0.501).warnings == ()


def test_odd_pixel_and_missing_pyramid_are_warned_about(tmp_path) -> None:
    path = tmp_path / "long.ome.tif"
    write_ome(path, np.zeros((3, 4, 8200), np.uint8), um=20, compression="zstd")
    first, second = sorted(open_slide(path).warnings)
    assert "20 µm, unusual" in first
    assert "8200 x 4 px without a pyramid" in second


def test_threads_and_copies_read_the_same(tmp_path, pixels) -> None:
    path = write_ome(tmp_path / "a.ome.tif", pixels, tile=(32, 32), compression="zstd")
    array = open_slide(path).arrays[0]
    blocks = list(iter_blocks((150, 201), 40)) * 4
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda b: array[:, *b.slices], blocks))
    for block, part in zip(blocks, parts, strict=True):
        np.testing.assert_array_equal(part, pixels[:, *block.slices])
    again = pickle.loads(pickle.dumps(array))
    np.testing.assert_array_equal(again[1], pixels[1])


def test_indexing_follows_numpy(tmp_path, pixels) -> None:
    path = write_ome(tmp_path / "a.ome.tif", pixels, tile=(32, 32))
    array = open_slide(path).arrays[0]
    for key in (
        1, -1, np.int64(2), ..., (..., 5), (0, ..., slice(3, 90, 7)), (slice(None), 4), (2, -3, -4),
        (slice(None, None, -1), slice(90, 10, -3)), (slice(1, 1),), (0, slice(500, 600)),
    ):  # fmt: skip
        np.testing.assert_array_equal(array[key], pixels[key])
    for key in (3, (0, 150), (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            array[key]
    np.testing.assert_array_equal(np.asarray(array), pixels)
    assert (array.ndim, len(array), array.nbytes) == (3, 3, pixels.nbytes)


def test_opening_reads_the_header_only(tmp_path) -> None:
    pixels = np.zeros((3, 3000, 3000), np.uint16)
    path = write_ome(tmp_path / "a.ome.tif", pixels, tile=(256, 256))
    read = 0
    original = tifffile.FileHandle.read

    def counting(self, *args, **kwargs):
        nonlocal read
        data = original(self, *args, **kwargs)
        read += len(data)
        return data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tifffile.FileHandle, "read", counting)
        open_slide(path)
    assert read < 100_000 < path.stat().st_size


def test_a_renamed_file_keeps_only_its_own_name(tmp_path, pixels) -> None:
    folder = tmp_path / "Müller secret folder"
    folder.mkdir()
    source = write_ome(tmp_path / "secret original.ome.tif", pixels)
    path = folder / "fall 3 ü.ome.tiff"
    shutil.copy(source, path)
    slide = open_slide(path)
    assert slide.name == "fall 3 ü"
    assert "secret" not in repr((slide.name, slide.channels, slide.format, slide.warnings))
