"""Where the tiles of a mosaic lie."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from immunescape.errors import PixelSizeError, SlideError
from immunescape.io.mosaic_tiles import Tile

__all__ = ["Places", "place"]

_OFF_PX = 0.25
"""A tile farther than this from whole pixels is worth a warning."""
_SEAM_PX = 2
"""Gaps between tiles up to this wide come from rounding, or from names in whole µm."""
_LONGEST_UM = 200_000.0
"""No slide is as long as this."""
_DISAGREE_UM = 2.0
_BY_TAGS = "position tags"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Places:
    """A layout of tiles, in an order that depends on their places alone.

    Parameters
    ----------
    order
        Position of each tile in the list that was given, by row and then by column.
    boxes
        ``(n, 4)`` integers in that order: ``y0, y1, x0, x1`` in pixels of the mosaic.
    lent
        ``(n, 2)`` pixels by which the last row and the last column of each tile are repeated.
    shape
        Height and width of the mosaic.
    how
        Where the positions were taken from.
    notes
        What a user should know.
    """

    order: tuple[int, ...]
    boxes: npt.NDArray[np.int64]
    lent: npt.NDArray[np.int64]
    shape: tuple[int, int]
    how: str
    notes: tuple[str, ...] = ()


def place(folder: Path, tiles: list[Tile], pixel_size_um: float | None) -> Places:
    """Lay out two tiles or more; see `immunescape.io.mosaic.read_mosaic`.

    Position tags count pixels of the size that the files state: another size given for the slide
    changes its scale and leaves every tile at its pixel. Names give µm of the stage, which the
    size given turns into pixels.

    Raises
    ------
    SlideError
        If a tile has no place, two lie at the same one, or they lie farther apart than a slide
        is long.
    """
    given = _edges(tiles, pixel_size_um)
    sizes = np.array([tile.size for tile in tiles], np.int64)
    corners, how, notes = _corners(folder, tiles, sizes * given)
    edges = given
    if how == _BY_TAGS and (own := _own_edges(tiles)) is not None:
        edges = own
    exact = (corners - corners.min(axis=0)) / edges
    whole = np.rint(exact).astype(np.int64)
    shape = (whole + sizes).max(axis=0)
    if (shape * edges > _LONGEST_UM).any():
        raise SlideError(
            f"the tiles in {folder.name} lie {(shape * edges).max() / 1000:.0f} mm apart, more "
            f"than a slide is long; check the positions ({how})"
        )
    off = float(np.abs(exact - whole).max())
    if off > _OFF_PX:
        notes.append(
            f"the {how} of {folder.name} lie up to {off:.2f} px from whole pixels and are "
            "rounded: seams may be off by that much"
        )
    order = np.lexsort((whole[:, 1], whole[:, 0]))
    whole, sizes = whole[order], sizes[order]
    for (k, here), (j, there) in pairwise(zip(order, whole, strict=True)):
        if (here == there).all():
            one, other = sorted((tiles[k].path.name, tiles[j].path.name))
            raise SlideError(
                f"{one} and {other} lie at the same place by their {how}; "
                "take one of them out of the folder"
            )
    boxes = np.column_stack(
        [whole[:, 0], whole[:, 0] + sizes[:, 0], whole[:, 1], whole[:, 1] + sizes[:, 1]]
    )
    lent = _lent(boxes)
    if lent.any():
        notes.append(
            f"seams of up to {int(lent.max())} px between the tiles in {folder.name} are closed "
            "with the pixels beside them"
        )
    return Places(
        order=tuple(int(k) for k in order),
        boxes=boxes,
        lent=lent,
        shape=(int(shape[0]), int(shape[1])),
        how=how,
        notes=tuple(notes),
    )


def _edges(tiles: list[Tile], pixel_size_um: float | None) -> Floats:
    """Return height and width of a pixel of the slide in µm."""
    if pixel_size_um is not None and np.isfinite(pixel_size_um) and pixel_size_um > 0:
        return np.full(2, float(pixel_size_um))
    own = _own_edges(tiles)
    if own is None:
        raise PixelSizeError(
            f"{tiles[0].path.name} {tiles[0].found.no_size or 'has no pixel size'}; "
            "pass --pixel-size-um"
        )
    return own


def _own_edges(tiles: list[Tile]) -> Floats | None:
    """Return height and width of a pixel in µm by the files; None if they do not say."""
    known = tiles[0].found.pixel_um
    if known is None or not all(np.isfinite(edge) and edge > 0 for edge in known):
        return None
    return np.array(known, np.float64)


def _corners(folder: Path, tiles: list[Tile], lengths_um: Floats) -> tuple[Floats, str, list[str]]:
    """Return ``(n, 2)`` y and x of the upper left corners in µm, whence, and what to tell."""
    tags = [tile.corner_um for tile in tiles]
    named = [tile.named for tile in tiles]
    by_tag = np.array([c[::-1] for c in tags if c is not None], np.float64).reshape(-1, 2)
    middles = np.array([n.middle_um[::-1] for n in named if n is not None], np.float64)
    by_name = middles.reshape(-1, 2)
    if len(by_name) == len(tiles):
        by_name = by_name - lengths_um / 2
    told_apart = len(np.unique(by_tag, axis=0)) > 1
    if len(by_tag) == len(tiles) and told_apart:
        notes = []
        if len(by_name) == len(tiles):
            away = by_tag - by_name
            worst = float(np.abs(away - np.median(away, axis=0)).max())
            if worst > _DISAGREE_UM:
                notes.append(
                    f"position tags and names of the tiles in {folder.name} disagree by up to "
                    f"{worst:.0f} µm; the tags are used"
                )
        return by_tag, _BY_TAGS, notes
    if len(by_name) == len(tiles):
        return by_name, "[x,y] in the names", []
    if len(by_tag) == len(tiles):
        raise SlideError(
            f"the position tags of {tiles[0].path.name} and of all tiles beside it are the same, "
            "and their names have no [x,y]; export them again with their positions"
        )
    without = [
        tile
        for tile, corner, name in zip(tiles, tags, named, strict=True)
        if (corner is None if len(by_tag) >= len(by_name) and told_apart else name is None)
    ]
    raise SlideError(
        f"{without[0].path.name} has no position, neither TIFF tags nor [x,y] in its name; "
        f"export it again, or take it out of {folder.name}"
    )


def _lent(boxes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how far each tile is repeated downwards and to the right to reach a neighbour."""
    import shapely

    y0, y1, x0, x1 = boxes.T
    tree = shapely.STRtree(shapely.box(x0 + 0.25, y0 + 0.25, x1 - 0.25, y1 - 0.25))
    lent = np.zeros((len(boxes), 2), np.int64)
    beyond = (
        (0, shapely.box(x0 + 0.25, y1 + 0.25, x1 - 0.25, y1 + _SEAM_PX + 0.5), y1, y0),
        (1, shapely.box(x1 + 0.25, y0 + 0.25, x1 + _SEAM_PX + 0.5, y1 - 0.25), x1, x0),
    )
    for axis, strips, end, start in beyond:
        tile, neighbour = tree.query(strips, predicate="intersects")
        gap = start[neighbour] - end[tile]
        narrow = gap > 0
        np.maximum.at(lent[:, axis], tile[narrow], gap[narrow])
    # where a tile covers the seam already there is none
    adjoining = (
        (0, shapely.box(x0 + 0.25, y1 + 0.25, x1 - 0.25, y1 + 0.75)),
        (1, shapely.box(x1 + 0.25, y0 + 0.25, x1 + 0.75, y1 - 0.25)),
    )
    covers = shapely.union_all(shapely.box(x0, y0, x1, y1))
    shapely.prepare(covers)
    for axis, strips in adjoining:
        lent[shapely.covers(covers, strips), axis] = 0
    return lent
