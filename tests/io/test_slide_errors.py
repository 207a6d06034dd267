"""What cannot be a slide: one line with the file, the thing and the remedy."""

import json

import numpy as np
import pytest
import tifffile

from immunescape.errors import SlideError
from immunescape.io import open_slide, write_ome_tiff

PIXELS = np.random.default_rng(3).integers(0, 9999, (3, 64, 80), dtype=np.uint16)
RGB = PIXELS.transpose(1, 2, 0).astype("u1")
NAMES = ["DAPI", "CD8", "PD-L1"]
UM = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}


def ome(path, pixels=PIXELS, *, names=NAMES, axes="CYX", photometric="minisblack", **size):
    metadata = {"axes": axes, **(size or UM)}
    if names:
        metadata["Channel"] = {"Name": list(names)}
    tifffile.imwrite(path, pixels, ome=True, photometric=photometric, metadata=metadata)


def plain(path, pixels=PIXELS, photometric="minisblack", **options):
    tifffile.imwrite(path, pixels, photometric=photometric, **options)


def cut(path, share):
    write_ome_tiff(path, PIXELS, NAMES, 0.5)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def changed(path, old, new):
    ome(path)
    data = path.read_bytes()
    assert old in data and len(old) == len(new)
    path.write_bytes(data.replace(old, new))


def zarr_group(path, attributes):
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text(json.dumps(attributes))


def imagej(path, **metadata):
    tifffile.imwrite(path, PIXELS, imagej=True, metadata={"axes": "CYX", **metadata})


QPI = (
    "<PerkinElmer-QPI-ImageDescription><ImageType>{}</ImageType></PerkinElmer-QPI-ImageDescription>"
)

BAD = {
    "missing": (lambda p: None, {}, "does not exist; check the path"),
    "folder": (lambda p: p.mkdir(), {}, "a folder without OME-Zarr or TIFF tiles inside"),
    "empty": (lambda p: p.write_bytes(b""), {}, "is empty; copy it again"),
    "text": (lambda p: p.write_text("cell,x,y"), {}, "no image, which is not read; give"),
    "png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n1234"), {}, "a PNG picture"),
    "jpeg": (lambda p: p.write_bytes(b"\xff\xd8\xff\xe0abc"), {}, "a JPEG picture"),
    "czi": (lambda p: p.write_bytes(b"ZISRAWFILE" + bytes(20)), {}, "a Zeiss CZI file"),
    "header only": (lambda p: p.write_bytes(b"II*\0\x08\0\0\0"), {}, "truncated|no image"),
    "no directory": (lambda p: p.write_bytes(b"II*\0"), {}, "truncated"),
    "garbage": (lambda p: p.write_bytes(b"II*\0" + bytes(range(4, 250))), {}, "damaged|no image"),
    "cut at 30 %": (lambda p: cut(p, 0.3), {}, "truncated"),
    "cut at 99 %": (lambda p: cut(p, 0.99), {}, "truncated|damaged"),
    "rgb": (lambda p: plain(p, RGB, "rgb"), {}, "an RGB picture"),
    "planar rgb": (lambda p: plain(p, PIXELS, "rgb", planarconfig="separate"), {}, "an RGB"),
    "ome rgb": (
        lambda p: ome(p, RGB, names=None, axes="YXS",
                      photometric="rgb"), {}, "an RGB picture"),
    "palette": (
        lambda p: plain(p, PIXELS[0].astype("u1"), "palette", colormap=np.zeros((3, 256), "u2")),
        {}, "an RGB picture"),
    "no size in ome": (lambda p: ome(p, PhysicalSizeZ=1), {}, "has no pixel size; pass"),
    "size in pixels": (
        lambda p: ome(p, PhysicalSizeX=1, PhysicalSizeXUnit="pixel", PhysicalSizeY=1,
                      PhysicalSizeYUnit="pixel"), {}, "in pixels; pass --pixel-size-um"),
    "unknown unit": (
        lambda p: ome(p, PhysicalSizeX=1, PhysicalSizeXUnit="ly", PhysicalSizeY=1,
                      PhysicalSizeYUnit="ly"), {}, "'ly', an unknown unit; pass --pixel-size-um"),
    "size zero": (lambda p: ome(p, PhysicalSizeX=0, PhysicalSizeY=0), {}, "pixel of 0 µm"),
    "size negative": (lambda p: ome(p, PhysicalSizeX=-0.5, PhysicalSizeY=-0.5), {}, "of -0.5"),
    "size nan": (
        lambda p: changed(p, b'SizeX="0.5"', b'SizeX="nan"'), {}, "pixel of nan x 0.5 µm; pass"),
    "size no number": (
        lambda p: changed(p, b'SizeX="0.5"', b'SizeX="a.b"'), {}, "'a.b', which is no number"),
    "oblong": (lambda p: ome(p, PhysicalSizeX=0.5, PhysicalSizeY=0.6), {}, "not square"),
    "given size zero": (ome, {"pixel_size_um": 0.0}, "--pixel-size-um is 0; give a positive"),
    "given size negative": (ome, {"pixel_size_um": -1.0}, "--pixel-size-um is -1"),
    "given size nan": (ome, {"pixel_size_um": float("nan")}, "--pixel-size-um is nan"),
    "too few names": (ome, {"channel_names": ("a", "b")}, "3 channels but --channel-names has 2"),
    "too many names": (ome, {"channel_names": tuple("abcd")}, "--channel-names has 4 names"),
    "an empty name": (ome, {"channel_names": ("a", " ", "b")}, "in --channel-names is empty"),
    "names given twice": (ome, {"channel_names": ("a", "b", "a")}, "2 channels 'a'; pass"),
    "names twice in file": (lambda p: ome(p, names=["DAPI", "CD8", "DAPI"]), {}, "2 .* 'DAPI'"),
    "no names in stack": (plain, {"pixel_size_um": 0.5}, "pass --channel-names with 3"),
    "no size in stack": (plain, {"channel_names": tuple("abc")}, "has no pixel size; pass"),
    "unit of imagej": (lambda p: imagej(p, unit="parsec"), {}, "'parsec', an unknown unit"),
    "no unit of imagej": (imagej, {}, "has no pixel size; pass --pixel-size-um"),
    "focal planes": (
        lambda p: ome(p, np.stack([PIXELS] * 4), axes="ZCYX"), {}, "4 focal planes; export one"),
    "time points": (
        lambda p: ome(p, np.stack([PIXELS] * 2), axes="TCYX"), {}, "2 time points; export one"),
    "too many axes": (
        lambda p: plain(p, np.stack([PIXELS] * 2), metadata={"axes": "QCYX"}), {}, "axes QCYX"),
    "unknown scene": (ome, {"scene": 3}, "no scene '3'; pass --scene"),
    "complex": (lambda p: plain(p, PIXELS.astype("c8")), {}, "complex64, which is no intensity"),
    "64 bit": (lambda p: plain(p, PIXELS.astype("i8")), {}, "int64, which is no intensity"),
    "bits": (lambda p: plain(p, PIXELS[0] > 5), {}, "bool, which is no intensity"),
    "labels": (
        lambda p: plain(p, PIXELS[0].astype("i4")), {"pixel_size_um": 0.5}, "a label.*--labels"),
    "inform maps": (
        lambda p: plain(p, PIXELS[0], metadata=None,
                        description="<SegmentationImage></SegmentationImage>"), {}, "--labels"),
    "svs": (
        lambda p: plain(p, PIXELS[0], metadata=None, description="Aperio Image Library v12"),
        {}, "a brightfield slide scan"),
    "broken ome-xml": (lambda p: changed(p, b"<Pixels", b"<Pixel<"), {}, "cannot be parsed"),
    "entities in ome-xml": (
        lambda p: plain(p, PIXELS[0], metadata=None,
                        description='<!DOCTYPE a [<!ENTITY b "c">]><OME>&b;</OME>'),
        {}, "cannot be parsed"),
    "no image in ome-xml": (lambda p: changed(p, b"Image", b"Imxge"), {}, "describes no image"),
    "several files": (
        lambda p: plain(p, PIXELS[0], metadata=None, description=(
            '<OME><Image><Pixels SizeX="80" SizeY="64" SizeC="2"><TiffData IFD="0">'
            '<UUID FileName="a.tif">urn:1</UUID></TiffData><TiffData IFD="0" FirstC="1">'
            '<UUID FileName="b.tif">urn:2</UUID></TiffData></Pixels></Image></OME>')),
        {}, "in 2 files; join them"),
    "part of a set": (
        lambda p: plain(p, PIXELS[0], metadata=None,
                        description='<OME><BinaryOnly MetadataFile="secret.ome"/></OME>'),
        {}, "one part of an OME-TIFF in several files; join"),
    "promised channels": (lambda p: changed(p, b'SizeC="3"', b'SizeC="9"'), {}, "channel 4|lacks"),
    "promised size": (lambda p: changed(p, b'SizeX="80"', b'SizeX="99"'), {}, "promises 3"),
    "no full page": (
        lambda p: plain(p, PIXELS[0], metadata=None, description=QPI.format("Label"),
                        software="PerkinElmer-QPI"), {}, "no full-resolution page"),
    "brightfield qptiff": (
        lambda p: plain(p, RGB, "rgb", metadata=None,
                        description=QPI.format("FullResolution"), software="PerkinElmer-QPI"),
        {}, "an RGB picture"),
    "broken qpi xml": (
        lambda p: plain(p, PIXELS[0], metadata=None, description=QPI[:40],
                        software="PerkinElmer-QPI"), {}, "XML cannot be parsed"),
    "one pixel": (lambda p: ome(p, PIXELS[:, :1]), {}, "80 x 1 px; give an image of tissue"),
    "zarr without ome": (lambda p: zarr_group(p, {}), {}, "without OME-Zarr metadata"),
    "zarr plate": (lambda p: zarr_group(p, {"plate": {}}), {}, "a plate of fields"),
    "zarr labels": (lambda p: zarr_group(p, {"image-label": {}}), {}, "--labels"),
    "zarr without arrays": (
        lambda p: zarr_group(p, {"multiscales": [{"datasets": [{"path": "0"}]}]}), {}, "damaged"),
    "zarr broken": (
        lambda p: (p.mkdir(), (p / "zarr.json").write_text("{oops")), {}, "or incomplete"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_clear_line(tmp_path, kind) -> None:
    make, options, message = BAD[kind]
    folder = tmp_path / "a folder"
    folder.mkdir()
    path = folder / "P 07ü.tif"
    make(path)
    with pytest.raises(SlideError, match=message) as caught:
        open_slide(path, **options)
    text = str(caught.value)
    assert text.startswith("P 07ü.tif")
    assert "\n" not in text and "folder/" not in text and "secret" not in text
    assert len(text) < 220


def test_there_are_more_than_thirty_kinds() -> None:
    assert len(BAD) > 30


def test_a_file_cut_anywhere_is_refused_or_whole(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome_tiff(path, PIXELS, NAMES, 0.5)
    data = path.read_bytes()
    for size in range(0, len(data), max(len(data) // 60, 1)):
        path.write_bytes(data[:size])
        with pytest.raises(SlideError, match=r"^a\.ome\.tif"):
            open_slide(path)


def test_flipped_bytes_in_the_header_never_escape_as_other_errors(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome_tiff(path, PIXELS[:, :40, :40], NAMES, 0.5)
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(0)
    for at in rng.integers(0, 1500, 300):
        damaged = bytearray(data)
        damaged[at] ^= int(rng.integers(1, 255))
        path.write_bytes(damaged)
        try:
            open_slide(path)
        except SlideError as error:
            assert "\n" not in str(error)


def test_damaged_pixels_are_one_line_when_they_are_read(tmp_path) -> None:
    path = tmp_path / "a.ome.tif"
    write_ome_tiff(path, PIXELS, NAMES, 0.5)
    slide = open_slide(path)
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[1].dataoffsets[0]
    with path.open("r+b") as handle:
        handle.seek(at)
        handle.write(bytes(64))
    np.testing.assert_array_equal(slide.arrays[0][0], PIXELS[0])
    with pytest.raises(SlideError, match=r"^a\.ome\.tif holds pixels that cannot be decoded"):
        slide.arrays[0][1]
