"""Moving points along a field, several at a time so that the processor need not wait."""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from immunescape.segment._objects import share_out, thread_count
from immunescape.segment.flows import NETWORK_SCALE

__all__ = ["Padded", "pad_field", "pad_flows", "walk"]

Padded = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""A field along y and along x, each with a row and a column more than the plane."""

_STEPS = 150
_STILL = np.float32(1e-3)
_LANES = 8
_ROUND = np.float32(0.5)
_LARGEST = np.float32(1e30)


def pad_flows(
    flows: npt.NDArray[np.float32], cellprob_threshold: float, threads: int = 0
) -> tuple[Padded, npt.NDArray[np.bool_]]:
    """Return the field that a network's output means, 0 outside, and what is inside.

    Parameters
    ----------
    flows
        ``(3, y, x)`` contiguous, as in ``masks_from_flows``.
    cellprob_threshold
        Pixels with a logit above it are inside, if all three numbers are finite.
    threads
        How many to use, 0 for a fitting number.
    """
    _, height, width = flows.shape
    dy = np.zeros((height + 1, width + 1), dtype=np.float32)
    dx = np.zeros((height + 1, width + 1), dtype=np.float32)
    inside = np.empty((height, width), dtype=np.bool_)

    def fill(first: int, last: int) -> None:
        rows = slice(first, last)
        _fill(*flows[:, rows], cellprob_threshold, dy[rows], dx[rows], inside[rows])

    share_out(fill, np.ones(height), thread_count(threads, height * width))
    return (dy, dx), inside


def pad_field(field: npt.NDArray[np.floating[Any]]) -> Padded:
    """Return a ``(2, y, x)`` field as ``walk`` needs it; not a number counts as 0."""
    clean = np.nan_to_num(np.asarray(field, dtype=np.float32)).clip(-_LARGEST, _LARGEST)
    dy, dx = np.pad(clean, ((0, 0), (0, 1), (0, 1)))
    return dy, dx


def walk(field: Padded, starts: npt.NDArray[np.int64], threads: int = 0) -> npt.NDArray[np.int64]:
    """Return the pixel, ``y * width + x`` in the plane, where each start comes to rest."""
    dy, dx = field
    ends = np.empty(len(starts), dtype=np.int64)
    threads = thread_count(threads, len(starts))
    # Neighbours rest after about as many steps: a batch stays together.
    batches = -(-len(starts) // _LANES)
    share_out(
        lambda first, last: _walk(
            dy, dx, starts[first * _LANES : last * _LANES], ends[first * _LANES : last * _LANES]
        ),
        np.ones(batches),
        threads,
    )
    return ends


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _fill(fy: Any, fx: Any, logit: Any, threshold: float, dy: Any, dx: Any, inside: Any) -> None:
    for y in range(inside.shape[0]):
        for x in range(inside.shape[1]):
            # What is not a number is not below; steps must not overflow between pixels.
            known = abs(fy[y, x]) + abs(fx[y, x]) < _LARGEST and logit[y, x] < np.inf
            there = known and logit[y, x] > threshold
            inside[y, x] = there
            if there:
                dy[y, x] = fy[y, x] / NETWORK_SCALE
                dx[y, x] = fx[y, x] / NETWORK_SCALE


@numba.njit(cache=True, nogil=True, fastmath={"contract"})  # type: ignore[untyped-decorator]
def _walk(dy: Any, dx: Any, starts: Any, ends: Any) -> None:
    """Write the ends of some starts; each is computed as if it were alone."""
    stride = dy.shape[1]
    width = stride - 1
    zero, one = np.float32(0), np.float32(1)
    bottom, right = np.float32(dy.shape[0] - 2), np.float32(stride - 2)
    flat_y, flat_x = dy.ravel(), dx.ravel()
    ys = np.zeros(_LANES, dtype=np.float32)
    xs = np.zeros(_LANES, dtype=np.float32)
    going = np.zeros(_LANES, dtype=np.float32)
    for i in range(0, len(starts), _LANES):
        many = min(_LANES, len(starts) - i)
        for j in range(_LANES):
            start = starts[i + min(j, many - 1)]
            ys[j] = start // width
            xs[j] = start % width
            going[j] = one
        for _ in range(_STEPS):
            moving = zero
            for j in range(_LANES):
                y = ys[j]
                x = xs[j]
                a = np.int32(y)
                b = np.int32(x)
                u = y - np.float32(a)
                v = x - np.float32(b)
                # Unsigned, so that no index is taken as counted from the end.
                k = np.uint64(np.int64(a) * stride + b)
                k_right = k + np.uint64(1)
                k_below = k + np.uint64(stride)
                k_both = k_below + np.uint64(1)
                upper = flat_y[k] + v * (flat_y[k_right] - flat_y[k])
                lower = flat_y[k_below] + v * (flat_y[k_both] - flat_y[k_below])
                step_y = (upper + u * (lower - upper)) * going[j]
                upper = flat_x[k] + v * (flat_x[k_right] - flat_x[k])
                lower = flat_x[k_below] + v * (flat_x[k_both] - flat_x[k_below])
                step_x = (upper + u * (lower - upper)) * going[j]
                ys[j] = min(max(y + step_y, zero), bottom)
                xs[j] = min(max(x + step_x, zero), right)
                far = step_y * step_y + step_x * step_x >= _STILL * _STILL
                going[j] = one if far else zero
                moving += going[j]
            if moving == zero:
                break
        for j in range(many):
            ends[i + j] = np.int64(ys[j] + _ROUND) * width + np.int64(xs[j] + _ROUND)
