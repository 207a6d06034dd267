"""From flows to nuclei: pixels follow the flow, and those that end together are one nucleus."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from immunescape.segment.flows import flow_errors

__all__ = ["follow", "masks_from_flows", "tidy"]

_STEPS = 150
_STILL = 1e-3


def masks_from_flows(
    flows: npt.NDArray[np.floating[Any]],
    *,
    cellprob_threshold: float = 0.0,
    flow_threshold: float = 0.6,
    min_area_px: float = 0.0,
) -> npt.NDArray[np.int32]:
    """Find the nuclei of a network's output.

    Parameters
    ----------
    flows
        ``(3, y, x)`` as the network gives them: five times the flow along y and x, and the
        logit of being inside a nucleus. Not finite values count as outside.
    cellprob_threshold
        Logit above which a pixel can belong to a nucleus.
    flow_threshold
        Largest mean squared disagreement between the network's flows and those of the shape found;
        0 keeps all shapes.
    min_area_px
        Smaller nuclei are dropped.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32, 0 is background; labels are 1..n, each one piece without holes.

    Notes
    -----
    The mask step is Cellpose's. The pixels are moved by our own integration, because Cellpose's
    samples the field up to half a pixel off, depending on where in the block a pixel lies.
    """
    field = np.nan_to_num(np.asarray(flows, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    inside = np.nan_to_num(np.asarray(flows[2]), nan=-np.inf) > cellprob_threshold
    if not inside.any():
        return np.zeros(inside.shape, dtype=np.int32)
    ends = follow(field[:2] * inside / np.float32(5.0), inside)
    labels = tidy(_gather(ends, inside))
    if flow_threshold > 0:
        bad = flow_errors(labels, field[:2]) > flow_threshold
        labels[bad[labels]] = 0
    area = np.bincount(labels.ravel())
    keep = area >= max(min_area_px, 1)
    keep[0] = False
    order = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return np.asarray(order[labels], dtype=np.int32)


def follow(field: npt.NDArray[np.float32], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Move every inside pixel along the field until it rests.

    Parameters
    ----------
    field
        ``(2, y, x)`` pixels a step, along y and x.
    inside
        ``(y, x)``, where to start.

    Returns
    -------
    numpy.ndarray
        ``(2, n)``: the pixel where each ended, in row order of the starts. Between pixels the
        field is interpolated linearly; paths end at the frame.
    """
    ys, xs = np.nonzero(inside)
    ends = np.empty((2, len(ys)), dtype=np.int64)
    parts = os.cpu_count() or 1
    cuts = np.linspace(0, len(ys), parts + 1).astype(int)
    dy, dx = np.ascontiguousarray(field[0]), np.ascontiguousarray(field[1])
    with ThreadPoolExecutor(parts) as pool:
        list(
            pool.map(
                lambda a, b: _walk(dy, dx, ys[a:b], xs[a:b], ends[:, a:b]), cuts[:-1], cuts[1:]
            )
        )
    return ends


def tidy(labels: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    """Keep the largest piece of every label and fill its holes.

    Parameters
    ----------
    labels
        ``(y, x)`` integers, 0 is background.

    Returns
    -------
    numpy.ndarray
        ``(y, x)`` int32 with the same labels. Pieces are joined by edges, not corners; of equally
        large ones the first in row order stays. A hole is background, joined by edges, that
        borders one label alone and does not reach the frame.
    """
    from skimage.measure import label as components

    labels = np.asarray(labels, dtype=np.int32)
    if not labels.any():
        return labels
    pieces = components(labels, background=0, connectivity=1)
    size = np.bincount(pieces.ravel())
    first = _first_pixels(pieces, len(size))
    owner = labels.ravel()[first]
    order = np.lexsort((first, -size, owner))
    order = order[order > 0]
    best = np.zeros(len(size), dtype=bool)
    best[order[np.r_[True, owner[order][1:] != owner[order][:-1]]]] = True
    labels = np.where(best[pieces], labels, 0).astype(np.int32)
    gaps = components(labels == 0, background=0, connectivity=1)
    return np.asarray(np.where(labels == 0, _owners(gaps, labels)[gaps], labels), dtype=np.int32)


def _gather(ends: npt.NDArray[np.int64], inside: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Cellpose's mask step: peaks of where pixels ended become nuclei."""
    import logging

    logging.getLogger("cellpose").setLevel(logging.ERROR)
    import torch
    from cellpose import dynamics

    with torch.sparse.check_sparse_tensor_invariants(False):
        labels = dynamics.get_masks_torch(
            torch.from_numpy(ends).int(), np.nonzero(inside), inside.shape, max_size_fraction=1.0
        )
    return np.asarray(labels)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _walk(dy: Any, dx: Any, ys: Any, xs: Any, ends: Any) -> None:
    height, width = dy.shape
    for i in range(len(ys)):
        y = float(ys[i])
        x = float(xs[i])
        for _ in range(_STEPS):
            a = min(int(y), height - 2) if height > 1 else 0
            b = min(int(x), width - 2) if width > 1 else 0
            a1 = min(a + 1, height - 1)
            b1 = min(b + 1, width - 1)
            u = y - a
            v = x - b
            w00 = (1 - u) * (1 - v)
            w01 = (1 - u) * v
            w10 = u * (1 - v)
            w11 = u * v
            sy = w00 * dy[a, b] + w01 * dy[a, b1] + w10 * dy[a1, b] + w11 * dy[a1, b1]
            sx = w00 * dx[a, b] + w01 * dx[a, b1] + w10 * dx[a1, b] + w11 * dx[a1, b1]
            y = min(max(y + sy, 0.0), height - 1.0)
            x = min(max(x + sx, 0.0), width - 1.0)
            if sy * sy + sx * sx < _STILL * _STILL:
                break
        ends[0, i] = int(y + 0.5)
        ends[1, i] = int(x + 0.5)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _first_pixels(pieces: Any, count: int) -> Any:
    first = np.full(count, -1, dtype=np.int64)
    flat = pieces.ravel()
    for i in range(flat.size):
        if first[flat[i]] < 0:
            first[flat[i]] = i
    first[first < 0] = 0
    return first


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _owners(gaps: Any, labels: Any) -> Any:
    """Label that encloses each gap, 0 where several do or the gap reaches the frame."""
    height, width = gaps.shape
    owner = np.full(gaps.max() + 1, -1, dtype=np.int32)
    for y in range(height):
        for x in range(width):
            g = gaps[y, x]
            if g == 0:
                continue
            if y == 0 or x == 0 or y == height - 1 or x == width - 1:
                owner[g] = 0
                continue
            for k in (labels[y - 1, x], labels[y + 1, x], labels[y, x - 1], labels[y, x + 1]):
                if k > 0:
                    if owner[g] == -1:
                        owner[g] = k
                    elif owner[g] != k:
                        owner[g] = 0
    owner[0] = 0
    owner[owner < 0] = 0
    return owner
