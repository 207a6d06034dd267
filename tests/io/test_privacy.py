"""A word planted in every field that a file offers comes out nowhere."""

import numpy as np
import pytest
import tifffile

from immunescape.errors import SlideError
from immunescape.io import open_slide

SECRET = "Erika Mustermann"
PIXELS = np.random.default_rng(2).integers(0, 200, (2, 64, 80), dtype=np.uint8)


def ome(path):
    tifffile.imwrite(
        path, PIXELS, ome=True, photometric="minisblack", software=SECRET, datetime=False,
        extratags=[(315, "s", 0, SECRET, True), (316, "s", 0, SECRET, True)],
        metadata={
            "axes": "CYX", "Name": SECRET, "Description": SECRET, "PhysicalSizeX": 0.5,
            "PhysicalSizeY": 0.5, "Channel": {"Name": ["DAPI", "CD8"], "Fluor": [SECRET] * 2},
            "MapAnnotation": {"patient": SECRET}, "Experimenter": {"LastName": SECRET},
        },
    )  # fmt: skip


def qptiff(path):
    fields = "SlideID Barcode ComputerName OperatorName StudyName SampleDescription Identifier"
    planted = "".join(f"<{f}>{SECRET}</{f}>" for f in fields.split())
    with tifffile.TiffWriter(path) as tif:
        for plane, name in zip(PIXELS, ("DAPI", "CD8"), strict=True):
            tif.write(
                plane, software="PerkinElmer-QPI", metadata=None, resolution=(2e4, 2e4),
                resolutionunit="CENTIMETER",
                description="<PerkinElmer-QPI-ImageDescription><ImageType>FullResolution"
                f"</ImageType>{planted}<Name>{name}</Name></PerkinElmer-QPI-ImageDescription>",
            )  # fmt: skip


def imagej(path):
    tifffile.imwrite(
        path, PIXELS, imagej=True, resolution=(2, 2),
        metadata={
            "axes": "CYX", "unit": "um", "Labels": ["DAPI", "CD8"], "Info": SECRET, "Title": SECRET,
        },
    )  # fmt: skip


@pytest.mark.parametrize("write", [ome, qptiff, imagej])
def test_planted_word_comes_out_nowhere(tmp_path, write) -> None:
    folder = tmp_path / SECRET
    folder.mkdir()
    path = folder / "P07.tif"
    write(path)
    assert SECRET.encode() in path.read_bytes()
    slide = open_slide(path)
    kept = repr((slide.name, slide.channels, slide.format, slide.warnings))
    assert SECRET not in kept and "P07" in kept
    for wrong in ({"pixel_size_um": -1.0}, {"channel_names": ("a",)}, {"scene": 5}):
        with pytest.raises(SlideError) as caught:
            open_slide(path, **wrong)
        assert SECRET not in str(caught.value)
