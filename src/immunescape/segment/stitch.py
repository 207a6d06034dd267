"""Joining the nuclei of overlapping tiles, so that each is whole and counted once."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks

__all__ = ["Found", "candidates", "reading_order", "stitch"]

_SAME_NUCLEUS = 0.5


@dataclass(frozen=True, eq=False)
class Found:
    """One nucleus as one tile saw it.

    Parameters
    ----------
    y, x
        Its pixels in the whole plane, in row order.
    own
        Whether the middle of it lies in that tile.
    """

    y: npt.NDArray[np.int64]
    x: npt.NDArray[np.int64]
    own: bool


def candidates(
    labels: npt.NDArray[Any], tile: Block, outer: Block, shape: tuple[int, int]
) -> list[Found]:
    """Return the whole nuclei that concern a tile.

    Parameters
    ----------
    labels
        ``(y, x)`` integers of ``outer``, 0 is background.
    tile, outer
        The tile, and the tile with its halo clipped to the plane.
    shape
        Height and width of the plane.

    Returns
    -------
    list of Found
        Nuclei that have a pixel in the tile, or their middle; those that touch the rim of
        ``outer`` are left out, unless the rim is the frame of the plane. In order of their labels.
    """
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    if not pixels.size:
        return []
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    start = np.flatnonzero(np.r_[True, np.diff(flat[pixels]) != 0])
    y, x = np.divmod(pixels, labels.shape[1])
    y, x = y + outer.y0, x + outer.x0
    count = np.diff(np.r_[start, len(pixels)])
    cut = np.zeros(len(pixels), dtype=bool)
    for at, edge, frame in (
        (y, outer.y0, 0),
        (y, outer.y1 - 1, shape[0] - 1),
        (x, outer.x0, 0),
        (x, outer.x1 - 1, shape[1] - 1),
    ):
        if edge != frame:
            cut |= at == edge
    here = (y >= tile.y0) & (y < tile.y1) & (x >= tile.x0) & (x < tile.x1)
    whole = ~np.logical_or.reduceat(cut, start)
    seen = np.logical_or.reduceat(here, start)
    cy = np.add.reduceat(y, start) / count
    cx = np.add.reduceat(x, start) / count
    own = (cy >= tile.y0 - 0.5) & (cy < tile.y1 - 0.5)
    own &= (cx >= tile.x0 - 0.5) & (cx < tile.x1 - 0.5)
    stop = start + count
    return [
        Found(y[start[k] : stop[k]], x[start[k] : stop[k]], bool(own[k]))
        for k in np.flatnonzero(whole & (seen | own))
    ]


def stitch(
    find: Callable[[Block], npt.NDArray[Any]],
    out: Any,
    tile_px: int,
    halo_px: int,
    done: Callable[[int], None] = lambda count: None,
) -> npt.NDArray[np.int64]:
    """Fill a plane with labels from tile after tile.

    A nucleus is claimed by the tile that holds its middle. Two versions that share more than half
    of the smaller one are the same nucleus, and the first is kept. A nucleus that no tile claimed,
    because each saw its middle in another, is taken at the end.

    Parameters
    ----------
    find
        Returns the labels ``(y, x)`` of a block; asked for each tile with its halo.
    out
        Writable ``(y, x)`` int32, all 0 on entry; labels 1..n in the order of claims on return.
    tile_px
        Edge of a tile.
    halo_px
        What is seen around a tile; larger than the largest nucleus.
    done
        Told how many tiles are done.

    Returns
    -------
    numpy.ndarray
        ``(n, 2)`` int64: y and x of the middle of each nucleus, rounded down.
    """
    shape = (int(out.shape[0]), int(out.shape[1]))
    claims = _Claims()
    above: list[Found] = []
    spare: list[Found] = []
    row = 0
    for number, tile in enumerate(iter_blocks(shape, tile_px), start=1):
        if tile.y0 != row:
            # Every neighbour of the row above has had its say.
            claims.late(above, out)
            above, spare, row = spare, [], tile.y0
        outer = tile.grown(halo_px, shape)
        nuclei = candidates(find(outer), tile, outer, shape)
        if any(nucleus.own for nucleus in nuclei):
            window = np.array(out[outer.slices])
            for nucleus in nuclei:
                if nucleus.own:
                    claims.add(nucleus, window, outer)
            out[outer.slices] = window
        spare += [nucleus for nucleus in nuclei if not nucleus.own]
        done(number)
    claims.late(above, out)
    claims.late(spare, out)
    return np.array(claims.middles, dtype=np.int64).reshape(-1, 2)


def reading_order(middles: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return new labels, indexed by old ones, that count nuclei row by row of their middles."""
    order = np.lexsort((middles[:, 1], middles[:, 0]))
    fresh = np.zeros(len(middles) + 1, dtype=np.int32)
    fresh[order + 1] = np.arange(1, len(middles) + 1, dtype=np.int32)
    return fresh


class _Claims:
    """Nuclei written so far: middle and number of pixels of each."""

    def __init__(self) -> None:
        self.middles: list[tuple[int, int]] = []
        self.sizes: list[int] = [0]

    def add(self, nucleus: Found, window: npt.NDArray[Any], outer: Block) -> bool:
        """Write a nucleus where nobody is; False if it is there already."""
        y, x = nucleus.y - outer.y0, nucleus.x - outer.x0
        there = window[y, x]
        free = there == 0
        if not free.all():
            others, shared = np.unique(there[~free], return_counts=True)
            for other, common in zip(others.tolist(), shared.tolist(), strict=True):
                if common > _SAME_NUCLEUS * min(len(y), self.sizes[other]):
                    return False
        self.middles.append((int(nucleus.y.sum() // len(y)), int(nucleus.x.sum() // len(x))))
        self.sizes.append(int(free.sum()))
        window[y[free], x[free]] = len(self.middles)
        return True

    def late(self, nuclei: list[Found], out: Any) -> None:
        """Take the nuclei that no tile claimed."""
        for nucleus in nuclei:
            block = _box(nucleus)
            window = np.array(out[block.slices])
            if self.add(nucleus, window, block):
                out[block.slices] = window


def _box(nucleus: Found) -> Block:
    return Block(
        int(nucleus.y.min()),
        int(nucleus.y.max()) + 1,
        int(nucleus.x.min()),
        int(nucleus.x.max()) + 1,
    )
