"""Contrast limits that are right at first sight, and the same for slides that are compared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, iter_blocks, map_blocks
from immunescape.panel import Panel
from immunescape.report.contrast import contrast_limits
from immunescape.slide import Slide

__all__ = ["Limits", "common_limits", "contrast_limits", "sample_pixels", "slide_limits"]

Limits = Mapping[str, tuple[float, float]]
"""Black and full colour of each marker key, in the units of the pixels."""

_BLOCK = 256
_BLOCKS = 12
_COARSEST = 4.0
"""Pixels are looked at where a cell is still several of them wide."""
_OVERVIEW = 2048


def slide_limits(slide: Slide, panel: Panel) -> Limits:
    """Return the limits of one slide; see `common_limits`."""
    return common_limits([(slide, panel)])


def common_limits(slides: Iterable[tuple[Slide, Panel]]) -> Limits:
    """Return limits for slides that are looked at side by side.

    Parameters
    ----------
    slides
        Slides and their panels; a few dozen small blocks of each are read.

    Returns
    -------
    Limits
        By marker key. A marker that shines on one of the slides and on no other is full where it
        shines and dark on the others.
    """
    pooled: dict[str, list[npt.NDArray[np.float32]]] = {}
    for slide, panel in slides:
        for marker, pixels in sample_pixels(slide, panel).items():
            pooled.setdefault(marker, []).append(pixels)
    return {marker: contrast_limits(np.concatenate(parts)) for marker, parts in pooled.items()}


def sample_pixels(slide: Slide, panel: Panel) -> dict[str, npt.NDArray[np.float32]]:
    """Return pixels of each stain from blocks that range from dark to bright, by marker key.

    Parameters
    ----------
    slide
        A slide; of a pyramid the coarsest level is used to find the blocks, and the coarsest one
        that still shows cells to read them.
    panel
        Its stains.

    Returns
    -------
    dict
        Up to 12 blocks of 256 x 256 pixels a stain, as one row of numbers; what was not imaged is
        not among them.
    """
    level = max(k for k, d in enumerate(slide.downsamples) if d <= _COARSEST)
    stains = list(panel.stains)

    def read(index: Block) -> npt.NDArray[np.float32]:
        stain = stains[index.y0]
        at = slide.index(stain.channel)
        array = slide.arrays[level]
        parts = []
        for block in _blocks(slide, at, level):
            pixels = np.asarray(array[at, *block.slices])
            seen = None if slide.imaged is None else slide.imaged.mask(block)
            parts.append(pixels.ravel() if seen is None else pixels[seen])
        return np.asarray(np.concatenate(parts), np.float32)

    jobs = [Block(k, k + 1, 0, 1) for k in range(len(stains))]
    return {
        stain.marker: pixels for stain, pixels in zip(stains, map_blocks(read, jobs), strict=True)
    }


def _blocks(slide: Slide, channel: int, level: int) -> list[Block]:
    """Choose blocks of a level: evenly by how bright the coarsest level is there."""
    shape = slide.arrays[level].shape[1:]
    height, width = int(shape[0]), int(shape[1])
    blocks = list(iter_blocks((height, width), _BLOCK))
    if slide.imaged is not None:  # such a slide has one level
        blocks = [block for block in blocks if len(slide.imaged.touched(block))]
    if len(blocks) <= _BLOCKS:
        return blocks
    coarse = slide.arrays[-1]
    if max(coarse.shape[1:]) > _OVERVIEW:
        return _spread(blocks, np.arange(len(blocks)))
    overview = np.asarray(coarse[channel], np.float32)
    scale = overview.shape[0] / height, overview.shape[1] / width
    brightness = [_mean(overview, b, scale) for b in blocks]
    return _spread(blocks, np.argsort(brightness, kind="stable"))


def _mean(overview: npt.NDArray[np.float32], block: Block, scale: tuple[float, float]) -> float:
    y0, x0 = int(block.y0 * scale[0]), int(block.x0 * scale[1])
    y1, x1 = max(int(block.y1 * scale[0]), y0 + 1), max(int(block.x1 * scale[1]), x0 + 1)
    return float(overview[y0:y1, x0:x1].mean())


def _spread(blocks: Sequence[Block], order: npt.NDArray[Any]) -> list[Block]:
    """Take blocks from dark to bright, the bright half twice as closely."""
    places = np.linspace(0, 1, _BLOCKS) ** 0.6 * (len(order) - 1)
    return [blocks[order[k]] for k in np.unique(places.round().astype(int))]
