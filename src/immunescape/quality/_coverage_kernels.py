"""Compiled loops over small squares of pixels: their stain, what is near them, what is in them."""

from typing import Any

import numba
import numpy as np

__all__ = ["add_up", "collect", "mean_bins", "near", "opened"]

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
def near(mask: Any, reach: float) -> Any:  # pragma: no cover - compiled
    """Tell which cells of a grid lie within ``reach`` of a set one, from middle to middle."""
    rows, columns = mask.shape
    far = int(np.floor(reach))
    limit = reach * reach + 1e-9
    beyond = far + 1
    up = np.empty((rows, columns), np.int32)
    for j in range(columns):
        steps = beyond
        for i in range(rows):
            steps = 0 if mask[i, j] else min(steps + 1, beyond)
            up[i, j] = steps
        steps = beyond
        for i in range(rows - 1, -1, -1):
            steps = 0 if mask[i, j] else min(steps + 1, beyond)
            up[i, j] = min(up[i, j], steps)
    found = np.zeros((rows, columns), np.bool_)
    for i in range(rows):
        for j in range(columns):
            for k in range(far + 1):
                left = up[i, j - k] if j >= k else beyond
                right = up[i, j + k] if j + k < columns else beyond
                least = min(left, right)
                if least * least + k * k <= limit and least < beyond:
                    found[i, j] = True
                    break
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
