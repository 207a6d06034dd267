"""The compiled loop that finds the edges between labels of one block."""

import numba
import numpy as np

__all__ = ["emit_edges"]


@numba.njit(cache=True, nogil=True)
def emit_edges(labels, top, left, gap_px):  # type: ignore[no-untyped-def]
    """Return one packed pair an edge whose lower or right pixel lies from (top, left) on."""
    height, width = labels.shape
    out = np.empty(4096, np.int64)
    n = 0
    above = np.zeros(width, np.int32)
    above_y = np.zeros(width, np.int64)
    for y in range(height):
        before = np.int32(0)
        before_x = 0
        if n + 2 * width > out.size:
            larger = np.empty(2 * out.size + 2 * width, np.int64)
            for i in range(n):  # a slice would take long to compile
                larger[i] = out[i]
            out = larger
        for x in range(width):
            label = labels[y, x]
            if label <= 0:
                continue
            if y >= top and x >= left:
                if before > 0 and before != label and x - before_x - 1 <= gap_px:
                    out[n] = _pack(before, label)
                    n += 1
                other = above[x]
                if other > 0 and other != label and y - above_y[x] - 1 <= gap_px:
                    out[n] = _pack(other, label)
                    n += 1
            before = label
            before_x = x
            above[x] = label
            above_y[x] = y
    return out[:n].copy()


@numba.njit(cache=True, nogil=True, inline="always")
def _pack(a, b):  # type: ignore[no-untyped-def]
    return (np.int64(min(a, b)) << 32) | np.int64(max(a, b))
