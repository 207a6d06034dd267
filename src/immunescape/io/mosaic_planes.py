"""Many TIFF tiles as one lazy ``(c, y, x)`` array."""

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block
from immunescape.errors import SlideError
from immunescape.io.lazy_planes import LazyPlanes
from immunescape.io.tiff_planes import SegmentCache, TiffPlanes
from immunescape.slide import Imaged

__all__ = ["MosaicPlanes"]

_CHUNK = 2048
_PARSED = 64
"""So many tiles keep what is known of their pages."""


class MosaicPlanes(LazyPlanes):
    """A lazy ``(c, y, x)`` array made of tiles.

    A pixel that several tiles hold comes from the one whose middle is nearest, so that a seam
    lies as far from the frames of both tiles as it can; of tiles equally near the first is taken.
    What no tile holds is 0. An index reads those tiles alone of which it shows a pixel. No file
    is open between reads; it may be read from several threads, and pickled.

    Parameters
    ----------
    tiles
        The array of each tile, in an order that depends on their places alone.
    orders
        For each tile the position in it of each channel of the mosaic.
    boxes
        ``(n, 4)`` integers, a row a tile: ``y0, y1, x0, x1`` in pixels of the mosaic.
    shape
        Height and width of the mosaic.
    lent
        ``(n, 2)`` pixels by which a tile's last row and last column are repeated, where a narrow
        seam would be left between it and its neighbour; none where not given.
    """

    def __init__(
        self,
        tiles: tuple[TiffPlanes, ...],
        orders: tuple[tuple[int, ...], ...],
        boxes: npt.NDArray[np.int64],
        shape: tuple[int, int],
        lent: npt.NDArray[np.int64] | None = None,
    ) -> None:
        self.tiles = tiles
        self.orders = orders
        self.boxes = boxes
        self.shape = (len(orders[0]), int(shape[0]), int(shape[1]))
        self.dtype: np.dtype[Any] = tiles[0].dtype
        wide = boxes.copy()
        if lent is not None:
            wide[:, [1, 3]] += lent
        self.imaged = Imaged(wide)
        self._start()

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunk to read at a time."""
        return 1, min(_CHUNK, self.shape[1]), min(_CHUNK, self.shape[2])

    @property
    def layout(self) -> list[tuple[str, tuple[int, ...], list[int]]]:
        """Name, channels and rectangle of each tile: what decides the mosaic but for its pixels."""
        boxes = self.imaged.boxes.tolist()
        names = (tile.path.name for tile in self.tiles)
        return list(zip(names, self.orders, boxes, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return {
            key: getattr(self, key)
            for key in ("tiles", "orders", "boxes", "shape", "dtype", "imaged")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def _start(self) -> None:
        cache = SegmentCache()
        for tile in self.tiles:
            tile.one_of_many(cache)
        self._lock = threading.Lock()
        self._recent: OrderedDict[int, None] = OrderedDict()

    def read_plane(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Read a rectangle of one channel."""
        wanted = Block(y0, y1, x0, x1)
        out = np.zeros(wanted.shape, self.dtype)
        there = self.imaged.touched(wanted)
        parts = {int(k): _within(self.imaged.boxes[k], wanted) for k in there}
        for k, part in parts.items():
            mine = self._mine(k, part, parts)
            target = out[part.inside(wanted)]
            if mine is None:
                target[...] = self._pixels(k, channel, part)
            elif mine.any():
                rows, columns = _extent(mine)
                less = Block(
                    part.y0 + rows.start,
                    part.y0 + rows.stop,
                    part.x0 + columns.start,
                    part.x0 + columns.stop,
                )
                pixels = self._pixels(k, channel, less)
                np.copyto(target[rows, columns], pixels, where=mine[rows, columns])
        return out

    def _mine(self, k: int, part: Block, parts: dict[int, Block]) -> npt.NDArray[np.bool_] | None:
        """Tell which pixels of a part come from tile ``k``; None if all of them do."""
        mine: npt.NDArray[np.bool_] | None = None
        for other, its in parts.items():
            y0, y1 = max(part.y0, its.y0), min(part.y1, its.y1)
            x0, x1 = max(part.x0, its.x0), min(part.x1, its.x1)
            if other == k or y0 >= y1 or x0 >= x1:
                continue
            # whole numbers, so that a tie is one: twice each position and each middle
            y, x = 2 * np.arange(y0, y1) + 1, 2 * np.arange(x0, x1) + 1
            (cy, cx), (dy, dx) = _twice_middle(self.boxes[k]), _twice_middle(self.boxes[other])
            nearer = ((y - cy) ** 2 - (y - dy) ** 2)[:, None] + ((x - cx) ** 2 - (x - dx) ** 2)
            nearer = (nearer < 0) if other < k else (nearer <= 0)
            # a pixel that a tile holds goes before one that only repeats its last
            holds, lends = (self._holds(t, y0, y1, x0, x1) for t in (k, other))
            if mine is None:
                mine = np.ones(part.shape, bool)
            shared = mine[y0 - part.y0 : y1 - part.y0, x0 - part.x0 : x1 - part.x0]
            shared &= np.where(holds == lends, nearer, holds)
        return mine

    def _holds(self, k: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[np.bool_]:
        """Tell which pixels are a tile's own, ``(y, x)``, of a rectangle within what it shows."""
        rows, columns = np.arange(y0, y1) < self.boxes[k, 1], np.arange(x0, x1) < self.boxes[k, 3]
        return np.asarray(rows[:, None] & columns, bool)

    def _pixels(self, k: int, channel: int, part: Block) -> npt.NDArray[Any]:
        """Read a part of a tile; beyond its last row and column these are repeated."""
        tile = self._ready(k)
        top, bottom, left, right = (int(n) for n in self.boxes[k])
        y0, x0 = min(part.y0, bottom - 1), min(part.x0, right - 1)
        y1, x1 = min(part.y1, bottom), min(part.x1, right)
        try:
            pixels = tile.read_plane(
                self.orders[k][channel], y0 - top, y1 - top, x0 - left, x1 - left
            )
        except SlideError:
            raise
        except (OSError, ValueError) as error:
            raise SlideError(
                f"{tile.path.name} can no longer be read; put it back into its folder"
            ) from error
        if pixels.shape != part.shape:
            rows = np.minimum(np.arange(part.y0, part.y1), bottom - 1) - y0
            columns = np.minimum(np.arange(part.x0, part.x1), right - 1) - x0
            pixels = pixels[np.ix_(rows, columns)]
        return pixels

    def _ready(self, k: int) -> TiffPlanes:
        with self._lock:
            self._recent[k] = None
            self._recent.move_to_end(k)
            if len(self._recent) > _PARSED:
                self.tiles[self._recent.popitem(last=False)[0]].forget()
        return self.tiles[k]


def _within(box: npt.NDArray[np.int64], wanted: Block) -> Block:
    y0, y1, x0, x1 = (int(n) for n in box)
    return Block(max(y0, wanted.y0), min(y1, wanted.y1), max(x0, wanted.x0), min(x1, wanted.x1))


def _twice_middle(box: npt.NDArray[np.int64]) -> tuple[int, int]:
    return int(box[0] + box[1]), int(box[2] + box[3])


def _extent(mask: npt.NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the smallest rectangle that holds all that is set; something is."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
