"""Small means of pixels from all over a slide, as a sample for global numbers."""

from itertools import product

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks
from immunescape.slide import Slide

__all__ = ["bin_mean", "sample_bins", "spread_blocks", "whole_bins"]

_BLOCK_PX = 256
_MOST = 64
_DOWN = 8

Floats = npt.NDArray[np.float32]


def bin_mean(planes: npt.NDArray[np.generic], edge: int) -> Floats:
    """Return the means of squares of ``edge`` pixels, anchored at the first pixel.

    Parameters
    ----------
    planes
        ``(..., y, x)``. Squares cut by the far edges are left out, unless an axis is shorter than
        a square: then its whole length is one.

    Examples
    --------
    >>> bin_mean(np.arange(10.0).reshape(2, 5), 2).tolist()
    [[3.0, 5.0]]
    """
    *front, height, width = planes.shape
    v, u = min(edge, height), min(edge, width)
    rows, columns = height // v, width // u
    cut = planes[..., : rows * v, : columns * u].reshape(*front, rows, v, columns, u)
    return np.asarray(cut.mean(axis=(-3, -1), dtype=np.float32), np.float32)


def spread_blocks(slide: Slide) -> list[Block]:
    """Return at most 64 blocks of 256 pixels spread evenly over a slide, anchored at its origin.

    A slide of no more than that is covered whole; where nothing was imaged there are none.
    """
    shape = slide.shape
    if slide.imaged is not None:
        everything = iter_blocks(shape, _BLOCK_PX)
        some = [block for block in everything if len(slide.imaged.touched(block))]
        return [some[k] for k in _spread(len(some), min(len(some), _MOST))]
    rows, columns = (-(-n // _BLOCK_PX) for n in shape)
    across = min(columns, max(_MOST // min(rows, _DOWN), 1))
    down = min(rows, _MOST // across)
    starts = product(_spread(rows, down), _spread(columns, across))
    return [
        Block(y, min(y + _BLOCK_PX, shape[0]), x, min(x + _BLOCK_PX, shape[1]))
        for y, x in ((row * _BLOCK_PX, column * _BLOCK_PX) for row, column in starts)
    ]


def whole_bins(slide: Slide, block: Block, edge: int) -> npt.NDArray[np.bool_] | None:
    """Tell which squares of `bin_mean` were imaged whole, ``(y, x)``; None if all were."""
    if slide.imaged is None:
        return None
    return np.asarray(bin_mean(slide.imaged.mask(block).astype(np.float32), edge) == 1)


def sample_bins(slide: Slide, bin_um: float) -> Floats:
    """Return a sample of small means of all channels, ``(c, n)`` float32.

    Bins with a pixel that is not finite in any channel, and those that are 0 in every channel
    (the fill of a scanner where it took no picture), are left out, as is what was not imaged.
    """
    edge = max(round(bin_um / slide.pixel_size_um), 1)
    parts = []
    for block in spread_blocks(slide):
        means = bin_mean(slide.read(block), edge).reshape(len(slide.channels), -1)
        use = np.isfinite(means).all(axis=0) & (means != 0).any(axis=0)
        if (seen := whole_bins(slide, block, edge)) is not None:
            use &= seen.ravel()
        parts.append(means[:, use])
    return np.concatenate(parts, axis=1)


def _spread(count: int, wanted: int) -> list[int]:
    numbers: list[int] = np.linspace(0, count - 1, wanted).round().astype(int).tolist()
    return numbers
