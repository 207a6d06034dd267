"""Nuclei are where many pixels end: Cellpose's mask step, on those ends alone."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["gather"]

_PEAK = 10
_ENOUGH = 2
_APART = 2
_REACH = 5
_WINDOW = 2 * _REACH + 1


def gather(
    starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.int32], int]:
    """Label the pixels that end together.

    Parameters
    ----------
    starts, ends
        ``(n,)`` pixels, ``y * width + x``; the starts ascend.
    shape
        Of the plane, ``(height, width)``.

    Returns
    -------
    tuple of numpy.ndarray and int
        ``(y, x)`` int32, labels 1 to n in row order of their first pixels, and n.

    Notes
    -----
    A peak is a pixel where more than 10 end and no more do within 2 pixels of it, equal ones both
    being peaks. It takes in the pixels with more than 2 ends within 5 steps, corners included;
    what two peaks reach goes to the higher, of equals to the later in row order (an order that
    Cellpose leaves open). Pixels that end elsewhere stay background.
    """
    height, width = shape
    labels = np.zeros(height * width, dtype=np.int32)
    slots = np.zeros(height * width, dtype=np.int32)
    pixels, count = _count(ends, slots)
    peaks = np.flatnonzero(_peaks(pixels, count, slots, height, width))
    peaks = peaks[np.lexsort((pixels[peaks], count[peaks]))]
    owner = _extend(peaks, pixels, count, slots, height, width)
    found = _number(starts, ends, slots, owner, len(peaks), labels)
    return labels.reshape(shape), int(found)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _count(ends: Any, slots: Any) -> Any:
    """Give every pixel where something ends a slot above 0; return its pixel and how many end."""
    pixels = np.zeros(len(ends) + 1, dtype=np.int64)
    count = np.zeros(len(ends) + 1, dtype=np.int64)
    used = 0
    for i in range(len(ends)):
        slot = slots[ends[i]]
        if slot == 0:
            used += 1
            slot = used
            slots[ends[i]] = slot
            pixels[slot] = ends[i]
        count[slot] += 1
    return pixels[: used + 1], count[: used + 1]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _peaks(pixels: Any, count: Any, slots: Any, height: int, width: int) -> Any:
    peak = np.zeros(len(count), dtype=np.bool_)
    for slot in range(1, len(count)):
        if count[slot] <= _PEAK:
            continue
        y, x = pixels[slot] // width, pixels[slot] % width
        most = 0
        for b in range(max(y - _APART, 0), min(y + _APART + 1, height)):
            for a in range(max(x - _APART, 0), min(x + _APART + 1, width)):
                most = max(most, count[slots[b * width + a]])
        peak[slot] = count[slot] == most
    return peak


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _extend(peaks: Any, pixels: Any, count: Any, slots: Any, height: int, width: int) -> Any:
    """Return the peak, counted from 1, that each slot belongs to; a later peak takes all."""
    owner = np.zeros(len(count), dtype=np.int32)
    taken = np.zeros(len(count), dtype=np.int32)
    queue = np.empty(_WINDOW * _WINDOW, dtype=np.int64)
    for rank in range(1, len(peaks) + 1):
        queue[0] = peaks[rank - 1]
        taken[queue[0]] = rank
        first, last = 0, 1
        for _ in range(_REACH):
            stop = last
            while first < stop:
                pixel = pixels[queue[first]]
                first += 1
                y, x = pixel // width, pixel % width
                for b in range(max(y - 1, 0), min(y + 2, height)):
                    for a in range(max(x - 1, 0), min(x + 2, width)):
                        slot = slots[b * width + a]
                        if count[slot] > _ENOUGH and taken[slot] != rank:
                            taken[slot] = rank
                            queue[last] = slot
                            last += 1
        for i in range(last):
            owner[queue[i]] = rank
    return owner


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _number(starts: Any, ends: Any, slots: Any, owner: Any, peaks: int, labels: Any) -> int:
    fresh = np.zeros(peaks + 1, dtype=np.int32)
    found = 0
    for i in range(len(starts)):
        rank = owner[slots[ends[i]]]
        if rank > 0:
            if fresh[rank] == 0:
                found += 1
                fresh[rank] = found
            labels[starts[i]] = fresh[rank]
    return found
