"""Compiled loops over the pixels of rims: which piece of which rim, its light, its quantile."""

import numba
import numpy as np

__all__ = ["MIDDLE", "find_pieces", "quantiles", "sum_pieces"]

MIDDLE = 8
"""Number of the sector of a pixel at the very centre of its cell, which lies in no eighth."""

_jit = numba.njit(cache=True, nogil=True)


@_jit
def find_pieces(labels, slot, runs, sums, top, left, y0, x0, reach):  # type: ignore[no-untyped-def]
    """Part the rim pixels of a block's core by cell, sector and the cells within reach.

    Parameters
    ----------
    labels
        Labels of block and halo, int32.
    slot
        Compartments of the core, of which the second bit is the rim.
    runs
        Runs of the core, as in :mod:`immunescape.measure._kernels`.
    sums
        ``(n_found, 3)`` int64: pixels, Σx and Σy of each label on the whole plane.
    top, left, y0, x0
        Where the core lies within ``labels``, and in the whole plane.
    reach
        For each row offset from ``-k`` to ``k`` the largest column offset at which another cell
        is within reach.

    Returns
    -------
    at, piece
        For each rim pixel its place in the core, row by row, and its piece; int32.
    cell, sector
        Of each piece the position of its label and the number of its sector.
    start, near
        Piece ``p`` is within reach of the labels ``near[start[p]:start[p + 1]]``, ascending.
    """
    rows, columns = labels.shape
    width = slot.shape[1]
    k = len(reach) // 2
    end = _run_ends(labels)
    n_rim = 0
    for value in slot.ravel():
        n_rim += value >> 1 & 1
    # The slot of the background is a multiple of four: it is never taken for a rim.
    at = np.empty(n_rim, np.int32)
    piece = np.empty(n_rim, np.int32)
    first = np.full(len(sums), -1, np.int32)
    above = np.full(width, -1, np.int32)
    room = 1024
    following = np.empty(room, np.int32)
    cell = np.empty(room, np.int32)
    sector = np.empty(room, np.int8)
    start = np.zeros(room + 1, np.int64)
    keys = np.empty(room, np.int64)  # equal for equal pieces, so that few need a closer look
    near = np.empty(4 * room, np.int32)
    seen = np.empty((2 * k + 1) * (2 * reach.max() + 1) + 1, np.int32)
    n = 0
    r = 0
    for run in range(len(runs)):
        y = runs[run, 0]
        own = runs[run, 3]
        label = labels[top + y, left + runs[run, 1]]
        last = np.int32(-1)
        for x in range(runs[run, 1], runs[run, 2]):
            if not slot[y, x] >> 1 & 1:
                continue
            n_seen = 0
            before = np.int32(0)
            for dy in range(max(-k, -(top + y)), min(k, rows - 1 - top - y) + 1):
                row = np.uint64(top + y + dy)  # unsigned: no test for an index from the end
                to = min(left + x + reach[dy + k], columns - 1)
                column = max(left + x - reach[dy + k], 0)
                while column <= to:
                    other = labels[row, np.uint64(column)]
                    if other > 0 and other != label and other != before:
                        n_seen = _insert(seen, n_seen, other)
                        before = other
                    column = np.int64(end[row, np.uint64(column)])
            eighth = _sector(sums[own, 0] * (x + x0) - sums[own, 1],
                             sums[own, 0] * (y + y0) - sums[own, 2])  # fmt: skip
            key = np.int64(eighth)
            for i in range(n_seen):
                key += (np.int64(seen[i]) * 2654435761) << 4
            # Most pixels belong to the piece of the one before, or of the one above.
            found = np.int32(-1)
            for guess in (last, above[x]):
                if found < 0 and guess >= 0 and cell[guess] == own and keys[guess] == key:
                    if _same(guess, eighth, seen, n_seen, sector, start, near):
                        found = guess
            if found < 0:
                found = first[own]
                while found >= 0 and not (
                    keys[found] == key and _same(found, eighth, seen, n_seen, sector, start, near)
                ):
                    found = following[found]
            if found < 0:
                if n == room:
                    room *= 2
                    following = _longer(following, room)
                    cell = _longer(cell, room)
                    sector = _longer(sector, room)
                    start = _longer(start, room + 1)
                    keys = _longer(keys, room)
                while start[n] + n_seen > len(near):
                    near = _longer(near, 2 * len(near))
                found = np.int32(n)
                n += 1
                cell[found] = own
                keys[found] = key
                sector[found] = eighth
                for i in range(n_seen):
                    near[start[found] + i] = seen[i]
                start[n] = start[found] + n_seen
                following[found] = first[own]
                first[own] = found
            at[r] = y * width + x
            piece[r] = found
            above[x] = found
            last = np.int32(found)
            r += 1
    return at, piece, cell[:n].copy(), sector[:n].copy(), start[: n + 1].copy(), near[: start[n]]


@_jit
def _run_ends(labels):  # type: ignore[no-untyped-def]
    """Return for each pixel the column at which the run of its label in its row has ended."""
    rows, columns = labels.shape
    end = np.empty((rows, columns), np.int32)
    for y in range(rows):
        stop = np.int32(columns)
        for x in range(columns - 1, -1, -1):
            if x < columns - 1 and labels[y, x] != labels[y, x + 1]:
                stop = np.int32(x + 1)
            end[y, x] = stop
    return end


@_jit
def _insert(values, n, value):  # type: ignore[no-untyped-def]
    """Insert a value into the first ``n``, ascending and once each; return the new ``n``."""
    i = n
    while i > 0 and values[i - 1] > value:
        i -= 1
    if i > 0 and values[i - 1] == value:
        return n
    for j in range(n, i, -1):
        values[j] = values[j - 1]
    values[i] = value
    return n + 1


@_jit
def _same(piece, eighth, seen, n_seen, sector, start, near):  # type: ignore[no-untyped-def]
    """Tell whether a piece has that sector and those cells within reach."""
    begin = start[piece]
    if sector[piece] != eighth or start[piece + 1] - begin != n_seen:
        return False
    for i in range(n_seen):
        if near[begin + i] != seen[i]:
            return False
    return True


@_jit
def _longer(values, size):  # type: ignore[no-untyped-def]
    larger = np.empty(size, values.dtype)
    for i in range(len(values)):  # a slice would take long to compile
        larger[i] = values[i]
    return larger


@_jit
def _sector(u, v):  # type: ignore[no-untyped-def]
    """Return the eighth of the circle that holds a direction; an eighth owns its first side."""
    if u == 0 and v == 0:
        return np.int8(8)
    if v >= 0 and u > 0:
        return np.int8(1 if v >= u else 0)
    if v > 0:
        return np.int8(3 if -u >= v else 2)
    if u < 0:
        return np.int8(5 if v <= u else 4)
    return np.int8(7 if u >= -v else 6)


@_jit
def sum_pieces(values, piece, n):  # type: ignore[no-untyped-def]
    """Add up the values of each piece, leaving NaN out; return sums and how many were added."""
    total = np.zeros(n, np.float64)
    count = np.zeros(n, np.int32)
    for r in range(len(values)):
        if values[r] == values[r]:
            total[piece[r]] += values[r]
            count[piece[r]] += 1
    return total, count


@_jit
def quantiles(values, owner, n, share):  # type: ignore[no-untyped-def]
    """Return a quantile of the values of each owner, leaving NaN out.

    Parameters
    ----------
    values, owner
        Values in any order and whose they are, ``0 <= owner < n``; others are passed over.
    n
        Number of owners.
    share
        Of the way from the least value to the largest, between whose neighbours is interpolated.

    Returns
    -------
    numpy.ndarray
        ``(n,)`` float64; NaN for an owner without values.
    """
    begin = np.zeros(n + 1, np.int64)
    for r in range(len(values)):
        if 0 <= owner[r] < n and values[r] == values[r]:
            begin[owner[r] + 1] += 1
    for k in range(n):
        begin[k + 1] += begin[k]
    fill = begin[:-1].copy()
    grouped = np.empty(begin[n], values.dtype)
    for r in range(len(values)):
        if 0 <= owner[r] < n and values[r] == values[r]:
            grouped[fill[owner[r]]] = values[r]
            fill[owner[r]] += 1
    result = np.full(n, np.nan)
    for k in range(n):
        mine = grouped[begin[k] : begin[k + 1]]
        if not len(mine):
            continue
        place = share * (len(mine) - 1)
        low = int(place)
        _select(mine, low)
        below = np.float64(mine[low])
        result[k] = below
        if low + 1 < len(mine):
            above = np.float64(mine[low + 1 :].min())
            result[k] = below + (above - below) * (place - low)
    return result


@_jit
def _select(values, k):  # type: ignore[no-untyped-def]
    """Reorder values so that the k-th least stands at k, none larger before it."""
    low, high = 0, len(values) - 1
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if k <= j:
            high = j
        elif k >= i:
            low = i
        else:
            return
