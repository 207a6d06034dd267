"""Smoothing of the working grid of a whole slide, strip by strip."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, map_blocks

__all__ = ["smoothed"]

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

    height, width = values.shape
    reach = int(truncate * sigma + 0.5)
    out = np.empty_like(values)

    def strip(block: Block) -> None:
        outer = block.grown(reach, (height, width))
        part = ndi.gaussian_filter(values[outer.slices], sigma, mode=mode, truncate=truncate)
        out[block.slices] = part[block.inside(outer)]

    strips = [Block(y, min(y + _ROWS, height), 0, width) for y in range(0, height, _ROWS)]
    for _ in map_blocks(strip, strips):
        pass
    return out
