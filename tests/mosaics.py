"""Slides cut into tiles as inForm writes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

# inForm says float pages, LZW in strips of 16 rows, an XML a page, places and edges in cm
_XML = (
    '<?xml version="1.0" encoding="utf-16"?>\n<PerkinElmer-QPI-ImageDescription>'
    "<DescriptionVersion>2</DescriptionVersion><ImageType>{kind}</ImageType>"
    "<IsUnmixedComponent>True</IsUnmixedComponent><Name>{name}</Name>"
    "</PerkinElmer-QPI-ImageDescription>"
)
_X, _Y, _RATIONAL = 286, 287, 5
_PER_CM = 10**6
"""Places are given to a hundredth of a µm."""


@dataclass(frozen=True)
class Cut:
    """One tile: its upper left pixel and its size, y before x."""

    y: int
    x: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


def cuts(shape: tuple[int, int], tile: tuple[int, int], overlap: int = 0) -> Iterator[Cut]:
    """Cut a plane into tiles that share so many pixels; the last ones may be smaller."""
    rows, columns = (
        range(0, max(n - overlap, 1), t - overlap) for n, t in zip(shape, tile, strict=True)
    )
    for y in rows:
        for x in columns:
            yield Cut(y, x, min(tile[0], shape[0] - y), min(tile[1], shape[1] - x))


def write_tile(
    path: Path,
    pixels: np.ndarray,
    names: Sequence[str],
    um: float = 0.5,
    corner_um: tuple[float, float] | None = None,
    dtype: str = "float32",
) -> Path:
    """Write component data; ``corner_um`` is x and y of its upper left corner."""
    edge_cm = um * 1e-4
    extra = []
    for code, value in zip((_X, _Y), corner_um or (), strict=False):
        extra.append((code, _RATIONAL, 1, (round(value * 1e-4 * _PER_CM), _PER_CM), True))
    options = {
        "photometric": "minisblack",
        "compression": "lzw",
        "rowsperstrip": 16,
        "resolution": (1 / edge_cm, 1 / edge_cm),
        "resolutionunit": "CENTIMETER",
        "software": "PerkinElmer-QPI",
        "metadata": None,
        "extratags": extra,
    }
    with tifffile.TiffWriter(path) as tif:
        for plane, name in zip(pixels, names, strict=True):
            text = _XML.format(kind="FullResolution", name=name)
            tif.write(plane.astype(dtype), description=text, **options)
        small = np.zeros((*(max(n // 4, 1) for n in pixels.shape[1:]), 3), np.uint8)
        text = _XML.format(kind="Thumbnail", name="")
        tif.write(small, description=text, **(options | {"photometric": "rgb"}))
    return path


def tile_name(slide: str, cut: Cut, um: float, origin: tuple[float, float] = (0, 0)) -> str:
    """Name a tile by x and y of its middle in µm."""
    x = origin[0] + (cut.x + cut.width / 2) * um
    y = origin[1] + (cut.y + cut.height / 2) * um
    return f"{slide}_[{x:.0f},{y:.0f}]_component_data.tif"


def write_mosaic(
    folder: Path,
    pixels: np.ndarray,
    names: Sequence[str],
    *,
    tile: tuple[int, int],
    overlap: int = 0,
    um: float = 0.5,
    by: str = "tags",
    origin: tuple[float, float] = (15_000.0, 50_000.0),
    without: Sequence[int] = (),
    slide: str = "P07",
) -> list[Path]:
    """Cut a slide into a folder of tiles; ``by`` is tags, names or both."""
    folder.mkdir(exist_ok=True)
    paths = []
    for k, cut in enumerate(cuts(pixels.shape[1:], tile, overlap)):
        if k in without:
            continue
        corner = (origin[0] + cut.x * um, origin[1] + cut.y * um)
        # the order of the names is not that of the places
        name = f"{slide}_{(k * 7) % 97:02d}_component_data.tif"
        if by != "tags":
            name = tile_name(slide, cut, um, origin)
        part = pixels[:, *cut.slices]
        place = None if by == "names" else corner
        paths.append(write_tile(folder / name, part, names, um, place))
    return paths
