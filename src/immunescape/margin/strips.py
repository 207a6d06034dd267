"""The working grid of a whole slide, worked on strip by strip with the rows around that matter."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, map_blocks

__all__ = ["capped_distance", "smoothed", "sums_by_label"]

_ROWS = 512


def smoothed(
    values: npt.NDArray[Any],
    sigma: float,
    *,
    mode: Literal["nearest", "constant"] = "nearest",
    truncate: float = 4.0,
) -> npt.NDArray[Any]:
    """Return a plane under a Gaussian: what scipy's ``gaussian_filter`` gives, on several threads.

    Parameters
    ----------
    values
        ``(y, x)`` of floating numbers.
    sigma
        Standard deviation in cells.
    mode
        What lies beyond the plane: its last cells again, or zeros.
    truncate
        Where the Gaussian ends, in standard deviations.
    """
    from scipy import ndimage as ndi

    def smooth(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(ndi.gaussian_filter(part, sigma, mode=mode, truncate=truncate))

    out = np.empty_like(values)
    _in_strips(smooth, values, out, int(truncate * sigma + 0.5))
    return out


def capped_distance(mask: npt.NDArray[np.bool_], cap: float) -> npt.NDArray[np.float32]:
    """Return the distance of each cell of a mask to the next cell that is not in it.

    Parameters
    ----------
    mask
        ``(y, x)``. What lies beyond the plane is not looked at.
    cap
        Larger distances are given as this, in cells.

    Returns
    -------
    numpy.ndarray
        ``(y, x)``; 0 where the mask is not set.
    """
    from scipy import ndimage as ndi

    def distance(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if part.all():
            return np.full(part.shape, cap, np.float32)
        return np.asarray(np.minimum(ndi.distance_transform_edt(part), cap))

    out = np.empty(mask.shape, np.float32)
    _in_strips(distance, mask, out, int(cap) + 1)
    return out


def sums_by_label(
    values: npt.NDArray[Any], labels: npt.NDArray[Any], number: int
) -> npt.NDArray[np.float64]:
    """Return the sum of a plane over each label.

    Parameters
    ----------
    values, labels
        ``(y, x)``; labels from 0 to ``number``.
    number
        The largest label.

    Returns
    -------
    numpy.ndarray
        ``(number + 1,)``.
    """
    total = np.zeros(number + 1)
    for y in range(0, len(labels), _ROWS):
        rows = slice(y, y + _ROWS)
        total += np.bincount(labels[rows].ravel(), values[rows].ravel(), number + 1)
    return total


def _in_strips(
    function: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
    values: npt.NDArray[Any],
    out: npt.NDArray[Any],
    reach: int,
) -> None:
    """Fill a plane with a function of another, which sees so many rows above and below."""
    height, width = values.shape

    def strip(block: Block) -> None:
        outer = block.grown(reach, (height, width))
        out[block.slices] = function(values[outer.slices])[block.inside(outer)]

    strips = [Block(y, min(y + _ROWS, height), 0, width) for y in range(0, height, _ROWS)]
    for _ in map_blocks(strip, strips):
        pass
