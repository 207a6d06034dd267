"""OME-Zarr folders written with zarr itself."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from immunescape.blocks import iter_blocks
from immunescape.errors import SlideError
from immunescape.io import open_slide

NAMES = ("DAPI", "CD8", "PD-L1")
PIXELS = np.random.default_rng(5).integers(0, 60_000, (3, 90, 130), dtype=np.uint16)


def write(
    path: Path,
    pixels: np.ndarray = PIXELS,
    *,
    version: str = "0.4",
    axes: str = "cyx",
    unit: str | None = "micrometer",
    um: tuple[float, float] = (0.5, 0.5),
    outer: float | None = None,
    labels: tuple[str, ...] | None = NAMES,
    inside: str = "",
    **attributes: Any,
) -> Path:
    root = zarr.open_group(path, mode="a", zarr_format=2 if version == "0.4" else 3)
    group = root.require_group(inside) if inside else root
    datasets = []
    for level in range(2):
        image = pixels[..., :: 2**level, :: 2**level]
        shards = {} if version == "0.4" else {"shards": (*[1] * (image.ndim - 2), 64, 64)}
        array = group.create_array(
            str(level), shape=image.shape, dtype=image.dtype,
            chunks=(*[1] * (image.ndim - 2), 32, 32), **shards,
        )  # fmt: skip
        array[...] = image
        scale = [1.0] * (image.ndim - 2) + [edge * 2**level for edge in um]
        datasets.append(
            {"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        )
    units = {"unit": unit} if unit else {}
    kinds = {"c": "channel", "t": "time"}
    multiscale: dict[str, Any] = {
        "name": "secret name",
        "axes": [
            {"name": a, "type": kinds.get(a, "space"), **(units if a in "zyx" else {})}
            for a in axes
        ],
        "datasets": datasets,
    }  # fmt: skip
    if outer:
        step = {"type": "scale", "scale": [1.0] * (pixels.ndim - 2) + [outer, outer]}
        multiscale["coordinateTransformations"] = [step]
    metadata: dict[str, Any] = {"multiscales": [multiscale], **attributes}
    if labels:
        metadata["omero"] = {"channels": [{"label": label} for label in labels]}
    if version == "0.4":
        multiscale["version"] = "0.4"
        group.attrs.update(metadata)
    else:
        group.attrs.update({"ome": {"version": version, **metadata}})
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_both_versions_read_back(tmp_path, version) -> None:
    slide = open_slide(write(tmp_path / "P07.ome.zarr", version=version))
    assert (slide.name, slide.format, slide.channels) == ("P07", f"OME-Zarr {version}", NAMES)
    assert (slide.pixel_size_um, slide.warnings) == (0.5, ())
    assert [a.shape for a in slide.arrays] == [(3, 90, 130), (3, 45, 65)]
    for block in iter_blocks(slide.shape, 50):
        np.testing.assert_array_equal(slide.read(block), PIXELS[:, *block.slices])
    np.testing.assert_array_equal(slide["CD8"].compute(), PIXELS[1])
    again = pickle.loads(pickle.dumps(slide.arrays[1]))
    np.testing.assert_array_equal(again[2, ::-3, 5], PIXELS[2, ::2, ::2][::-3, 5])


@pytest.mark.parametrize("axes", ["tczyx", "czyx", "tcyx"])
def test_axes_of_length_one_are_dropped(tmp_path, axes) -> None:
    shape = tuple({"c": 3, "y": 90, "x": 130}.get(a, 1) for a in axes)
    slide = open_slide(write(tmp_path / "a.zarr", PIXELS.reshape(shape), axes=axes))
    np.testing.assert_array_equal(slide.arrays[0][...], PIXELS)


def test_plane_without_channel_axis_is_one_channel(tmp_path) -> None:
    slide = open_slide(write(tmp_path / "a.zarr", PIXELS[0], axes="yx", labels=("DAPI",)))
    np.testing.assert_array_equal(slide.arrays[0][...], PIXELS[:1])


@pytest.mark.parametrize(
    ("unit", "edge", "outer", "expected"),
    [
        ("nanometer", 500, None, 0.5),
        ("millimeter", 5e-4, None, 0.5),
        ("angstrom", 5000, None, 0.5),
        ("micrometer", 0.25, 2.0, 0.5),
    ],
)
def test_units_and_outer_scale(tmp_path, unit, edge, outer, expected) -> None:
    path = write(tmp_path / "a.zarr", unit=unit, um=(edge, edge), outer=outer)
    assert open_slide(path).pixel_size_um == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": None}, "without a unit of length; pass --pixel-size-um"),
        ({"unit": "parsec"}, "'parsec', an unknown unit; pass --pixel-size-um"),
        ({"um": (0.5, 0.6)}, "not square"),
        ({"um": (0, 0)}, "pixel of 0 µm"),
        ({"pixels": np.stack([PIXELS] * 2), "axes": "zcyx"}, "2 focal planes"),
        ({"pixels": np.stack([PIXELS] * 2), "axes": "tcyx"}, "2 time points"),
        ({"axes": "cxy"}, "the axes c x y"),
        ({"axes": "zcyx"}, "the axes z c y x"),
        ({"image-label": {}}, "--labels"),
        ({"labels": ("DAPI", "CD8", "CD8")}, "2 channels 'CD8'"),
        ({"pixels": PIXELS[:1].astype("i4"), "labels": None}, "a label image"),
    ],
    ids=str,
)
def test_what_is_no_slide_is_refused(tmp_path, options, message) -> None:
    path = write(tmp_path / "a.ome.zarr", **options)
    with pytest.raises(SlideError, match=message) as caught:
        open_slide(path)
    assert str(caught.value).startswith("a.ome.zarr")
    assert "secret" not in str(caught.value)


def test_names_are_made_up_where_there_are_none(tmp_path) -> None:
    slide = open_slide(write(tmp_path / "a.zarr", labels=("DAPI",)))
    assert slide.channels == ("DAPI", "channel 2", "channel 3")
    assert "channel 2, channel 3" in slide.warnings[0]


def test_several_images_in_one_folder_ask_for_a_scene(tmp_path) -> None:
    path = tmp_path / "a.zarr"
    write(path, inside="0")
    write(path, PIXELS[:, :50], inside="1")
    zarr.open_group(path, mode="a").attrs.update({"bioformats2raw.layout": 3})
    with pytest.raises(SlideError, match=r"2 scenes: 1 \(130 x 90 px.*--scene"):
        open_slide(path)
    slide = open_slide(path, scene="2")
    assert (slide.name, slide.shape) == ("a_scene2", (50, 130))


def test_a_missing_array_is_an_error(tmp_path) -> None:
    path = write(tmp_path / "a.zarr")
    (path / "1" / ".zarray").unlink()
    with pytest.raises(SlideError, match=r"a\.zarr is a damaged or incomplete OME-Zarr"):
        open_slide(path)


def test_a_bare_array_is_no_slide(tmp_path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(3, 9, 9), dtype="u2")
    with pytest.raises(SlideError, match=r"a\.zarr"):
        open_slide(tmp_path / "a.zarr")
