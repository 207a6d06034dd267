"""Pictures of tiles: the nuclear stain in grey, with the outlines of what was found in it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block
from immunescape.quality._tiles import ISSUES_OF_TILES

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.quality.segmentation import SegmentationQuality

__all__ = ["MISSED", "OUTLINE", "UNUSUAL", "Thumbnail", "chosen_tiles", "thumbnail"]

OUTLINE, UNUSUAL, MISSED = (240, 228, 66), (230, 97, 0), (86, 180, 233)
"""Colours of outlines, told apart by every eye: nuclei, odd nuclei, stain without nucleus."""

_MARGIN = 0.1
_MOST_PX = 480

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture of one tile with a little of what lies around it, within the slide.

    Parameters
    ----------
    tile
        Number of the tile.
    pixels
        ``(y, x, 3)`` uint8.
    x_um, y_um
        Corner of the picture on the slide.
    pixel_um
        Edge of one of its pixels.
    """

    tile: int
    pixels: Picture
    x_um: float
    y_um: float
    pixel_um: float


def chosen_tiles(
    tiles: "pd.DataFrame", most: int, others: int, seed: int
) -> tuple[list[int], list[int]]:
    """Choose the tiles to show: the flagged ones that are worst, and some of the rest.

    Parameters
    ----------
    tiles
        Columns ``SEGMENTATION_COLUMNS``.
    most, others
        How many flagged ones, and how many of the rest, at most.
    seed
        Seed of the choice of the rest.

    Returns
    -------
    tuple
        Numbers of the flagged tiles, the worst of each kind of issue first, then those left by
        severity; and numbers of the rest, ascending.
    """
    flagged = tiles[tiles["flagged"].astype(bool)].sort_values(
        ["severity", "tile"], ascending=[False, True]
    )
    first = [
        int(of_kind["tile"].iloc[0])
        for issue in ISSUES_OF_TILES
        if len(of_kind := flagged[[issue in text.split() for text in flagged["issues"]]])
    ]
    order = list(dict.fromkeys([*first, *(int(t) for t in flagged["tile"])]))
    rest = tiles[tiles["judged"].astype(bool) & ~tiles["flagged"].astype(bool)]
    picked = np.random.default_rng(seed).permutation(len(rest))[:others]
    return order[:most], sorted(int(t) for t in rest["tile"].to_numpy()[picked])


def thumbnail(quality: "SegmentationQuality", tile: int) -> Thumbnail:
    """Draw one tile at the full resolution of the slide, less where it would be large.

    Where it would be small pixels are repeated, so that outlines stay thin.

    Parameters
    ----------
    quality
        What was judged; pixels of the tile are read again.
    tile
        Its number.

    Returns
    -------
    Thumbnail
        Grey is the nuclear stain between the levels of the slide, black without a nuclear stain.
        Every label is outlined on its outermost pixels, in another colour where it is small,
        large or unstained; so is stain without a nucleus.
    """
    surface = quality.surface
    row = quality.tiles[quality.tiles["tile"] == tile].iloc[0]
    block = _around(row, surface.shape, surface.pixel_um, surface.bin_px)
    maps = surface.maps(block)
    labels: npt.NDArray[Any] = np.asarray(surface.nuclei[block.slices])
    grey = np.zeros(labels.shape, np.float32)
    if surface.stain is not None:
        grey = np.clip(surface.stain.scaled(surface.stain.read(block)), 0, 1)
    edge = max(-(-max(block.shape) // _MOST_PX), 1)
    zoom = max(_MOST_PX // max(block.shape), 1) if edge == 1 else 1
    grey = _enlarged(_shrunk(grey, edge), zoom)
    middles = [
        (np.arange(max(n // edge, 1)) * edge + min(edge, n) // 2).repeat(zoom) for n in block.shape
    ]
    labels = labels[np.ix_(*middles)]
    missed = maps.kinds[4]
    bins = [m // surface.bin_px for m in middles]
    pixels = np.repeat((255 * grey**0.7).round().astype(np.uint8)[..., None], 3, axis=2)
    odd = np.isin(labels, quality.odd) & (labels != 0)
    border = _border(labels)
    pixels[_border(missed[np.ix_(*bins)].astype(np.int32))] = MISSED
    pixels[border] = OUTLINE
    pixels[border & odd] = UNUSUAL
    return Thumbnail(
        tile=tile,
        pixels=pixels,
        x_um=block.x0 * surface.pixel_um,
        y_um=block.y0 * surface.pixel_um,
        pixel_um=edge / zoom * surface.pixel_um,
    )


def _around(row: "pd.Series[Any]", shape: tuple[int, int], pixel_um: float, bin_px: int) -> Block:
    ends = []
    for axis, side, length in (("y_um", "height_um", shape[0]), ("x_um", "width_um", shape[1])):
        size = min(round(row[side] * (1 + 2 * _MARGIN) / pixel_um), length)
        first = round((row[axis] - _MARGIN * row[side]) / pixel_um)
        first = max(min(first, length - size), 0) // bin_px * bin_px
        ends += [first, first + size]
    return Block(*ends)


def _shrunk(image: npt.NDArray[np.float32], edge: int) -> npt.NDArray[np.float32]:
    if edge == 1:
        return image
    rows, columns = (max(n // edge, 1) for n in image.shape)
    cut = image[: rows * edge, : columns * edge].reshape(rows, edge, columns, edge)
    return np.asarray(cut.mean(axis=(1, 3)), np.float32)


def _enlarged(image: npt.NDArray[np.float32], zoom: int) -> npt.NDArray[np.float32]:
    return image.repeat(zoom, axis=0).repeat(zoom, axis=1)


def _border(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return the pixels of labels that have another label or none beside them."""
    border = np.zeros(labels.shape, bool)
    down = labels[1:] != labels[:-1]
    across = labels[:, 1:] != labels[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= across
    border[:, :-1] |= across
    return np.asarray(border & (labels != 0), bool)
