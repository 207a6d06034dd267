"""Convex hulls of labels in whole numbers: corners of a block's parts, then areas once merged."""

import numba
import numpy as np

__all__ = ["convex_areas", "hull_points"]

_jit = numba.njit(cache=True, nogil=True)


@_jit
def _half_hull(rows, columns, n, side, out):  # type: ignore[no-untyped-def]
    """Write the indices of the corners of a left (side 1) or right (side -1) hull; count them.

    ``rows`` rise strictly; ``columns`` holds the outermost point of each.
    """
    m = 0
    for i in range(n):
        while m >= 2:
            p, q = out[m - 2], out[m - 1]
            cross = (rows[q] - rows[p]) * (columns[i] - columns[p]) - (columns[q] - columns[p]) * (
                rows[i] - rows[p]
            )
            if side * cross > 0:
                break
            m -= 1
        out[m] = i
        m += 1
    return m


@_jit
def hull_points(runs, n_found, y0, x0):  # type: ignore[no-untyped-def]
    """Return the corners of the convex hull of each label's part in a block.

    Every pixel stands for the middles of its four edges. Coordinates are those of the whole
    plane times two, therefore whole numbers.

    Returns
    -------
    points
        ``(p, 3)`` int64: position of the label, doubled row, doubled column.
    """
    start = np.zeros(n_found + 1, np.int64)
    for r in range(len(runs)):
        start[runs[r, 3] + 1] += 1
    start = np.cumsum(start)
    order = np.empty(len(runs), np.int64)
    fill = start[:-1].copy()
    for r in range(len(runs)):
        k = runs[r, 3]
        order[fill[k]] = r
        fill[k] += 1
    longest = 0
    for k in range(n_found):
        longest = max(longest, start[k + 1] - start[k])
    # The half rows above, through and below each pixel row: at most three a run.
    rows = np.empty(3 * longest + 3, np.int64)
    low = np.empty(3 * longest + 3, np.int64)
    high = np.empty(3 * longest + 3, np.int64)
    corners = np.empty(3 * longest + 3, np.int64)
    out = np.empty((16 * n_found + 64, 3), np.int64)
    n_out = 0
    for k in range(n_found):
        n = 0
        i = start[k]
        while i < start[k + 1]:
            y = runs[order[i], 0]
            a = runs[order[i], 1]
            b = runs[order[i], 2]
            i += 1
            while i < start[k + 1] and runs[order[i], 0] == y:
                b = runs[order[i], 2]
                i += 1
            yy = 2 * np.int64(y + y0)
            aa = 2 * np.int64(a + x0)
            bb = 2 * np.int64(b - 1 + x0)
            if n > 0 and rows[n - 1] == yy - 1:
                low[n - 1] = min(low[n - 1], aa)
                high[n - 1] = max(high[n - 1], bb)
            else:
                rows[n], low[n], high[n] = yy - 1, aa, bb
                n += 1
            rows[n], low[n], high[n] = yy, aa - 1, bb + 1
            n += 1
            rows[n], low[n], high[n] = yy + 1, aa, bb
            n += 1
        if n_out + 2 * n > len(out):
            larger = np.empty((2 * len(out) + 2 * n, 3), np.int64)
            for j in range(n_out):  # a slice would take seconds to compile
                larger[j, 0], larger[j, 1], larger[j, 2] = out[j, 0], out[j, 1], out[j, 2]
            out = larger
        m = _half_hull(rows, low, n, 1, corners)
        for j in range(m):
            out[n_out, 0], out[n_out, 1], out[n_out, 2] = k, rows[corners[j]], low[corners[j]]
            n_out += 1
        m = _half_hull(rows, high, n, -1, corners)
        for j in range(m):
            out[n_out, 0], out[n_out, 1], out[n_out, 2] = k, rows[corners[j]], high[corners[j]]
            n_out += 1
    return out[:n_out].copy()


@_jit
def convex_areas(points, start):  # type: ignore[no-untyped-def]
    """Count the pixels whose centre lies in or on the convex hull of each label's points.

    Parameters
    ----------
    points
        ``(p, 2)`` doubled rows and columns, grouped by label.
    start
        First point of each label, and the number of points at the end.
    """
    areas = np.zeros(len(start) - 1, np.int64)
    longest = 0
    for k in range(len(areas)):
        longest = max(longest, start[k + 1] - start[k])
    rows = np.empty(longest, np.int64)
    low = np.empty(longest, np.int64)
    high = np.empty(longest, np.int64)
    left = np.empty(longest, np.int64)
    right = np.empty(longest, np.int64)
    order = np.empty(longest, np.int64)
    for k in range(len(areas)):
        mine = points[start[k] : start[k + 1]]
        # A few runs of ascending rows: a sort that takes seconds to compile would gain nothing.
        for i in range(len(mine)):
            j = i
            while j > 0 and mine[order[j - 1], 0] > mine[i, 0]:
                order[j] = order[j - 1]
                j -= 1
            order[j] = i
        n = 0
        for i in order[: len(mine)]:
            if n > 0 and rows[n - 1] == mine[i, 0]:
                low[n - 1] = min(low[n - 1], mine[i, 1])
                high[n - 1] = max(high[n - 1], mine[i, 1])
            else:
                rows[n], low[n], high[n] = mine[i, 0], mine[i, 1], mine[i, 1]
                n += 1
        n_left = _half_hull(rows, low, n, 1, left)
        n_right = _half_hull(rows, high, n, -1, right)
        p = 0
        q = 0
        for y in range(rows[0] + 1, rows[n - 1], 2):
            while p < n_left - 2 and rows[left[p + 1]] < y:
                p += 1
            while q < n_right - 2 and rows[right[q + 1]] < y:
                q += 1
            # Twice the column at this row is a fraction; // rounds down, -(-a // b) up.
            i, j = left[p], left[p + 1]
            den = rows[j] - rows[i]
            num = low[i] * den + (low[j] - low[i]) * (y - rows[i])
            first = -((-num) // (2 * den))
            i, j = right[q], right[q + 1]
            den = rows[j] - rows[i]
            num = high[i] * den + (high[j] - high[i]) * (y - rows[i])
            areas[k] += num // (2 * den) - first + 1
    return areas
