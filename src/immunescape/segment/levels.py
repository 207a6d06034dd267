"""Black and white of a channel, taken from the whole slide so that no tile has its own."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks
from immunescape.slide import Slide

__all__ = ["Levels", "slide_levels"]

_SAMPLE_PX = 256
_SAMPLES = 64
_SAMPLES_DOWN = 8
_SQUARE_PX = 16


@dataclass(frozen=True)
class Levels:
    """Intensities that become 0 and 1.

    Parameters
    ----------
    low, high
        In the slide's own units; equal for a channel without contrast.
    dark
        Mean of the darkest squares of the slide, on the scale of the levels.
    """

    low: float
    high: float
    dark: float = 0.0

    def apply(self, pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return float32 pixels with ``low`` at 0 and ``high`` at 1, cut at -0.5 and 4.

        Not finite pixels, and all pixels of a channel without contrast, become 0.
        """
        if not self.high > self.low:
            return np.zeros(pixels.shape, dtype=np.float32)
        scaled = (pixels.astype(np.float32) - self.low) / (self.high - self.low)
        scaled = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0)
        return np.asarray(np.clip(scaled, -0.5, 4.0), dtype=np.float32)


def slide_levels(
    slide: Slide, channel: str, percentiles: tuple[float, float] = (1.0, 99.8)
) -> Levels:
    """Return robust levels of a channel from blocks spread evenly over the slide.

    Parameters
    ----------
    slide
        At most 64 blocks of 256 x 256 pixels of it are read, on a grid anchored at its origin; a
        smaller slide is read whole. What was not imaged counts for nothing.
    channel
        Name of the channel.
    percentiles
        Which percentiles of the sampled finite pixels become 0 and 1.

    Returns
    -------
    Levels
        Both 0 where no pixel is finite.
    """
    samples = []
    squares = []
    for block in _blocks(slide):
        pixels = slide.read(block, (channel,))[0]
        known = np.isfinite(pixels)
        if slide.imaged is not None:
            known &= slide.imaged.mask(block)
        samples.append(pixels[known])
        squares.append(_square_means(pixels, known))
    pixels = np.concatenate(samples)
    if not pixels.size:
        return Levels(0.0, 0.0)
    low, high = np.percentile(pixels, percentiles)
    dark = np.percentile(np.concatenate(squares), percentiles[0]) if high > low else low
    return Levels(float(low), float(high), float((dark - low) / max(high - low, 1e-30)))


def _blocks(slide: Slide) -> list[Block]:
    """Return the blocks of the sample, where anything was imaged."""
    height, width = slide.shape
    if slide.imaged is not None:
        everything = iter_blocks(slide.shape, _SAMPLE_PX)
        some = [block for block in everything if len(slide.imaged.touched(block))]
        return [some[k] for k in _spread(len(some), min(len(some), _SAMPLES))]
    rows, columns = -(-height // _SAMPLE_PX), -(-width // _SAMPLE_PX)
    across = min(columns, max(_SAMPLES // min(rows, _SAMPLES_DOWN), 1))
    down = min(rows, _SAMPLES // across)
    corners = (
        (row * _SAMPLE_PX, column * _SAMPLE_PX)
        for row, column in product(_spread(rows, down), _spread(columns, across))
    )
    return [
        Block(y, min(y + _SAMPLE_PX, height), x, min(x + _SAMPLE_PX, width)) for y, x in corners
    ]


def _square_means(
    pixels: npt.NDArray[Any], known: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Means of the known pixels in squares of 16 x 16, of those that hold one."""
    rows, columns = (np.arange(0, side, _SQUARE_PX) for side in pixels.shape)
    total, count = (
        np.add.reduceat(np.add.reduceat(part, rows, axis=0), columns, axis=1)
        for part in (np.where(known, pixels, 0).astype(np.float64), known.astype(np.int64))
    )
    return np.asarray(total[count > 0] / count[count > 0])


def _spread(count: int, wanted: int) -> list[int]:
    """Return ``wanted`` of ``count`` numbers, evenly spread, both ends included."""
    numbers: list[int] = np.linspace(0, count - 1, wanted).round().astype(int).tolist()
    return numbers
