"""Compiled loops over the pixels of one block; every function frees the interpreter lock."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["find_runs", "moments", "slots", "sum_slots"]

_CLASSES = 4  # disjoint parts of a cell: bit 0 is the nucleus, bit 1 the rim

_SHORT_BYTES = 2
"""Of numbers this short a block of any size has a sum that a float holds exactly."""

_jit = numba.njit(cache=True, nogil=True)


@_jit
def find_runs(labels, top, left, height, width):  # type: ignore[no-untyped-def]
    """Cut the rows of a block's core into runs of one label.

    Parameters
    ----------
    labels
        Labels of block and halo, int32.
    top, left, height, width
        Where the core lies within them.

    Returns
    -------
    runs
        ``(r, 4)`` int32 in row order: row, first column, end column (in the core) and the
        position of the label in ``found``.
    found
        Labels in the order in which they appear.
    """
    n = 0
    for y in range(top, top + height):
        before = np.int32(0)
        for x in range(left, left + width):
            label = labels[y, x]
            if label != before:
                n += label > 0
                before = label
    runs = np.empty((n, 4), np.int32)
    found = np.empty(n, np.int32)
    size = 16
    while size < 2 * n:
        size *= 2
    key = np.zeros(size, np.int32)
    position = np.zeros(size, np.int32)
    n_found = 0
    r = -1
    for y in range(height):
        before = np.int32(0)
        for x in range(width):
            label = labels[top + y, left + x]
            if label == before:
                continue
            if before > 0:
                runs[r, 2] = x
            before = label
            if label <= 0:
                continue
            r += 1
            at = (np.int64(label) * 2654435761 >> 7) & (size - 1)
            while key[at] != 0 and key[at] != label:
                at = (at + 1) & (size - 1)
            if key[at] == 0:
                key[at] = label
                position[at] = n_found
                found[n_found] = label
                n_found += 1
            runs[r, 0] = y
            runs[r, 1] = x
            runs[r, 3] = position[at]
        if before > 0:
            runs[r, 2] = width
    return runs, found[:n_found].copy()


@_jit
def moments(runs, n_found, y0, x0, height, width):  # type: ignore[no-untyped-def]
    """Add up ``n, Σx, Σy, Σxx, Σxy, Σyy`` of each label in pixels of the whole plane, exactly.

    ``y0, x0`` is the corner of the block, ``height, width`` the size of the whole plane. The
    second result tells which labels reach its frame.
    """
    sums = np.zeros((n_found, 6), np.int64)
    framed = np.zeros(n_found, np.bool_)
    for r in range(len(runs)):
        y = np.int64(runs[r, 0] + y0)
        a = np.int64(runs[r, 1] + x0)
        b = np.int64(runs[r, 2] + x0)
        k = runs[r, 3]
        n = b - a
        sx = n * (a + b - 1) // 2
        sums[k, 0] += n
        sums[k, 1] += sx
        sums[k, 2] += n * y
        sums[k, 3] += ((b - 1) * b * (2 * b - 1) - (a - 1) * a * (2 * a - 1)) // 6
        sums[k, 4] += sx * y
        sums[k, 5] += n * y * y
        if y == 0 or y == height - 1 or a == 0 or b == width:
            framed[k] = True
    return sums, framed


@_jit
def slots(labels, nuclei, runs, n_found, top, left, height, width, reach):  # type: ignore[no-untyped-def]
    """Give each pixel of the core a number for its label and its part of the cell.

    Parameters
    ----------
    labels
        Labels of block and halo, int32.
    nuclei
        Nucleus labels of the core, int32; of shape ``(0, 0)`` when there are none.
    runs, n_found
        What :func:`find_runs` found.
    top, left, height, width
        Where the core lies within ``labels``.
    reach
        For each row offset from ``-k`` to ``k`` the largest column offset that the rim looks at.

    Returns
    -------
    slot
        ``(height, width)`` int32: 4 times the position, plus 1 in the nucleus, plus 2 in the
        rim; ``4 * n_found`` in the background.
    """
    rows = len(labels)
    k = len(reach) // 2
    clear = _clearance(labels, max(reach))
    slot = np.full((height, width), _CLASSES * n_found, np.int32)
    has_nuclei = nuclei.size > 0
    rim = np.zeros(width, np.uint8)
    columns = slice(left, left + width)
    r = 0
    for y in range(height):
        own = labels[top + y, columns]
        rim[:] = 0
        # The cut of the block is farther than the rim looks, and the image frame is no border.
        for dy in range(max(-k, -(top + y)), min(k, rows - 1 - top - y) + 1):
            at = top + y + dy
            _mark(own, labels[at, columns], clear[at, columns], reach[dy + k], rim)
        while r < len(runs) and runs[r, 0] == y:
            base = _CLASSES * runs[r, 3]
            label = own[runs[r, 1]]
            for x in range(runs[r, 1], runs[r, 2]):
                part = base + 2 * rim[x]
                if has_nuclei and nuclei[y, x] == label:
                    part += 1
                slot[y, x] = part
            r += 1
    return slot


# Loops over whole rows without a branch: the compiler does several pixels at once.


@_jit
def _clearance(labels, far):  # type: ignore[no-untyped-def]
    """Count how many equal pixels stand on the nearer side of a pixel in its row, up to ``far``."""
    clear = np.full(labels.shape, far, np.int16)
    width = labels.shape[1]
    for y in range(len(labels)):
        for d in range(min(far, width - 1), 0, -1):  # the nearest other label has the last word
            here, there = labels[y, : width - d], labels[y, d:]
            before, after = clear[y, : width - d], clear[y, d:]
            less = np.int16(d - 1)
            for x in range(width - d):
                before[x] = less if here[x] != there[x] else before[x]
            for x in range(width - d):
                after[x] = less if here[x] != there[x] else after[x]
    return clear


@_jit
def _mark(own, other, clear, reach, rim):  # type: ignore[no-untyped-def]
    """Mark pixels with another label within reach in another row, or in their own."""
    for x in range(len(rim)):
        rim[x] |= (own[x] != other[x]) | (clear[x] < reach)


def sum_slots(
    slot: npt.NDArray[np.int32], values: npt.NDArray[Any], n_slots: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Add up the values in each slot, leaving NaN out; return the sums and how many were left."""
    if values.dtype.kind in "iu" and values.dtype.itemsize <= _SHORT_BYTES:
        return _sum_whole(slot, values, n_slots), np.zeros(n_slots, np.int64)
    sums, left_out = _sum_numbers(slot, values, n_slots)
    return sums, left_out


@_jit
def _sum_whole(slot, values, n_slots):  # type: ignore[no-untyped-def]
    """Add up whole numbers, of which no sum of a block is too large for a float.

    Four rows by turns: a sum need not wait for the one before it to be stored.
    """
    sums = np.zeros(n_slots + 1, np.int64)
    height, width = slot.shape
    quarter = height // 4
    for y in range(quarter):
        for x in range(width):
            for row in (y, y + quarter, y + 2 * quarter, y + 3 * quarter):
                sums[slot[row, x]] += np.int64(values[row, x])
    for y in range(4 * quarter, height):
        for x in range(width):
            sums[slot[y, x]] += np.int64(values[y, x])
    return sums[:n_slots].astype(np.float64)


@_jit
def _sum_numbers(slot, values, n_slots):  # type: ignore[no-untyped-def]
    sums = np.zeros(n_slots + 1, np.float64)
    left_out = np.zeros(n_slots + 1, np.int64)
    height, width = slot.shape
    for y in range(height):
        current = slot[y, 0]
        total = 0.0
        for x in range(width):
            s = slot[y, x]
            if s != current:
                sums[current] += total
                total = 0.0
                current = s
            value = np.float64(values[y, x])
            if value == value:
                total += value
            else:
                left_out[s] += 1
        sums[current] += total
    return sums[:n_slots], left_out[:n_slots]
