"""The compiled loop of growing, apart because loading the compiler takes time."""

from typing import Any

import numba
import numpy as np

__all__ = ["grow"]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def grow(
    labels: Any, out: Any, top: int, left: int, dy: Any, dx: Any, squared: Any, first: Any
) -> None:
    """Give each pixel of a block the nearest label, the lowest of equally near ones."""
    height, width = labels.shape
    steps = _chessboard(labels)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y = top + i
            x = left + j
            found = labels[y, x]
            # No label is nearer than its chessboard distance.
            if found == 0 and steps[y, x] < len(first):
                nearest = -1
                for k in range(first[steps[y, x]], len(dy)):
                    if nearest >= 0 and squared[k] > nearest:
                        break
                    r = y + dy[k]
                    c = x + dx[k]
                    if 0 <= r < height and 0 <= c < width:
                        other = labels[r, c]
                        if other > 0 and (found == 0 or other < found):
                            found = other
                            nearest = squared[k]
            out[i, j] = found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _chessboard(labels: Any) -> Any:
    """Return the moves of a king to the nearest label."""
    height, width = labels.shape
    steps = np.full((height, width), height + width, dtype=np.int64)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                steps[y, x] = 0
                continue
            least = steps[y, x - 1] if x > 0 else height + width
            if y > 0:
                for c in range(max(x - 1, 0), min(x + 2, width)):
                    least = min(least, steps[y - 1, c])
            steps[y, x] = least + 1
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            least = steps[y, x + 1] if x + 1 < width else height + width
            if y + 1 < height:
                for c in range(max(x - 1, 0), min(x + 2, width)):
                    least = min(least, steps[y + 1, c])
            steps[y, x] = min(steps[y, x], least + 1)
    return steps
