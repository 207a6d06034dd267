"""The value at which a detector saturates, found block by block without knowing it before."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Plateau", "Top", "top_of"]

_FEWEST = 8
"""A value held by fewer pixels of a block is a hot pixel, no plateau."""
_PLATEAU = 24
"""Fewest pixels of a slide at its plateau."""
_STEEP = 3.0
"""A plateau holds this many times the pixels of the values just below it; a tail does not."""


@dataclass(frozen=True)
class Top:
    """The largest value that several pixels of one block share.

    Parameters
    ----------
    value
        That value; minus infinity where there is none.
    count
        Pixels of it.
    above
        Pixels above it: hot ones, no more than a few each.
    below
        Pixels less than 2 % (and at least four whole numbers) below it.
    maximum, at_maximum
        Largest value of all and its pixels; the same where eight pixels share it.
    """

    value: float
    count: int
    above: int
    below: int
    maximum: float = -np.inf
    at_maximum: int = 0


def top_of(plane: npt.NDArray[Any]) -> Top:
    """Return the largest value that at least eight pixels of a plane share."""
    if plane.dtype.kind == "u" and plane.dtype.itemsize <= 2:
        return _top_of_counts(np.bincount(plane.ravel()))
    value = _shared_maximum(plane)
    finite = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
    maximum = float(finite.max()) if finite.size else -np.inf
    at_maximum = int((plane == maximum).sum())
    if value is None:
        return Top(-np.inf, 0, 0, 0, maximum, at_maximum)
    width = _below(value, whole=plane.dtype.kind in "ui")
    above = int((plane > value).sum())
    count = int((plane == value).sum())
    below = int((plane >= value - width).sum()) - count - above
    return Top(value, count, above, below, maximum, at_maximum)


def _top_of_counts(counts: npt.NDArray[np.int64]) -> Top:
    """Return the same of how often each whole number from 0 on occurs."""
    maximum = len(counts) - 1
    often = np.nonzero(counts >= _FEWEST)[0]
    if not len(often):
        at_maximum = int(counts[-1]) if len(counts) else 0
        return Top(-np.inf, 0, 0, 0, float(maximum) if len(counts) else -np.inf, at_maximum)
    value = int(often[-1])
    lowest = max(int(np.ceil(value - _below(value, whole=True))), 0)
    return Top(
        float(value), int(counts[value]), int(counts[value + 1 :].sum()),
        int(counts[lowest:value].sum()), float(maximum), int(counts[-1]),
    )  # fmt: skip


def _below(value: float, *, whole: bool) -> float:
    """Return how far below a plateau its neighbours are counted."""
    width = 0.02 * abs(value)
    return max(width, 4.0) if whole else width


def _shared_maximum(plane: npt.NDArray[Any]) -> float | None:
    finite = plane[np.isfinite(plane)]
    if plane.dtype.kind == "f":
        top = float(finite.max()) if finite.size else 0.0
        return top if int((finite == top).sum()) >= _FEWEST else None
    values, counts = np.unique(finite, return_counts=True)
    often = np.nonzero(counts >= _FEWEST)[0]
    return float(values[often[-1]]) if len(often) else None


class Plateau:
    """What the blocks of one channel agree on; add them in any order."""

    def __init__(self) -> None:
        self.value = -np.inf
        self.count = 0
        self.above = 0
        self.below = 0
        self._few: dict[float, int] = {}

    def add(self, top: Top) -> bool:
        """Take in a block; True if its value is larger than all before it, which then fall."""
        if top.maximum > top.value:
            self._few[top.maximum] = self._few.get(top.maximum, 0) + top.at_maximum
        if top.value > self.value:
            self.value, self.count = top.value, top.count
            self.above, self.below = top.above, top.below
            return True
        if top.value == self.value:
            self.count += top.count
            self.above += top.above
            self.below += top.below
        return False

    @property
    def total(self) -> int:
        """Pixels at the plateau, those of blocks that hold only few of them included."""
        return self.count + self._few.get(self.value, 0)

    @property
    def saturated(self) -> bool:
        """Whether pixels pile up at the largest value instead of thinning out towards it."""
        around = max(self.below, self.above)
        return self.value > 0 and self.count >= max(_PLATEAU, _STEEP * around)
