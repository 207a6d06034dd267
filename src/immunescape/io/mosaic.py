"""A folder of tiles as one virtual slide: inForm's component data of a whole slide, say."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from immunescape.errors import SlideError
from immunescape.io.found import Found, clean_name
from immunescape.io.mosaic_places import place
from immunescape.io.mosaic_planes import MosaicPlanes
from immunescape.io.mosaic_tiles import Tile, of_one_slide, read_tiles, tile_paths
from immunescape.io.tiff_planes import TiffPlanes

__all__ = ["read_mosaic"]

_SAME_SIZE = 1e-3
_MOSTLY = 0.5


def read_mosaic(
    path: Path,
    scene: str | int | None,
    names: tuple[str, ...] | None,
    pixel_size_um: float | None,
) -> Found:
    """Read the headers of the tiles in a folder and lay them out; no pixel is read.

    Parameters
    ----------
    path
        The folder. Its tiles are its files ``..._component_data.tif``, or if it has none all its
        TIFF files but inForm's maps and pictures.
    scene
        Name (what stands before ``[x,y]``) or number of the slide wanted, if there are several.
    names
        Names for the channels, in the order that most tiles have.
    pixel_size_um
        Edge of a pixel where the tiles do not say; preferred to what they say.

    Returns
    -------
    Found
        One level; a single tile is what its file is. Tiles lie where their TIFF position tags
        say, each the upper left corner in the unit of the resolution, or if these do not tell
        them apart where ``[x,y]`` in their names does, the middle in µm; rounded to whole pixels,
        from the leftmost and uppermost tile. Channels are matched by name. A seam of a pixel or
        two that rounding leaves between two tiles is closed with the last pixels of the tile
        before it; wider gaps are not imaged.

    Raises
    ------
    SlideError
        One line that names the tile, what is wrong and what to do: no tile at all, several slides
        and none chosen, a tile that cannot be read, has no place, lies where another does, or
        differs in stains, pixel size or type.
    """
    files = _files(path)
    chosen, slide = of_one_slide(path, files, scene)
    tiles = read_tiles(chosen, names)
    if len(tiles) == 1:
        return replace(tiles[0].found, name=slide)
    _check_alike(tiles)
    orders, channels, notes = _orders(tiles)
    places = place(path, tiles, pixel_size_um)
    height, width = places.shape
    planes = MosaicPlanes(
        tuple(_first_level(tiles[k]) for k in places.order),
        tuple(orders[k] for k in places.order),
        places.boxes,
        places.shape,
        places.lent,
    )
    notes += places.notes
    whole = height * width
    gaps = 1 - planes.imaged.area_px / whole
    if gaps:
        notes.append(
            f"{_percent(gaps)} of the frame of {path.name} was not imaged: it counts neither as "
            "tissue nor as margin"
        )
    overlap = _overlap(planes)
    if overlap > _MOSTLY:
        notes.append(
            f"the tiles in {path.name} hold {_percent(overlap)} of its pixels more than once; "
            "check their positions"
        )
    first = tiles[0].found
    exposures, differing = _exposures(path.name, tiles, orders, channels)
    notes += differing
    return Found(
        arrays=(planes,),
        channels=channels,
        pixel_um=first.pixel_um,
        format=f"mosaic of {first.format}",
        no_size=first.no_size,
        names_needed=first.names_needed,
        notes=tuple(notes),
        name=slide,
        imaged=planes.imaged if gaps else None,
        exposure_ms=exposures,
        facts=(
            f"tiles       {_number(tiles)}, placed by {places.how}",
            f"overlap     {_percent(overlap)} of the imaged pixels, each taken from the tile whose "
            "middle is nearest",
            f"gaps        {_percent(gaps)} of the frame, not imaged",
        ),
    )


def _files(folder: Path) -> list[Path]:
    try:
        files = tile_paths(folder)
    except PermissionError:
        raise SlideError(f"{folder.name} may not be read; check its permissions") from None
    if not files:
        raise SlideError(
            f"{folder.name} is a folder without OME-Zarr or TIFF tiles inside; "
            "name the slide file, or the folder of its component_data.tif tiles"
        )
    return files


def _first_level(tile: Tile) -> TiffPlanes:
    array = tile.found.arrays[0]
    if not isinstance(array, TiffPlanes):
        raise SlideError(f"{tile.path.name} is no tile; take it out of the folder")
    return array


def _check_alike(tiles: list[Tile]) -> None:
    """Refuse tiles that differ from most in format, type or pixel size."""
    formats = Counter(tile.found.format for tile in tiles)
    types = Counter(_type(tile) for tile in tiles)
    sizes = Counter(_size_text(tile) for tile in tiles)
    usual_format, usual_type, usual_size = (c.most_common(1)[0][0] for c in (formats, types, sizes))
    reference = next(tile for tile in tiles if _size_text(tile) == usual_size).found.pixel_um
    for tile in tiles:
        name = tile.path.name
        if tile.found.format != usual_format:
            raise SlideError(
                f"{name} is {tile.found.format} but most tiles beside it are {usual_format}; "
                "take it out of the folder"
            )
        if _type(tile) != usual_type:
            raise SlideError(
                f"{name} stores pixels as {_type(tile)} but most tiles beside it as {usual_type}; "
                "export all tiles in the same way"
            )
        if not _same_size(tile.found.pixel_um, reference):
            raise SlideError(
                f"{name} has {_size_text(tile)} but most tiles beside it have {usual_size}; "
                "put tiles of one magnification into a folder"
            )


def _type(tile: Tile) -> str:
    return str(np.dtype(tile.found.arrays[0].dtype))


def _size_text(tile: Tile) -> str:
    size = tile.found.pixel_um
    return "no pixel size" if size is None else f"a pixel of {size[1]:.4g} x {size[0]:.4g} µm"


def _same_size(one: tuple[float, float] | None, other: tuple[float, float] | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.allclose(one, other, rtol=_SAME_SIZE, atol=0))


def _orders(
    tiles: list[Tile],
) -> tuple[list[tuple[int, ...]], tuple[str | None, ...], list[str]]:
    """Return where each tile has the channels of the mosaic, their names, and what to tell."""
    names = [tuple(clean_name(name) for name in tile.found.channels) for tile in tiles]
    counts = Counter(names)
    most = max(counts.values())
    usual = next(each for each in names if counts[each] == most)
    orders, turned = [], 0
    for tile, each in zip(tiles, names, strict=True):
        if each == usual:
            orders.append(tuple(range(len(usual))))
            continue
        alike = sorted(map(str, each)) == sorted(map(str, usual)) and len(set(each)) == len(each)
        if not alike or None in each:
            raise SlideError(
                f"{tile.path.name} holds the channels {_listed(each)} but most tiles beside it "
                f"{_listed(usual)}; export all tiles with the same stains"
            )
        orders.append(tuple(each.index(name) for name in usual))
        turned += 1
    notes = []
    if turned:
        notes.append(
            f"{turned} of {len(tiles)} tiles hold their channels in another order; they are "
            "matched by name"
        )
    return orders, usual, notes


def _exposures(
    folder: str,
    tiles: list[Tile],
    orders: list[tuple[int, ...]],
    channels: tuple[str | None, ...],
) -> tuple[tuple[float | None, ...], list[str]]:
    """Return for how long each channel was exposed in all tiles alike, and where they differ."""
    alike: list[float | None] = []
    notes = []
    for number, name in enumerate(channels):
        said = {
            tile.found.exposure_ms[order[number]] if tile.found.exposure_ms else None
            for tile, order in zip(tiles, orders, strict=True)
        }
        known = sorted(time for time in said if time is not None)
        alike.append(known[0] if len(said) == 1 and known else None)
        if len(known) > 1:
            notes.append(
                f"the tiles in {folder} were exposed for {known[0]:g} to {known[-1]:g} ms in "
                f"{name}: a cell is not as bright in one as in another"
            )
    return tuple(alike), notes


def _listed(names: tuple[str | None, ...]) -> str:
    return ", ".join(name or f"(unnamed {k})" for k, name in enumerate(names, 1))


def _overlap(planes: MosaicPlanes) -> float:
    """Return the share of the imaged pixels that several tiles hold."""
    import shapely

    y0, y1, x0, x1 = planes.boxes.T
    shapes = shapely.box(x0, y0, x1, y1)
    tree = shapely.STRtree(shapes)
    one, other = tree.query(shapes, predicate="intersects")
    pairs = one < other
    shared = shapely.intersection(shapes[one[pairs]], shapes[other[pairs]])
    return float(shapely.union_all(shared).area) / planes.imaged.area_px


def _number(tiles: list[Tile]) -> str:
    sizes = sorted({tile.size for tile in tiles})
    size = f"{sizes[0][1]} x {sizes[0][0]} px"
    if len(sizes) > 1:
        size = f"from {size} to {sizes[-1][1]} x {sizes[-1][0]} px"
    return f"{len(tiles)}, {size}"


def _percent(share: float) -> str:
    """Return a share in percent; what is not nothing is not told as 0.

    >>> _percent(0.0), _percent(0.00001), _percent(0.1234)
    ('0 %', 'under 0.1 %', '12.3 %')
    """
    if 0 < share < 0.001:
        return "under 0.1 %"
    return f"{100 * share:.3g} %"
