"""Pieces and holes of labels, found on their runs: stretches of one label along a row."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["keep_largest_filled"]


def keep_largest_filled(labels: npt.NDArray[np.int32], top: int) -> npt.NDArray[np.int64]:
    """Keep the largest piece of every label and fill its holes, in place; see ``tidy``.

    Parameters
    ----------
    labels
        ``(y, x)`` contiguous, none above ``top`` or below 0.
    top
        The highest label.

    Returns
    -------
    numpy.ndarray
        ``(top + 1,)``: how many pixels each label has then; that of 0 is the background's.
    """
    edges, firsts = _runs(labels)
    values = labels.ravel()[edges[:-1]]
    _drop_small(labels, edges, firsts, values, top)
    _fill_holes(labels, edges, firsts, values)
    area = np.bincount(values, weights=np.diff(edges), minlength=top + 1)
    return area.astype(np.int64)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _runs(labels: Any) -> Any:
    """Return where each run starts in the flat plane, then its end; and each row's first run."""
    height, width = labels.shape
    many = height if width else 0
    for y in range(height):
        for x in range(1, width):
            many += labels[y, x] != labels[y, x - 1]
    edges = np.empty(many + 1, dtype=np.int64)
    firsts = np.empty(height + 1, dtype=np.int64)
    n = 0
    for y in range(height):
        firsts[y] = n
        for x in range(width):
            if x == 0 or labels[y, x] != labels[y, x - 1]:
                edges[n] = y * width + x
                n += 1
    firsts[height] = n
    edges[n] = height * width
    return edges, firsts


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _join(parent: Any, i: int, j: int) -> None:
    """Join two pieces; the root of a piece is its first run in row order."""
    a, b = _root(parent, i), _root(parent, j)
    parent[max(a, b)] = min(a, b)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _drop_small(labels: Any, edges: Any, firsts: Any, values: Any, top: int) -> None:
    height, width = labels.shape
    parent = np.arange(len(values))
    for y in range(1, height):
        i, j = firsts[y - 1], firsts[y]
        while i < firsts[y] and j < firsts[y + 1]:
            if values[i] == values[j] and values[i] > 0:
                _join(parent, i, j)
            above, here = edges[i + 1], edges[j + 1] - width
            i += above <= here
            j += here <= above
    size = np.zeros(len(values), dtype=np.int64)
    for i in range(len(values)):
        size[_root(parent, i)] += edges[i + 1] - edges[i]
    best = np.full(top + 1, -1, dtype=np.int64)
    for i in range(len(values)):
        k = values[i]
        if k > 0 and parent[i] == i and (best[k] < 0 or size[i] > size[best[k]]):
            best[k] = i
    flat = labels.ravel()
    for i in range(len(values)):
        if values[i] > 0 and _root(parent, i) != best[values[i]]:
            values[i] = 0
            flat[edges[i] : edges[i + 1]] = 0


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _note(owner: Any, gap: int, label: int) -> None:
    """Write down that a gap borders a label: -1 is none so far, 0 more than one or the frame."""
    if owner[gap] == -1:
        owner[gap] = label
    elif owner[gap] != label:
        owner[gap] = 0


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill_holes(labels: Any, edges: Any, firsts: Any, values: Any) -> None:
    height, width = labels.shape
    parent = np.arange(len(values))
    owner = np.full(len(values), -1, dtype=np.int64)
    for y in range(height):
        for j in range(firsts[y] + 1, firsts[y + 1]):
            if values[j] == 0 and values[j - 1] == 0:
                _join(parent, j - 1, j)
        if y == 0:
            continue
        i, j = firsts[y - 1], firsts[y]
        while i < firsts[y] and j < firsts[y + 1]:
            if values[i] == 0 and values[j] == 0:
                _join(parent, i, j)
            above, here = edges[i + 1], edges[j + 1] - width
            i += above <= here
            j += here <= above
    for y in range(height):
        first, last = firsts[y], firsts[y + 1] - 1
        for j in range(first, last + 1):
            if values[j] == 0:
                gap = _root(parent, j)
                if y == 0 or y == height - 1 or j == first or j == last:
                    owner[gap] = 0
                    continue
                if values[j - 1] > 0:
                    _note(owner, gap, values[j - 1])
                if values[j + 1] > 0:
                    _note(owner, gap, values[j + 1])
        if y == 0:
            continue
        i, j = firsts[y - 1], firsts[y]
        while i < firsts[y] and j < firsts[y + 1]:
            if values[i] == 0 and values[j] > 0:
                _note(owner, _root(parent, i), values[j])
            elif values[j] == 0 and values[i] > 0:
                _note(owner, _root(parent, j), values[i])
            above, here = edges[i + 1], edges[j + 1] - width
            i += above <= here
            j += here <= above
    flat = labels.ravel()
    for j in range(len(values)):
        if values[j] == 0 and owner[_root(parent, j)] > 0:
            values[j] = owner[_root(parent, j)]
            flat[edges[j] : edges[j + 1]] = values[j]
