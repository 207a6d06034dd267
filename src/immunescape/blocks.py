"""Cutting a plane into blocks with a halo, so that memory is bounded by the block."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar

from immunescape.threads import allotted_threads

__all__ = [
    "Block",
    "BlockMap",
    "Plane",
    "Progress",
    "Volume",
    "in_threads",
    "iter_blocks",
    "map_blocks",
    "silent",
]

_Result = TypeVar("_Result")
_MOST_THREADS = 8

Progress = Callable[[str, int, int], None]
"""Called with the name of a step, the units of work done and their total."""


def silent(step: str, done: int, total: int) -> None:
    """Report nothing: the default progress callback."""


class Plane(Protocol):
    """What a lazy image plane must answer: numpy, zarr and dask arrays all do."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Length along each axis; the last two are ``y`` and ``x``."""
        ...

    @property
    def dtype(self) -> Any:
        """Type of the stored values."""
        ...

    def __getitem__(self, key: Any, /) -> Any: ...


Volume = Plane
"""A lazy ``(c, y, x)`` array; the same protocol with one more axis."""


@dataclass(frozen=True, order=True)
class Block:
    """Half-open rectangle of pixels, ``y0 <= y < y1`` and ``x0 <= x < x1``."""

    y0: int
    y1: int
    x0: int
    x1: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the block in the whole plane."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def grown(self, halo: int, shape: tuple[int, int]) -> "Block":
        """Return the block with ``halo`` pixels more on each side, clipped to ``shape``."""
        return Block(
            max(self.y0 - halo, 0),
            min(self.y1 + halo, shape[0]),
            max(self.x0 - halo, 0),
            min(self.x1 + halo, shape[1]),
        )

    def inside(self, outer: "Block") -> tuple[slice, slice]:
        """Index of this block within an array that covers ``outer``."""
        return (
            slice(self.y0 - outer.y0, self.y1 - outer.y0),
            slice(self.x0 - outer.x0, self.x1 - outer.x0),
        )


def iter_blocks(shape: tuple[int, int], size: int) -> Iterator[Block]:
    """Yield the blocks of a grid anchored at the origin, row by row.

    Parameters
    ----------
    shape
        Height and width of the plane in pixels.
    size
        Edge of a block in pixels; blocks at the far edges are smaller.

    Examples
    --------
    >>> [b.shape for b in iter_blocks((5, 3), 3)]
    [(3, 3), (2, 3)]
    """
    if size < 1:
        raise ValueError(f"a block is at least 1 pixel wide, not {size}")
    height, width = shape
    for y in range(0, height, size):
        for x in range(0, width, size):
            yield Block(y, min(y + size, height), x, min(x + size, width))


class BlockMap(Protocol):
    """Does a function on every block: on threads, kept for another run, or on a cluster.

    Results come in the order of the blocks. Functions and results can be pickled; functions are
    safe to call from several threads, and do the same whoever calls them.
    """

    def __call__(
        self, step: str, function: Callable[[Block], _Result], blocks: Sequence[Block], /
    ) -> Iterator[_Result]:
        """Yield ``function(block)`` for each block of a step, which no other step is named like."""
        ...


def in_threads(
    step: str, function: Callable[[Block], _Result], blocks: Sequence[Block], /
) -> Iterator[_Result]:
    """Do a function on every block on the threads of this process; see `map_blocks`."""
    return map_blocks(function, blocks)


def map_blocks(function: Callable[[Block], _Result], blocks: Sequence[Block]) -> Iterator[_Result]:
    """Yield ``function(block)`` in the order of the blocks, computed on several threads.

    As many blocks are worked on at once as the process may use threads, at most eight, and as many
    again wait at most, done or not begun: a slow caller holds the threads up, not the memory. When
    the caller stops early or is interrupted, blocks not yet begun are dropped.
    """
    count = min(allotted_threads(), _MOST_THREADS)
    pool = ThreadPoolExecutor(count)
    left = iter(blocks)
    try:
        # one slow block does not leave the other threads without work
        ahead = deque(pool.submit(function, block) for block in islice(left, 2 * count))
        while ahead:
            # of a future that is kept the result is kept too
            yield ahead.popleft().result()
            ahead.extend(pool.submit(function, block) for block in islice(left, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
