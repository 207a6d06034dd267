"""What every lazy ``(c, y, x)`` array of ours answers; a format adds how one rectangle is read."""

from abc import ABC, abstractmethod
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LazyPlanes"]


class LazyPlanes(ABC):
    """A ``(c, y, x)`` array that is read when it is indexed; whole in memory only if asked for."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    ndim = 3

    @abstractmethod
    def read_plane(self, channel: int, y0: int, y1: int, x0: int, x1: int) -> npt.NDArray[Any]:
        """Read a rectangle of one channel, ``(y1 - y0, x1 - x0)``."""

    @property
    def size(self) -> int:
        """Number of pixels in all channels."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole array, were it in memory."""
        return self.size * self.dtype.itemsize

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        whole: npt.NDArray[Any] = self[...]
        return whole if dtype is None else whole.astype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        ranges, dropped = _ranges_of(key, self.shape)
        out = np.empty(tuple(len(r) for r in ranges), self.dtype)
        if out.size:
            (y0, y1, rows), (x0, x1, columns) = (_span(r) for r in ranges[1:])
            for i, channel in enumerate(ranges[0]):
                out[i] = self.read_plane(channel, y0, y1, x0, x1)[rows, columns]
        return out[tuple(0 if d else slice(None) for d in dropped)]


def _ranges_of(key: Any, shape: tuple[int, ...]) -> tuple[list[range], list[bool]]:
    """Turn an index of ints, slices and an ellipsis into a range an axis, and what it drops."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [k for k in keys if k is Ellipsis]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    if len(keys) > len(shape):
        raise IndexError(f"{len(keys)} indices for a (c, y, x) array")
    keys += [slice(None)] * (len(shape) - len(keys))
    ranges, dropped = [], []
    for k, length in zip(keys, shape, strict=True):
        if isinstance(k, slice):
            ranges.append(range(*k.indices(length)))
            dropped.append(False)
            continue
        at = k.__index__()
        if not -length <= at < length:
            raise IndexError(f"index {at} is out of range for an axis of {length}")
        ranges.append(range(at % length, at % length + 1))
        dropped.append(True)
    return ranges, dropped


def _span(steps: range) -> tuple[int, int, slice]:
    """Return the smallest interval that holds a range, and the range's index within it."""
    low, high = min(steps[0], steps[-1]), max(steps[0], steps[-1]) + 1
    if steps.step > 0:
        return low, high, slice(0, high - low, steps.step)
    return low, high, slice(high - low - 1, None, steps.step)
