"""Flows of a label image: the field that leads every pixel of a nucleus to its centre.

The definition is Cellpose's (heat spreads from the centre of each object; the flow is the
direction in which it rises), computed object by object in its own bounding box.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

__all__ = ["flow_errors", "label_flows"]


def label_flows(labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return the unit flow of every labelled pixel.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background; labels need not be consecutive.

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
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    flows = np.zeros((2, *labels.shape), dtype=np.float32)
    top = int(labels.max(initial=0))
    if top:
        _spread(labels, _boxes(labels, top), flows)
    return flows


def flow_errors(
    labels: npt.NDArray[Any], flows: npt.NDArray[np.floating[Any]]
) -> npt.NDArray[np.float64]:
    """Return how badly each object agrees with the flows that it was found from.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background.
    flows
        ``(2, y, x)`` as a network gives them: five times the unit flow.

    Returns
    -------
    numpy.ndarray
        Mean squared distance between the flow of the object's own shape and the network's, indexed
        by label; 0 where no object has that label.
    """
    labels = np.ascontiguousarray(labels, dtype=np.int32)
    top = int(labels.max(initial=0))
    own = label_flows(labels)
    flat = labels.ravel()
    squared = ((own - np.asarray(flows, dtype=np.float32) / 5.0) ** 2).sum(axis=0).ravel()
    total = np.bincount(flat, weights=squared, minlength=top + 1)
    count = np.bincount(flat, minlength=top + 1)
    errors = total / np.maximum(count, 1)
    errors[0] = 0.0
    return np.asarray(errors, dtype=np.float64)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _boxes(labels: Any, top: int) -> Any:
    boxes = np.empty((top + 1, 4), dtype=np.int64)
    boxes[:, 0] = labels.shape[0]
    boxes[:, 1] = -1
    boxes[:, 2] = labels.shape[1]
    boxes[:, 3] = -1
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            k = labels[y, x]
            if k > 0:
                boxes[k, 0] = min(boxes[k, 0], y)
                boxes[k, 1] = max(boxes[k, 1], y)
                boxes[k, 2] = min(boxes[k, 2], x)
                boxes[k, 3] = max(boxes[k, 3], x)
    return boxes


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _spread(labels: Any, boxes: Any, flows: Any) -> None:
    for k in range(1, boxes.shape[0]):
        y0, y1, x0, x1 = boxes[k, 0], boxes[k, 1] + 1, boxes[k, 2], boxes[k, 3] + 1
        if y1 <= y0:
            continue
        height, width = y1 - y0, x1 - x0
        inside = labels[y0:y1, x0:x1] == k
        count = 0
        sum_y = 0.0
        sum_x = 0.0
        for y in range(height):
            for x in range(width):
                if inside[y, x]:
                    count += 1
                    sum_y += y
                    sum_x += x
        best = np.inf
        cy = 0
        cx = 0
        for y in range(height):
            for x in range(width):
                if inside[y, x]:
                    away = (y - sum_y / count) ** 2 + (x - sum_x / count) ** 2
                    if away < best:
                        best = away
                        cy = y
                        cx = x
        ys = np.empty(count, dtype=np.int64)
        xs = np.empty(count, dtype=np.int64)
        n = 0
        for y in range(height):
            for x in range(width):
                if inside[y, x]:
                    ys[n] = y + 1
                    xs[n] = x + 1
                    n += 1
        heat = np.zeros((height + 2, width + 2), dtype=np.float64)
        fresh = np.zeros(count, dtype=np.float64)
        for _ in range(2 * (height + width + 2)):
            heat[cy + 1, cx + 1] += 1.0
            for i in range(count):
                y = ys[i]
                x = xs[i]
                fresh[i] = (
                    heat[y - 1, x - 1]
                    + heat[y - 1, x]
                    + heat[y - 1, x + 1]
                    + heat[y, x - 1]
                    + heat[y, x]
                    + heat[y, x + 1]
                    + heat[y + 1, x - 1]
                    + heat[y + 1, x]
                    + heat[y + 1, x + 1]
                ) / 9.0
            for i in range(count):
                heat[ys[i], xs[i]] = fresh[i]
        for i in range(count):
            y = ys[i]
            x = xs[i]
            dy = heat[y + 1, x] - heat[y - 1, x]
            dx = heat[y, x + 1] - heat[y, x - 1]
            length = np.sqrt(dy * dy + dx * dx)
            # Less than this share of the heat itself is rounding, as at the centre.
            if length > 1e-9 * heat[y, x]:
                flows[0, y0 + y - 1, x0 + x - 1] = dy / length
                flows[1, y0 + y - 1, x0 + x - 1] = dx / length
