"""Compiled loops that find points within a radius, by a grid of squares no smaller than it."""

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["Squares", "count_near", "list_near"]

_jit = numba.njit(cache=True, nogil=True)
_SLACK = 1e-6
"""By how much a square is larger than the radius: rounding may not carry a point past the next."""
_MANY = 64
"""From how many neighbours on a sort of the library is faster than one in place."""


class Squares:
    """A grid over points, with the points of each square at hand.

    Parameters
    ----------
    points
        ``(n, 2)`` float64, at least one, all finite.
    radius
        Not negative.
    """

    corner: npt.NDArray[np.float64]
    """Least x and y."""
    edge: float
    """Edge of a square; there are no more squares than points, by and large."""
    shape: npt.NDArray[np.int64]
    """How many squares there are along x and along y."""
    order: npt.NDArray[np.int64]
    """Positions of the points square by square, ascending in each."""
    first: npt.NDArray[np.int64]
    """Those of square ``s`` are ``order[first[s]:first[s + 1]]``."""

    def __init__(self, points: npt.NDArray[np.float64], radius: float) -> None:
        self.corner = points.min(axis=0)
        extent = points.max(axis=0) - self.corner
        widest = float(extent.max())
        # far apart for so small a radius: larger squares, with about one point in each
        loose = max(
            float(np.sqrt(extent[0] / len(points)) * np.sqrt(extent[1])), widest / len(points)
        )
        edge = max(radius * (1 + _SLACK), loose)
        self.edge = edge if 0 < edge < np.inf else 2 * max(widest, 1.0)
        self.shape = (extent / self.edge).astype(np.int64) + 1
        number = self._number(points)
        self.order = np.argsort(number, kind="stable")
        self.first = np.searchsorted(number[self.order], np.arange(self.shape.prod() + 1))

    def turn(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the order in which other points are looked at: neighbours one after the other."""
        return np.argsort(self._number(points), kind="stable")

    def _number(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        square = np.clip((points - self.corner) / self.edge, 0, self.shape - 1).astype(np.int64)
        return np.asarray(square[:, 0] * self.shape[1] + square[:, 1], np.int64)


@_jit
def _range(value, corner, edge, count):  # type: ignore[no-untyped-def]
    """Return the first and the end of the squares along one axis in which a neighbour may lie."""
    at = np.floor((value - corner) / edge)
    # compared as floats: a point far outside of the grid has no whole number
    first = int(min(max(at - 1, 0.0), float(count)))
    end = int(min(max(at + 2, 0.0), float(count)))
    return first, end


@_jit
def count_near(points, turn, targets, limit, corner, edge, shape, first):  # type: ignore[no-untyped-def]
    """Count for each point the targets whose squared distance is at most ``limit``.

    Points are looked at in the order ``turn``; ``targets`` are in the order of their squares.
    """
    counts = np.zeros(len(points), np.int64)
    for i in turn:
        x, y = points[i, 0], points[i, 1]
        row, last = _range(x, corner[0], edge, shape[0])
        low, high = _range(y, corner[1], edge, shape[1])
        if low == high:
            continue
        n = 0
        for r in range(row, last):  # the squares of a row lie side by side
            for k in range(first[r * shape[1] + low], first[r * shape[1] + high]):
                dx = x - targets[k, 0]
                dy = y - targets[k, 1]
                if dx * dx + dy * dy <= limit:
                    n += 1
        counts[i] = n
    return counts


@_jit
def list_near(points, turn, targets, limit, corner, edge, shape, first, order, counts):  # type: ignore[no-untyped-def]
    """List the pairs that :func:`count_near` counted, sorted by point and by target.

    ``order`` holds the positions of the targets before they were sorted by square.
    """
    begin = np.cumsum(counts) - counts
    pairs = np.empty((counts.sum(), 2), np.int64)
    for i in turn:
        if counts[i] == 0:
            continue
        x, y = points[i, 0], points[i, 1]
        row, last = _range(x, corner[0], edge, shape[0])
        low, high = _range(y, corner[1], edge, shape[1])
        start = begin[i]
        n = start
        for r in range(row, last):
            for k in range(first[r * shape[1] + low], first[r * shape[1] + high]):
                dx = x - targets[k, 0]
                dy = y - targets[k, 1]
                if dx * dx + dy * dy <= limit:
                    pairs[n, 0] = i
                    pairs[n, 1] = order[k]
                    n += 1
        if n - start > _MANY:
            pairs[start:n, 1] = np.sort(pairs[start:n, 1])
            continue
        for j in range(start + 1, n):  # in pieces that rise
            value = pairs[j, 1]
            at = j
            while at > start and pairs[at - 1, 1] > value:
                pairs[at, 1] = pairs[at - 1, 1]
                at -= 1
            pairs[at, 1] = value
    return pairs
