"""The nuclear stain of a slide, and where it ends: found without a look at the nuclei found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks
from immunescape.quality._sample import bin_mean
from immunescape.slide import Slide

__all__ = ["NuclearStain", "find_stain", "on_bins", "otsu_classes"]

_BLOCK_PX = 256
_MOST = 64
_PERCENTILES = (1.0, 99.8)
_CLASSES = 1024
_LEAST = 400
_STEP = 4

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class NuclearStain:
    """What shows nuclei, on one scale for the whole slide.

    Parameters
    ----------
    slide
        The slide.
    channels
        Its nuclear stains; where there are several the brightest counts.
    low, high
        Intensities of each channel that become 0 and 1.
    dark, bright
        Mean on that scale of tissue without stain and of tissue with it.
    threshold
        Between the two: stained from here on.
    contrast
        Distance of the two in standard deviations within them; of mere noise 2.7.
    """

    slide: Slide
    channels: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    dark: float = 0.0
    bright: float = 0.0
    threshold: float = np.inf
    contrast: float = 0.0

    def read(self, block: Block) -> npt.NDArray[np.generic]:
        """Return the pixels of a block as stored, ``(c, y, x)``."""
        return self.slide.read(block, self.channels)

    def scaled(self, pixels: npt.NDArray[np.generic]) -> Floats:
        """Return the stain of pixels, ``(y, x)`` float32; 0 where no channel has a number."""
        return _scaled(pixels, self.low, self.high)


def find_stain(
    slide: Slide, channels: tuple[str, ...], tissue: Flags, grid_um: float, bin_px: int
) -> NuclearStain | None:
    """Find the levels of the nuclear stain from blocks spread over the tissue.

    Parameters
    ----------
    slide
        At most 64 blocks of 256 x 256 pixels of it are read.
    channels
        Names of the nuclear stains.
    tissue
        ``(y, x)`` bool on the working grid, anchored at the origin.
    grid_um
        Edge of a cell of that grid.
    bin_px
        Edge in pixels of the squares whose means are judged.

    Returns
    -------
    NuclearStain or None
        None without a channel, without tissue, or where no channel has any contrast.
    """
    pixel_um = slide.pixel_size_um
    blocks = [b for b in iter_blocks(slide.shape, _BLOCK_PX) if _holds(tissue, grid_um, slide, b)]
    if not channels or not blocks:
        return None
    chosen = np.unique(np.linspace(0, len(blocks) - 1, _MOST).round().astype(int))
    pixels = {int(k): slide.read(blocks[k], channels) for k in chosen}
    seen = {k: _imaged(slide, blocks[k]) for k in pixels}
    low, high = [], []
    for c in range(len(channels)):
        values = np.concatenate([p[c][seen[k]].ravel()[::_STEP] for k, p in pixels.items()])
        values = values[np.isfinite(values)]
        ends = np.percentile(values, _PERCENTILES) if values.size else (0.0, 0.0)
        low.append(float(ends[0]))
        high.append(float(ends[1]))
    if not any(b > a for a, b in zip(low, high, strict=True)):
        return None
    sample = []
    for k, planes in pixels.items():
        means = bin_mean(_scaled(planes, low, high), bin_px)
        inside = on_bins(tissue, grid_um, pixel_um, blocks[k], bin_px)
        sample.append(means[inside[: means.shape[0], : means.shape[1]]])
    values = np.concatenate(sample)
    if values.size < _LEAST:
        return None
    dark, bright, threshold, contrast = otsu_classes(values)
    return NuclearStain(slide, channels, tuple(low), tuple(high), dark, bright, threshold, contrast)


def _imaged(slide: Slide, block: Block) -> Any:
    """Return an index of the pixels of a block that were imaged."""
    return ... if slide.imaged is None else slide.imaged.mask(block)


def _holds(tissue: Flags, grid_um: float, slide: Slide, block: Block) -> bool:
    scale = slide.pixel_size_um / grid_um
    rows, columns = (
        slice(min(int(a * scale), n - 1), int(np.ceil(b * scale)))
        for a, b, n in zip((block.y0, block.x0), (block.y1, block.x1), tissue.shape, strict=True)
    )
    return bool(tissue[rows, columns].any())


def on_bins(mask: Flags, grid_um: float, pixel_um: float, block: Block, bin_px: int) -> Flags:
    """Return a mask of the working grid at the middle of each small square of a block.

    Parameters
    ----------
    mask
        ``(y, x)`` bool on the working grid, anchored at the slide's origin.
    grid_um, pixel_um
        Edges of a cell of that grid and of a pixel.
    block
        Its corner lies on the raster of squares.
    bin_px
        Edge of a square in pixels; the last ones may be cut by the block.
    """
    at = []
    for start, stop, length in zip(
        (block.y0, block.x0), (block.y1, block.x1), mask.shape, strict=True
    ):
        first = np.arange(start, stop, bin_px)
        middle = (first + np.minimum(first + bin_px, stop)) / 2 * pixel_um
        at.append(np.minimum((middle / grid_um).astype(np.intp), length - 1))
    return mask[np.ix_(*at)]


def otsu_classes(values: npt.NDArray[np.floating]) -> tuple[float, float, float, float]:
    """Part values in two so that the two differ most.

    Returns
    -------
    tuple
        Mean below, mean above, the threshold between them, and the distance of the means in
        standard deviations within the two; the values' mean thrice and 0 where all are equal.

    Examples
    --------
    >>> otsu_classes(np.array([1.0, 2.0, 2.0, 8.0, 9.0]))[:2]
    (1.6666666666666667, 8.5)
    """
    values = np.asarray(values, float)
    if not values.size or (low := values.min()) == (high := values.max()):
        mean = float(values.mean()) if values.size else 0.0
        return mean, mean, mean, 0.0
    width = (high - low) / _CLASSES
    classes = np.minimum(((values - low) / width).astype(np.intp), _CLASSES - 1)
    number = np.cumsum(np.bincount(classes, minlength=_CLASSES))[:-1]
    total = np.cumsum(np.bincount(classes, values, minlength=_CLASSES))[:-1]
    n, whole = len(values), float(values.sum())
    dark = total / np.maximum(number, 1)
    bright = (whole - total) / np.maximum(n - number, 1)
    between = number * (n - number) / n**2 * (bright - dark) ** 2
    # between two classes without any value the threshold is half way
    best = np.flatnonzero(between >= between.max() * (1 - 1e-12))
    k, threshold = int(best[0]), float(low + width * (best[0] + best[-1] + 2) / 2)
    within = max(float(values.var()) - float(between[k]), 0.0)
    apart = float(bright[k] - dark[k])
    return float(dark[k]), float(bright[k]), threshold, apart / max(within**0.5, 1e-9 * apart)


def _scaled(planes: npt.NDArray[np.generic], low: Sequence[float], high: Sequence[float]) -> Floats:
    best: Floats | None = None
    for plane, a, b in zip(planes, low, high, strict=True):
        if not b > a:
            continue
        one = (np.asarray(plane, np.float32) - np.float32(a)) / np.float32(b - a)
        if plane.dtype.kind == "f":
            one = np.nan_to_num(one, nan=0.0, posinf=0.0, neginf=0.0)
        best = one if best is None else np.maximum(best, one)
    return np.zeros(planes.shape[1:], np.float32) if best is None else best
