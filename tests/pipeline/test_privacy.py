"""No name of a person, date or path of a slide reaches any output."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import tifffile
import zarr
from tests.slides import CHANNELS, drawn_image, drawn_labels, square, write_geojson, write_labels

from immunescape.cli import main

NAME = "Planted-Surname"
DATE = "1901:02:03 04:05:06"
YEAR = re.compile(r"\b1901\b(?!\.\d)|19010203")
"""The year as a word, or the date without a gap; neither a hash nor a number of megabytes."""


def ome_xml(shape: tuple[int, ...]) -> str:
    channels = "".join(
        f'<Channel ID="Channel:0:{k}" Name="{c}" SamplesPerPixel="1"/>'
        for k, c in enumerate(CHANNELS)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'Creator="{NAME}" UUID="urn:uuid:{NAME}">'
        f'<Project ID="Project:0" Name="{NAME}"/>'
        f'<Experimenter ID="Experimenter:0" FirstName="{NAME}" LastName="{NAME}"/>'
        f'<Instrument ID="Instrument:0"><Microscope SerialNumber="{NAME}"/></Instrument>'
        f'<Image ID="Image:0" Name="{NAME}"><AcquisitionDate>1901-02-03T04:05:06'
        f"</AcquisitionDate><Description>{NAME}</Description>"
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
        f'SizeX="{shape[2]}" SizeY="{shape[1]}" SizeC="{shape[0]}" SizeZ="1" SizeT="1" '
        'PhysicalSizeX="0.5" PhysicalSizeXUnit="µm" PhysicalSizeY="0.5" PhysicalSizeYUnit="µm">'
        f"{channels}<TiffData/></Pixels></Image>"
        '<StructuredAnnotations><CommentAnnotation ID="Annotation:0"><Value>'
        f"{NAME}</Value></CommentAnnotation></StructuredAnnotations></OME>"
    )


def planted_tiff(folder: Path) -> Path:
    image = drawn_image(drawn_labels())
    path = folder / "case7.ome.tif"
    tifffile.imwrite(
        path, image, photometric="minisblack", description=ome_xml(image.shape).encode(),
        metadata=None, software=NAME, datetime=DATE,
        extratags=[(315, "s", 0, NAME, True), (316, "s", 0, NAME, True), (269, "s", 0, NAME, True)],
    )  # fmt: skip
    return path


def planted_component(folder: Path) -> Path:
    image = drawn_image(drawn_labels()).astype("float32")
    path = folder / "case7_component_data.tif"
    with tifffile.TiffWriter(path) as tif:
        for plane, name in zip(image, CHANNELS, strict=True):
            tif.write(
                plane, photometric="minisblack", resolution=(20000, 20000),
                resolutionunit="CENTIMETER", metadata=None, software=NAME, datetime=DATE,
                description="<PerkinElmer-QPI-ImageDescription>"
                f"<ImageType>FullResolution</ImageType><Name>{name}</Name>"
                f"<OperatorName>{NAME}</OperatorName><Barcode>{NAME}</Barcode>"
                f"<SampleDescription>{NAME}</SampleDescription>"
                "</PerkinElmer-QPI-ImageDescription>",
            )  # fmt: skip
    return path


def planted_zarr(folder: Path) -> Path:
    path = folder / "case7.ome.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=3)
    image = drawn_image(drawn_labels())
    group.create_array("0", data=image, chunks=(1, 64, 64), dimension_names=("c", "y", "x"))
    axes = [{"name": "c", "type": "channel"}] + [
        {"name": a, "type": "space", "unit": "micrometer"} for a in "yx"
    ]
    scale = [{"type": "scale", "scale": [1.0, 0.5, 0.5]}]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "name": NAME,
                "axes": axes,
                "datasets": [{"path": "0", "coordinateTransformations": scale}],
                "metadata": {"operator": NAME},
            }
        ],
        "omero": {"name": NAME, "channels": [{"label": c} for c in CHANNELS]},
    }
    group.attrs["owner"] = NAME
    return path


def texts_of(folder: Path):
    """Yield every output as text: files as they are, tables and arrays as what they hold."""
    for path in folder.rglob("*"):
        yield str(path.relative_to(folder))
        if path.is_file():
            yield path.read_bytes().decode("latin-1")
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            yield frame.to_csv()
            yield json.dumps({str(k): str(v) for k, v in frame.attrs.items()})


@pytest.mark.slow
@pytest.mark.parametrize("plant", [planted_tiff, planted_component, planted_zarr])
def test_a_planted_name_appears_in_no_output(plant, tmp_path, capsys):
    place = tmp_path / NAME / f"ward of {NAME}"
    place.mkdir(parents=True)
    slide = plant(place)
    labels = write_labels(place)
    drawn = write_geojson(place, square(0, 0, 180, 240))
    out = tmp_path / "out"
    code = main(
        ["run", str(slide), "--labels", str(labels), "--annotations", str(drawn), "-o", str(out)]
    )
    printed = capsys.readouterr()
    assert code == 0, printed.err
    everything = "\n".join([*texts_of(out), printed.out, printed.err])
    assert "case7" in everything
    for trace in (NAME, NAME.lower(), str(tmp_path)):
        assert trace not in everything
    assert not YEAR.search(everything)
