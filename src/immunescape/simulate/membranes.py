"""Rims of cells: which part of each is stained, and which part faces a positive neighbour."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage as ndi

from immunescape.simulate.neighbours import facing_pixels

__all__ = ["faced_share", "outermost", "rim_shares", "stained_rim"]

LEAST_SHARE, MOST_SHARE = 0.2, 0.6
"""A partial membrane is stained along this much of its border."""
IN_TWO = 0.3
"""Share of the partial membranes whose stained part is two arcs."""

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int32]


def rim_shares(positive: Flags, partial_fraction: float, rng: np.random.Generator) -> Floats:
    """Draw the share of its rim that each cell stains: 0 negative, 1 whole, between for some."""
    n = len(positive)
    partial = rng.random(n) < partial_fraction
    share = np.where(partial, rng.uniform(LEAST_SHARE, MOST_SHARE, n), 1.0)
    return np.where(positive, share, 0.0)


def outermost(cells: Labels, width_px: float) -> Flags:
    """Mark the pixels of cells within ``width_px`` of their border, one at least."""
    border = np.zeros(cells.shape, bool)
    for axis in (0, 1):
        ahead = np.diff(cells, axis=axis) != 0
        low = [slice(None), slice(None)]
        high = [slice(None), slice(None)]
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        border[tuple(low)] |= ahead
        border[tuple(high)] |= ahead
    if width_px >= 2:
        border |= ndi.distance_transform_edt(~border) <= width_px - 1
    return border & (cells > 0)


def stained_rim(cells: Labels, rim: Flags, share: Floats, rng: np.random.Generator) -> Flags:
    """Mark the pixels of the rim that are stained: one contiguous arc of each cell, or two.

    Parameters
    ----------
    cells
        ``(y, x)`` labels; k is the body ``k - 1``.
    rim
        Pixels of their rims.
    share
        Share of its rim that each body stains; 1 all of it, 0 none. The share is that of the
        cell's rim pixels in the order of their direction from its middle, to within a pixel.
    """
    n = len(share)
    start = rng.random(n)
    first = np.where(rng.random(n) < IN_TWO, rng.uniform(0.35, 0.65, n), 1.0) * share
    apart = first + rng.uniform(0.3, 0.7, n) * (1 - share)
    rows, columns = np.nonzero(rim)
    body = cells[rows, columns].astype(np.int64) - 1
    count = np.maximum(np.bincount(body, minlength=n), 1)
    y, x = (np.bincount(body, axis, minlength=n) / count for axis in (rows, columns))
    angle = np.arctan2(rows - y[body], columns - x[body])
    order = np.lexsort((angle, body))
    begins = np.concatenate([[0], np.cumsum(np.bincount(body, minlength=n))[:-1]])
    rank = np.arange(len(order)) - begins[body[order]]
    along = ((rank + 0.5) / count[body[order]] - start[body[order]]) % 1.0
    of = body[order]
    second = (along >= apart[of]) & (along < apart[of] + share[of] - first[of])
    stained = np.zeros(cells.shape, bool)
    stained[rows[order], columns[order]] = (along < first[of]) | second
    return stained


def faced_share(cells: Labels, positive: Flags, gap_px: int) -> Floats:
    """Return the share of each body's border along which a positive neighbour lies.

    The border is what faces another cell or background; the frame is none. A neighbour faces it
    across at most ``gap_px`` pixels of background. A body without pixels has share 0.
    """
    n = len(positive)
    pairs, edges = facing_pixels(cells, gap_px)
    faced = np.zeros(n)
    for one, two in (pairs.T - 1, pairs.T[::-1] - 1):
        np.add.at(faced, one, edges * positive[two])
    length = np.zeros(n + 1)
    for image in (cells, cells.T):
        here, there = image[:, :-1], image[:, 1:]
        border = here != there
        for side in (here, there):
            length += np.bincount(side[border], minlength=n + 1)
    return np.asarray(np.minimum(faced / np.maximum(length[1:], 1), 1.0))
