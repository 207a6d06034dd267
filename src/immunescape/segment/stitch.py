"""Joining the nuclei of overlapping tiles, so that each is whole and counted once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, in_threads, iter_blocks

__all__ = ["Found", "Seen", "Stitched", "candidates", "reading_order", "see", "stitch"]

_SAME_NUCLEUS = 0.5
_AGREE = 0.75
_OVERLAP = 0.1


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


@dataclass(frozen=True, eq=False)
class Seen:
    """The whole nuclei that concern a tile, as that tile saw them.

    Parameters
    ----------
    outer
        The tile with its halo.
    y, x
        Pixels of all nuclei from its upper left corner, in row order of each.
    start
        ``(n + 1,)`` where each nucleus begins in them.
    own
        ``(n,)`` whether the middle of each lies in the tile.
    """

    outer: Block
    y: npt.NDArray[np.uint16]
    x: npt.NDArray[np.uint16]
    start: npt.NDArray[np.int64]
    own: npt.NDArray[np.bool_]

    def only(self, which: npt.NDArray[np.bool_]) -> "Seen":
        """Return some of the nuclei."""
        sizes = np.diff(self.start)
        pixels = np.repeat(which, sizes)
        start = np.concatenate([[0], np.cumsum(sizes[which])])
        return Seen(self.outer, self.y[pixels], self.x[pixels], start, self.own[which])


@dataclass(frozen=True, eq=False)
class Stitched:
    """What stitching made.

    Parameters
    ----------
    middles
        ``(n, 2)`` int64: y and x of the middle of each nucleus, rounded down.
    crossing
        How often a nucleus was seen whole by a second tile, across the border between them.
    suspects
        How many of these the tiles do not agree on: versions of one nucleus that share less than
        three quarters of both together, or a nucleus that one of them did not see.
    """

    middles: npt.NDArray[np.int64]
    crossing: int = 0
    suspects: int = 0


def see(labels: npt.NDArray[Any], tile: Block, outer: Block, shape: tuple[int, int]) -> Seen:
    """Return the whole nuclei that concern a tile.

    Parameters
    ----------
    labels
        ``(y, x)`` integers of ``outer``, 0 is background; at most 65,536 pixels a side.
    tile, outer
        The tile, and the tile with its halo clipped to the plane.
    shape
        Height and width of the plane.

    Returns
    -------
    Seen
        Nuclei that have a pixel in the tile, or their middle; those that touch the rim of
        ``outer`` are left out, unless the rim is the frame of the plane. In order of their labels.
    """
    flat = labels.ravel()
    pixels = np.flatnonzero(flat)
    pixels = pixels[np.argsort(flat[pixels], kind="stable")]
    start = np.flatnonzero(np.diff(flat[pixels], prepend=0))
    y, x = np.divmod(pixels, labels.shape[1])
    start = np.append(start, len(pixels))
    none = np.zeros(0, np.uint16)
    if not len(pixels):
        return Seen(outer, none, none, start, np.zeros(0, bool))
    cut = np.zeros(len(pixels), dtype=bool)
    for at, edge, low, frame in (
        (y, outer.y0, outer.y0, 0),
        (y, outer.y1 - 1, outer.y0, shape[0] - 1),
        (x, outer.x0, outer.x0, 0),
        (x, outer.x1 - 1, outer.x0, shape[1] - 1),
    ):
        if edge != frame:
            cut |= at == edge - low
    rows, columns = tile.inside(outer)
    here = (y >= rows.start) & (y < rows.stop) & (x >= columns.start) & (x < columns.stop)
    whole = ~np.logical_or.reduceat(cut, start[:-1])
    seen = np.logical_or.reduceat(here, start[:-1])
    count = np.diff(start)
    cy = np.add.reduceat(y, start[:-1]) / count
    cx = np.add.reduceat(x, start[:-1]) / count
    own = (cy >= rows.start - 0.5) & (cy < rows.stop - 0.5)
    own &= (cx >= columns.start - 0.5) & (cx < columns.stop - 0.5)
    everything = Seen(outer, y.astype(np.uint16), x.astype(np.uint16), start, own)
    return everything.only(whole & (seen | own))


def candidates(
    labels: npt.NDArray[Any], tile: Block, outer: Block, shape: tuple[int, int]
) -> list[Found]:
    """Return the whole nuclei that concern a tile one by one; see `see`."""
    seen = see(labels, tile, outer, shape)
    y, x = seen.y.astype(np.int64) + outer.y0, seen.x.astype(np.int64) + outer.x0
    return [
        Found(y[a:b], x[a:b], bool(own))
        for a, b, own in zip(seen.start[:-1], seen.start[1:], seen.own, strict=True)
    ]


def stitch(
    find: Callable[[Block], npt.NDArray[Any]],
    out: Any,
    tile_px: int,
    halo_px: int,
    done: Callable[[int], None] = lambda count: None,
    mapper: BlockMap = in_threads,
) -> Stitched:
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
    mapper
        Where the tiles are looked at; they are joined here, in their order.
    """
    shape = (int(out.shape[0]), int(out.shape[1]))
    tiles = list(iter_blocks(shape, tile_px))
    look = partial(_look, find, shape, halo_px)
    claims = _Claims(out)
    above: list[Seen] = []
    spare: list[Seen] = []
    row = 0
    for number, (tile, seen) in enumerate(
        zip(tiles, mapper("nuclei", look, tiles), strict=True), 1
    ):
        if tile.y0 != row:
            # Every neighbour of the row above has had its say.
            for late in above:
                claims.add(late, late=True)
            above, spare, row = spare, [], tile.y0
        claims.add(seen.only(seen.own))
        spare.append(seen.only(~seen.own))
        done(number)
    for late in (*above, *spare):
        claims.add(late, late=True)
    return Stitched(np.concatenate(claims.middles), claims.crossing, claims.suspects)


def reading_order(middles: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return new labels, indexed by old ones, that count nuclei row by row of their middles."""
    order = np.lexsort((middles[:, 1], middles[:, 0]))
    fresh = np.zeros(len(middles) + 1, dtype=np.int32)
    fresh[order + 1] = np.arange(1, len(middles) + 1, dtype=np.int32)
    return fresh


def _look(
    find: Callable[[Block], npt.NDArray[Any]], shape: tuple[int, int], halo_px: int, tile: Block
) -> Seen:
    outer = tile.grown(halo_px, shape)
    return see(find(outer), tile, outer, shape)


class _Claims:
    """Nuclei written so far: middle and number of pixels of each."""

    def __init__(self, out: Any) -> None:
        self.out = out
        self.middles: list[npt.NDArray[np.int64]] = [np.zeros((0, 2), np.int64)]
        self.count = 0
        self.crossing = 0
        self.suspects = 0
        self._sizes = np.zeros(1024, np.int64)

    def add(self, seen: Seen, *, late: bool = False) -> None:
        """Write nuclei where nobody is; late ones have been seen by another tile."""
        from immunescape.segment._claiming import claim

        n = len(seen.own)
        if not n:
            return
        if self.count + n + 1 > len(self._sizes):
            more = np.zeros(self.count + n + 1, np.int64)
            self._sizes = np.concatenate([self._sizes, more])
        window = np.array(self.out[seen.outer.slices], dtype=np.int32)
        middles = np.zeros((n, 2), np.int64)
        shared, agreed = np.zeros((2, n))
        written = np.zeros(n, bool)
        new = claim(
            window, seen.y, seen.x, seen.start, _SAME_NUCLEUS, self._sizes, self.count,
            middles, shared, agreed, written,
        )  # fmt: skip
        self.out[seen.outer.slices] = window
        self.count += new
        self.middles.append(middles[:new] + np.array([seen.outer.y0, seen.outer.x0]))
        doubtful = (shared > _OVERLAP) & (agreed < _AGREE)
        if late:
            self.crossing += n
            doubtful |= written  # the tile that holds its middle did not see it
        self.suspects += int(doubtful.sum())
