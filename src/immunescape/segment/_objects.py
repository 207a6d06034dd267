"""The objects of a label image: the box around each, and sharing them out among threads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["as_labels", "find_boxes", "share_out", "thread_count"]

_MOST_THREADS = 8
_PIXELS_A_THREAD = 1 << 16
_CUTS_A_THREAD = 8


def as_labels(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int32], int]:
    """Return the labels as contiguous int32, the array itself where it is, and the highest."""
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    return labels, int(labels.max(initial=0))


def thread_count(threads: int, pixels: int) -> int:
    """Return how many threads to use for a plane: the number asked for, of 0 a fitting one.

    A thread is not worth its start for fewer than 65,536 pixels. There are no more than processors
    that the program may use, or than ``NUMBA_NUM_THREADS`` says.
    """
    if threads > 0:
        return threads
    there = int(numba.config.NUMBA_NUM_THREADS)
    return max(1, min(there, _MOST_THREADS, pixels // _PIXELS_A_THREAD))


def share_out(
    function: Callable[[int, int], None], work: npt.NDArray[np.floating[Any]], threads: int
) -> None:
    """Call ``function(first, last)`` for ranges of items that cover all of them.

    Parameters
    ----------
    function
        Works on the items ``first <= i < last``; must release the interpreter to gain anything.
    work
        ``(n,)``, how much work each item is.
    threads
        How many run at once; one calls the function once, in this thread.
    """
    if threads == 1 or len(work) < 2:
        function(0, len(work))
        return
    done = np.cumsum(work)
    cuts = np.searchsorted(done, np.linspace(0, done[-1], threads * _CUTS_A_THREAD + 1)[1:-1])
    edges = np.unique(np.r_[0, cuts, len(work)])
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(function, edges[:-1].tolist(), edges[1:].tolist()))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def find_boxes(labels: Any, top: int) -> Any:
    """Return ``(top + 1, 4)``: first row, row after the last, first column, column after the last.

    The box of a label that is not there ends where it starts, and so does that of 0.
    """
    height, width = labels.shape
    boxes = np.zeros((top + 1, 4), dtype=np.int64)
    for y in range(height):
        x = 0
        while x < width:
            k = labels[y, x]
            start = x
            x += 1
            while x < width and labels[y, x] == k:
                x += 1
            if k > 0:
                if boxes[k, 1] == 0:
                    boxes[k, 0] = y
                    boxes[k, 2] = start
                boxes[k, 1] = y + 1
                boxes[k, 2] = min(boxes[k, 2], start)
                boxes[k, 3] = max(boxes[k, 3], x)
    return boxes
