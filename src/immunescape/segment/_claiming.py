"""The compiled loop that writes the nuclei one tile saw where no other tile's lie."""

from typing import Any

import numba
import numpy as np

__all__ = ["claim"]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def claim(
    window: Any, y: Any, x: Any, start: Any, same: float, sizes: Any, count: int,
    middles: Any, shared: Any, agreed: Any, written: Any,
) -> int:  # fmt: skip
    """Write nuclei into a window, one after the other.

    Parameters
    ----------
    window
        ``(y, x)`` int32 labels, changed in place.
    y, x, start
        Pixels of all nuclei, and where each begins; one entry more than there are nuclei.
    same
        Two versions that share more than this part of the smaller one are one nucleus.
    sizes
        Pixels of each label written so far, with room for the new ones.
    count
        Labels written so far.
    middles
        ``(n, 2)`` where the middle of each nucleus that is written goes, in the window.
    shared, agreed
        For each nucleus the largest part of the smaller one that it shares with any label there,
        and the same over both together.
    written
        Set for each nucleus that is new.

    Returns
    -------
    int
        Labels written now.
    """
    others = np.empty(16, np.int32)
    common = np.empty(16, np.int64)
    first = count
    for k in range(len(start) - 1):
        n = start[k + 1] - start[k]
        met = 0
        taken = 0
        for i in range(start[k], start[k + 1]):
            label = window[y[i], x[i]]
            if label == 0:
                continue
            taken += 1
            at = 0
            while at < met and others[at] != label:
                at += 1
            if at == met:
                if met == len(others):
                    others = np.append(others, np.empty_like(others))
                    common = np.append(common, np.empty_like(common))
                others[met] = label
                common[met] = 0
                met += 1
            common[at] += 1
        known = False
        for at in range(met):
            size = sizes[others[at]]
            shared[k] = max(shared[k], common[at] / min(n, size))
            agreed[k] = max(agreed[k], common[at] / (n + size - common[at]))
            known |= common[at] > same * min(n, size)
        if known:
            continue
        count += 1
        written[k] = True
        sizes[count] = n - taken
        down = 0
        right = 0
        for i in range(start[k], start[k + 1]):
            down += y[i]
            right += x[i]
            if window[y[i], x[i]] == 0:
                window[y[i], x[i]] = count
        middles[count - first - 1, 0] = down // n
        middles[count - first - 1, 1] = right // n
    return count - first
