"""Lazy planes as napari wants them: two-dimensional, read where looked at, with a pyramid."""

import threading
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks, map_blocks
from immunescape.slide import Slide

__all__ = ["ChannelPlane", "LabelPlane", "Overview", "channel_pyramid"]

_LARGE = 4096
_KEPT_FROM = 8
_SMALLEST = 1024
_BLOCK = 2048


class _Plane(ABC):
    """A ``(y, x)`` array that is read when it is indexed; copies share it."""

    ndim = 2

    def __init__(self, shape: tuple[int, int], dtype: Any) -> None:
        self.shape = (int(shape[0]), int(shape[1]))
        self.dtype: np.dtype[Any] = np.dtype(dtype)

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the plane, were it in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole = self[:, :]
        return whole if dtype is None else whole.astype(dtype)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Plane":
        return self

    @abstractmethod
    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Read what an index asks for."""


class ChannelPlane(_Plane):
    """One channel of one level of a slide.

    Parameters
    ----------
    array
        Lazy ``(c, y, x)`` array.
    channel
        Position of the channel.
    """

    def __init__(self, array: Any, channel: int) -> None:
        super().__init__(array.shape[1:], array.dtype)
        self._array = array
        self._channel = channel

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        keys = key if isinstance(key, tuple) else (key,)
        return np.asarray(self._array[(self._channel, *keys)])


class Overview(_Plane):
    """A level that the file lacks: every n-th pixel of a plane, in both directions.

    Parameters
    ----------
    plane
        The plane.
    factor
        Edge of a pixel of the overview, in pixels of the plane; a power of two up to 2048.
    kept
        Whether all of it is read at the first look, and kept.
    """

    def __init__(self, plane: _Plane, factor: int, *, kept: bool = False) -> None:
        height, width = plane.shape
        super().__init__((-(-height // factor), -(-width // factor)), plane.dtype)
        self._plane = plane
        self._factor = factor
        self._keeps = kept
        self._kept: npt.NDArray[Any] | None = None
        self._lock = threading.Lock()

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        if self._keeps:
            with self._lock:
                if self._kept is None:
                    self._kept = self._sampled(Block(0, self.shape[0], 0, self.shape[1]))
            return np.asarray(self._kept[key])
        rows, columns = (*(key if isinstance(key, tuple) else (key,)), slice(None))[:2]
        (y0, y1, inner_y), (x0, x1, inner_x) = (
            _span(k, n) for k, n in zip((rows, columns), self.shape, strict=True)
        )
        return np.asarray(self._sampled(Block(y0, y1, x0, x1))[inner_y, inner_x])

    def _sampled(self, wanted: Block) -> npt.NDArray[Any]:
        """Read a rectangle of the overview, with no more than a few blocks in memory."""
        out = np.zeros(wanted.shape, self.dtype)
        step = self._factor
        parts = [
            Block(b.y0 + wanted.y0, b.y1 + wanted.y0, b.x0 + wanted.x0, b.x1 + wanted.x0)
            for b in iter_blocks(wanted.shape, max(_BLOCK // step, 1))
        ]

        def read(part: Block) -> None:
            pixels = self._plane[
                part.y0 * step : (part.y1 - 1) * step + 1,
                part.x0 * step : (part.x1 - 1) * step + 1,
            ]
            out[part.inside(wanted)] = pixels[::step, ::step]

        for _ in map_blocks(read, parts):
            pass
        return out


class LabelPlane(_Plane):
    """One level of stored labels; the part that was read last is kept.

    Recolouring looks at the same part again and again.

    Parameters
    ----------
    array
        Lazy ``(y, x)`` array of labels.
    """

    def __init__(self, array: Any) -> None:
        super().__init__(array.shape, array.dtype)
        self._array = array
        self._last: tuple[str, npt.NDArray[Any]] | None = None

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        name = repr(key)
        last = self._last
        if last is None or last[0] != name:
            last = name, np.asarray(self._array[key])
            self._last = last
        return last[1]

    def forget(self) -> None:
        """Read anew at the next look: the stored labels were changed."""
        self._last = None


def channel_pyramid(slide: Slide, channel: str) -> list[_Plane]:
    """Return the levels of one channel, full resolution first.

    A slide of more than 4096 pixels whose file holds one level gets those it lacks, each half as
    large as the one before, down to about a thousand pixels. They hold pixels of the file, not
    means. Those of a 64th of the pixels and fewer are made in one pass over the file when the
    whole slide is first looked at, and kept; the others are read where looked at.
    """
    at = slide.index(channel)
    levels: list[_Plane] = [ChannelPlane(array, at) for array in slide.arrays]
    full, factor = levels[0], 2
    if len(levels) > 1 or max(full.shape) <= _LARGE:
        return levels
    while max(levels[-1].shape) > _SMALLEST and min(full.shape) >= 2 * factor:
        if factor <= _KEPT_FROM:
            levels.append(Overview(full, factor, kept=factor == _KEPT_FROM))
        else:
            levels.append(Overview(levels[-1], 2))
        factor *= 2
    return levels


def _span(key: Any, length: int) -> tuple[int, int, Any]:
    """Return the interval that an index of one axis touches, and the index within it."""
    if isinstance(key, slice):
        steps = range(*key.indices(length))
        if not steps:
            return 0, 0, slice(None)
        low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1]) + 1
        inner = slice(None, None, steps.step)
        return low, high, inner
    at = range(length)[key]
    return at, at + 1, 0
