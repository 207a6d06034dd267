"""Flows of a label image: the field that leads every pixel of a nucleus to its centre.

The definition is Cellpose's (heat spreads from the centre of each object; the flow is the
direction in which it rises), computed object by object in its own bounding box.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from immunescape.segment._objects import as_labels, find_boxes, share_out, thread_count

__all__ = ["NETWORK_SCALE", "flow_errors", "label_flows"]

NETWORK_SCALE = 5.0
"""A network gives the unit flow times this."""


def label_flows(labels: npt.NDArray[Any], *, threads: int = 0) -> npt.NDArray[np.float32]:
    """Return the unit flow of every labelled pixel.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background; labels need not be consecutive.
    threads
        How many to use, 0 for as many as there are processors and work for; the flow is the same.

    Returns
    -------
    numpy.ndarray
        ``(2, y, x)`` float32: along y, along x. Background is 0, and so is any pixel from which
        the heat rises nowhere.

    Notes
    -----
    The centre is the pixel of the object nearest to its centroid; of several equally near ones
    the first in row order. An object in several pieces leads only the pieces that touch, corners
    included, the one with the centre.
    """
    labels, top = as_labels(labels)
    flows = np.zeros((2, *labels.shape), dtype=np.float32)
    if top:
        boxes = find_boxes(labels, top)
        share_out(
            lambda first, last: _flow_objects(labels, boxes, first, last, flows),
            _work(boxes),
            thread_count(threads, labels.size),
        )
    return flows


def flow_errors(
    labels: npt.NDArray[Any], flows: npt.NDArray[np.floating[Any]], *, threads: int = 0
) -> npt.NDArray[np.float64]:
    """Return how badly each object agrees with the flows that it was found from.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background.
    flows
        ``(2, y, x)`` as a network gives them: five times the unit flow. What is not finite counts
        as 0.
    threads
        How many to use, 0 for as many as there are processors and work for; errors are the same.

    Returns
    -------
    numpy.ndarray
        Mean squared distance between the flow of the object's own shape and the network's, indexed
        by label; 0 where no object has that label.
    """
    labels, top = as_labels(labels)
    flows = np.asarray(flows, dtype=np.float32)
    errors = np.zeros(top + 1, dtype=np.float64)
    if top:
        boxes = find_boxes(labels, top)
        share_out(
            lambda first, last: _compare_objects(labels, boxes, first, last, flows, errors),
            _work(boxes),
            thread_count(threads, labels.size),
        )
    return errors


def _work(boxes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return how long the heat of each object takes to spread: pixels of its box times steps."""
    height, width = boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 2]
    return np.asarray((height + 2) * (width + 1) * (height + width + 2), dtype=np.float64)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _flow_objects(labels: Any, boxes: Any, first: int, last: int, flows: Any) -> None:
    """Write the flows of the objects ``first <= k < last``."""
    buffers = _buffers(boxes, first, last)
    for k in range(first, last):
        y0, y1, x0, x1 = boxes[k]
        if y1 <= y0:
            continue
        heat, share, _ = _heat(labels, boxes, k, buffers)
        stride = x1 - x0 + 1
        for y in range(y0, y1):
            for x in range(x0, x1):
                i = (y - y0 + 1) * stride + x - x0 + 1
                if share[i] > 0:
                    flows[0, y, x], flows[1, y, x] = _rise(heat, i, stride)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _compare_objects(
    labels: Any, boxes: Any, first: int, last: int, flows: Any, errors: Any
) -> None:
    """Write the errors of the objects ``first <= k < last``."""
    buffers = _buffers(boxes, first, last)
    for k in range(first, last):
        y0, y1, x0, x1 = boxes[k]
        if y1 <= y0:
            continue
        heat, share, count = _heat(labels, boxes, k, buffers)
        stride = x1 - x0 + 1
        total = 0.0
        for y in range(y0, y1):
            for x in range(x0, x1):
                i = (y - y0 + 1) * stride + x - x0 + 1
                if share[i] > 0:
                    dy, dx = _rise(heat, i, stride)
                    if np.isfinite(flows[0, y, x]):
                        dy -= flows[0, y, x] / NETWORK_SCALE
                    if np.isfinite(flows[1, y, x]):
                        dx -= flows[1, y, x] / NETWORK_SCALE
                    total += dy * dy + dx * dx
        errors[k] = total / count


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _buffers(boxes: Any, first: int, last: int) -> Any:
    """Make room for the heat of the largest of some objects: see ``_heat``."""
    most = 0
    for k in range(first, last):
        height, width = boxes[k, 1] - boxes[k, 0], boxes[k, 3] - boxes[k, 2]
        most = max(most, (height + 2) * (width + 1) + 1)
    return np.empty((3, most), dtype=np.float64)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _heat(labels: Any, boxes: Any, k: int, buffers: Any) -> Any:
    """Return the heat of one object, what is not 0 inside of it, and how many pixels it has.

    Both are flat: rows of the box, one empty row above and one below, and an empty column that
    parts each row from the next. So a step runs along memory without regard to rows.
    """
    y0, y1, x0, x1 = boxes[k]
    height, width = y1 - y0, x1 - x0
    stride = width + 1
    size = (height + 2) * stride + 1
    heat, share, columns = buffers[0, :size], buffers[1, :size], buffers[2, :size]
    heat[:] = 0.0
    share[:] = 0.0
    count = 0
    sum_y = 0
    sum_x = 0
    for y in range(height):
        for x in range(width):
            if labels[y0 + y, x0 + x] == k:
                share[(y + 1) * stride + x + 1] = 1.0 / 9.0
                count += 1
                sum_y += y
                sum_x += x
    nearest = np.inf
    centre = 0
    for y in range(height):
        for x in range(width):
            i = (y + 1) * stride + x + 1
            if share[i] > 0:
                away = (y - sum_y / count) ** 2 + (x - sum_x / count) ** 2
                if away < nearest:
                    nearest = away
                    centre = i
    n = height * stride + 1
    above, here, below = heat[:n], heat[stride : stride + n], heat[2 * stride : 2 * stride + n]
    inner = slice(stride + 1, stride + n - 1)
    for _ in range(2 * (height + width + 2)):
        heat[centre] += 1.0
        _add_rows(above, here, below, columns[:n])
        _add_columns(columns[: n - 2], columns[1 : n - 1], columns[2:n], share[inner], heat[inner])
    return heat, share, count


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _add_rows(above: Any, here: Any, below: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = above[i] + below[i] + here[i]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _add_columns(left: Any, here: Any, right: Any, share: Any, out: Any) -> None:
    for i in range(out.size):
        out[i] = share[i] * (left[i] + right[i] + here[i])


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _rise(heat: Any, i: int, stride: int) -> Any:
    """Return the direction in which the heat rises at one pixel, along y and x."""
    dy = heat[i + stride] - heat[i - stride]
    dx = heat[i + 1] - heat[i - 1]
    length = np.sqrt(dy * dy + dx * dx)
    # Less than this share of the heat itself is rounding, as at the centre.
    if length > 1e-9 * heat[i]:
        return dy / length, dx / length
    return 0.0, 0.0
