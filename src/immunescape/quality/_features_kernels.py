"""Compiled loops over the tiles of one block: what each holds of one channel."""

from typing import Any

import numba
import numpy as np

__all__ = ["change", "summaries"]


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def summaries(
    plane: Any, edge: int, per: int, top: float, most: float,
    mean: Any, bins: Any, clipped: Any, few: Any,
) -> None:  # fmt: skip
    """Sum up the tiles of a plane.

    Parameters
    ----------
    plane
        ``(y, x)`` finite numbers, a whole number of tiles.
    edge, per
        Edge of a bin in pixels, and bins along the edge of a tile.
    top, most
        A pixel counts as clipped, or as one of a few, from these values on.
    mean
        ``(i, j)`` mean of each tile, on return.
    bins
        ``(per * i, per * j)`` mean of each bin, on return.
    clipped, few
        The same shape: how many pixels of a bin count, on return.
    """
    tile = edge * per
    n = tile * tile
    for i in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            total = 0.0
            for a in range(i * per, (i + 1) * per):
                for b in range(j * per, (j + 1) * per):
                    part = 0.0
                    first = 0
                    second = 0
                    for y in range(a * edge, (a + 1) * edge):
                        for x in range(b * edge, (b + 1) * edge):
                            value = plane[y, x]
                            part += value
                            first += value >= top
                            second += value >= most
                    bins[a, b] = part / (edge * edge)
                    clipped[a, b] = first
                    few[a, b] = second
                    total += part
            mean[i, j] = total / n


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def change(wide: Any, lag: int, tile: int, out: Any) -> None:
    """Add by tile half the mean squared difference of pixels ``lag`` apart, down and across.

    Parameters
    ----------
    wide
        ``(y, x)`` finite numbers: the tiles of ``out``, and ``lag`` more rows and columns.
    lag
        Pixels between two that are compared.
    tile
        Edge of a tile in pixels.
    out
        ``(i, j)``, added to.
    """
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = 0.0
            for y in range(i * tile, (i + 1) * tile):
                for x in range(j * tile, (j + 1) * tile):
                    here = np.float64(wide[y, x])
                    total += (wide[y + lag, x] - here) ** 2 + (wide[y, x + lag] - here) ** 2
            out[i, j] += total / (tile * tile) / 2
