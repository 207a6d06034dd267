"""The tiles of a mosaic: which files of a folder they are, and what their headers say."""

import re
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from immunescape.errors import SceneError, SlideError
from immunescape.io.found import Found
from immunescape.threads import allotted_threads

if TYPE_CHECKING:
    from tifffile import TiffPage

__all__ = ["NameParts", "Tile", "name_parts", "of_one_slide", "read_tiles", "tile_paths"]

_TIFF = re.compile(r"\.(?:tiff?|btf|tf[28]|qptiff)$", re.IGNORECASE)
_COMPONENT = re.compile(r"component_data\.tiff?$", re.IGNORECASE)
_OTHER_EXPORTS = re.compile(
    r"_(?:binary_seg_maps|tissue_seg_map|tissue_seg_maps|composite_image|path_view"
    r"|phenotype_map|score_map|image_with_all_seg|image_with_cell_seg_map)\.tiff?$",
    re.IGNORECASE,
)
"""Pictures and maps that inForm writes beside the stains of a tile."""
_PLACE = re.compile(r"^(.*?)[\s_-]*\[\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)\s*\]")
_X_POSITION, _Y_POSITION = 286, 287
_READERS = 8


@dataclass(frozen=True)
class NameParts:
    """What the name of a tile says: of which slide it is, and x and y of its middle in µm."""

    slide: str
    middle_um: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Tile:
    """One file of a mosaic.

    Parameters
    ----------
    path
        The file.
    found
        What its reader found.
    named
        What its name says; None without ``[x,y]``.
    corner_um
        x and y of its upper left corner by its position tags; None without them.
    """

    path: Path
    found: Found
    named: NameParts | None
    corner_um: tuple[float, float] | None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        _, height, width = self.found.arrays[0].shape
        return int(height), int(width)


def name_parts(name: str) -> NameParts | None:
    """Read what the name of a file says of a tile.

    >>> name_parts("P07_[16142,55840]_component_data.tif")
    NameParts(slide='P07', middle_um=(16142.0, 55840.0))
    >>> name_parts("P07_component_data.tif") is None
    True
    """
    if (match := _PLACE.match(name)) is None:
        return None
    return NameParts(match[1], (float(match[2]), float(match[3])))


def tile_paths(folder: Path) -> list[Path]:
    """Return the files of a folder that may be tiles, by name; none is opened.

    Where there is component data it alone counts; otherwise every TIFF but the maps and pictures
    that inForm writes beside it. Hidden files do not count, nor does what lies in folders within.
    """
    files = sorted(
        (p for p in folder.iterdir() if _TIFF.search(p.name) and not p.name.startswith(".")),
        key=lambda p: p.name,
    )
    files = [p for p in files if p.is_file() and not _OTHER_EXPORTS.search(p.name)]
    return [p for p in files if _COMPONENT.search(p.name)] or files


def of_one_slide(
    folder: Path, files: Sequence[Path], wanted: str | int | None
) -> tuple[list[Path], str]:
    """Return the tiles of the slide that a user asked for, or of the only one.

    Parameters
    ----------
    folder
        Where they lie.
    files
        All tiles, by name.
    wanted
        Name of a slide, which is what the tiles' names say before ``[x,y]``, or its number from
        1; None if nobody asked.

    Returns
    -------
    tuple
        The tiles, and the slide's name if there are several slides; else an empty text.

    Raises
    ------
    SlideError
        If there are several slides and none was asked for, or none of that name, or if only some
        names have an ``[x,y]``.
    """
    named = {path: name_parts(path.name) for path in files}
    without = [path for path, parts in named.items() if parts is None]
    if without and len(without) < len(files):
        raise SlideError(
            f"{without[0].name} has no [x,y] in its name, unlike other tiles in {folder.name}; "
            "name it as they are named, or take it out of the folder"
        )
    counts = Counter("" if parts is None else parts.slide for parts in named.values())
    slides = sorted(counts)
    each = tuple(
        f"{i} {name} ({counts[name]} tile{'s' * (counts[name] > 1)})"
        for i, name in enumerate(slides, 1)
    )
    listed = ", ".join(each)
    if wanted is None:
        if len(slides) == 1:
            return list(files), ""
        raise SceneError(
            f"{folder.name} holds tiles of {len(slides)} slides: {listed}; "
            "pass --scene with one of them, or give each slide a folder",
            each,
        )
    text = str(wanted).strip()
    if text not in slides:
        if not (text.isdecimal() and 1 <= int(text) <= len(slides)):
            known = listed if slides != [""] else "its only slide, 1"
            raise SlideError(
                f"{folder.name} has no tiles of {text!r}; pass --scene with one of {known}"
            )
        text = slides[int(text) - 1]
    chosen = [
        path for path, parts in named.items() if ("" if parts is None else parts.slide) == text
    ]
    return chosen, text if len(slides) > 1 else ""


def read_tiles(files: Sequence[Path], names: tuple[str, ...] | None) -> list[Tile]:
    """Read the header of each tile once, in the order given.

    Raises
    ------
    SlideError
        Naming the first file that is no slide, is damaged or is cut short.
    """
    with ThreadPoolExecutor(min(allotted_threads(), _READERS)) as pool:
        return list(pool.map(lambda path: _read(path, names), files))


def _read(path: Path, names: tuple[str, ...] | None) -> Tile:
    from immunescape.io.any_tiff import read_any_tiff
    from immunescape.io.tiff_pages import opened

    with opened(path) as tif:
        try:
            found = read_any_tiff(tif, path, None, names)
        except SceneError as error:
            raise SlideError(
                f"{path.name} holds {len(error.scenes)} images and a tile is one; "
                "take it out of the folder"
            ) from error
        corner = _corner(tif.pages.first)
    return Tile(path, found, name_parts(path.name), corner)


def _corner(page: "TiffPage") -> tuple[float, float] | None:
    """Return x and y in µm of a page's upper left corner by its tags."""
    from immunescape.io.tiff_pages import unit_um

    unit = unit_um(page)
    values = [page.tags.valueof(code) for code in (_X_POSITION, _Y_POSITION)]
    if unit is None or any(value is None for value in values):
        return None
    try:
        x, y = (unit * v[0] / v[1] for v in values)
    except (ZeroDivisionError, TypeError, IndexError):
        return None
    return x, y
