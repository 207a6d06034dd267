"""Compiled loops over small squares of pixels: their stain, what is near them, what is in them."""

from typing import Any

import numba
import numpy as np

__all__ = ["add_up", "beyond", "collect", "mean_bins", "opened"]

_jit = numba.njit(cache=True, nogil=True)


@_jit  # type: ignore[untyped-decorator]
def mean_bins(stain: Any, labels: Any, edge: int) -> Any:  # pragma: no cover - compiled
    """Return mean stain, number of labelled pixels and the middle pixel's label of each square.

    Squares of ``edge`` pixels are anchored at the first pixel; the last of a row or column may be
    cut, and its middle is then that of the rest.
    """
    height, width = labels.shape
    rows, columns = -(-height // edge), -(-width // edge)
    mean = np.zeros((rows, columns), np.float32)
    covered = np.zeros((rows, columns), np.int32)
    middle = np.zeros((rows, columns), np.int64)
    for i in range(rows):
        y0, y1 = i * edge, min((i + 1) * edge, height)
        for j in range(columns):
            x0, x1 = j * edge, min((j + 1) * edge, width)
            total = 0.0
            inside = 0
            for y in range(y0, y1):
                for x in range(x0, x1):
                    total += stain[y, x]
                    inside += labels[y, x] != 0
            mean[i, j] = total / ((y1 - y0) * (x1 - x0))
            covered[i, j] = inside
            middle[i, j] = labels[(y0 + y1) // 2, (x0 + x1) // 2]
    return mean, covered, middle


@_jit  # type: ignore[untyped-decorator]
def beyond(mask: Any, reach: float, asked: Any) -> Any:  # pragma: no cover - compiled
    """Tell which of the cells asked for lie farther than ``reach`` from a set one, by middles."""
    rows, columns = mask.shape
    far = int(np.floor(reach))
    limit = reach * reach + 1e-9
    none = far + 1
    up = np.empty((rows, columns), np.int32)
    for j in range(columns):
        up[0, j] = 0 if mask[0, j] else none
    for i in range(1, rows):
        for j in range(columns):
            up[i, j] = 0 if mask[i, j] else min(up[i - 1, j] + 1, none)
    for i in range(rows - 2, -1, -1):
        for j in range(columns):
            up[i, j] = min(up[i, j], up[i + 1, j] + 1)
    found = np.zeros((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            if not asked[i, j]:
                continue
            alone = True
            for k in range(far + 1):
                left = up[i, j - k] if j >= k else none
                right = up[i, j + k] if j + k < columns else none
                least = min(left, right)
                if least < none and least * least + k * k <= limit:
                    alone = False
                    break
            found[i, j] = alone
    return found


@_jit  # type: ignore[untyped-decorator]
def opened(mask: Any, edge: int) -> Any:  # pragma: no cover - compiled
    """Return the parts of a mask into which a square of ``edge`` cells fits."""
    rows, columns = mask.shape
    kept = np.zeros((rows, columns), np.bool_)
    for i in range(rows - edge + 1):
        for j in range(columns - edge + 1):
            fits = True
            for k in range(edge * edge):
                if not mask[i + k // edge, j + k % edge]:
                    fits = False
                    break
            if fits:
                for k in range(edge * edge):
                    kept[i + k // edge, j + k % edge] = True
    return kept


@_jit  # type: ignore[untyped-decorator]
def add_up(
    masks: Any, pixels_down: Any, pixels_across: Any, row: Any, column: Any, sums: Any
) -> None:  # pragma: no cover - compiled
    """Add the pixels of each of ``(k, i, j)`` masks to ``sums[k, row[i], column[j]]``."""
    kinds, rows, columns = masks.shape
    for k in range(kinds):
        for i in range(rows):
            for j in range(columns):
                if masks[k, i, j]:
                    sums[k, row[i], column[j]] += pixels_down[i] * pixels_across[j]


@_jit  # type: ignore[untyped-decorator]
def collect(
    stain: Any, tissue: Any, row: Any, column: Any, stain_sum: Any, tissue_sum: Any, count: Any
) -> None:  # pragma: no cover - compiled
    """Add stain, tissue and number of squares to the cells of a coarser raster."""
    rows, columns = tissue.shape
    for i in range(rows):
        for j in range(columns):
            stain_sum[row[i], column[j]] += stain[i, j]
            tissue_sum[row[i], column[j]] += tissue[i, j]
            count[row[i], column[j]] += 1
