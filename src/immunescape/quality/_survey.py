"""One pass over a slide: how dark each place is, where nothing lies, what saturates."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Progress, in_threads, iter_blocks
from immunescape.quality._plateau import Plateau, Top, top_of
from immunescape.quality._sample import bin_mean
from immunescape.slide import Slide

__all__ = ["COARSE_PX", "Survey", "survey_slide"]

_TILE_PX = 8
COARSE_PX = 64
"""Edge of a cell of the coarse grid in pixels; blocks are whole numbers of them."""
_FLAT = 1.6
"""On empty glass the means of tiles vary by less than this many times what noise alone does."""
_LOW = 0.1

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Survey:
    """Coarse facts about a slide.

    Parameters
    ----------
    floor
        ``(c, i, j)`` level of the darkest tenth of each coarse cell, its noise averaged away; NaN
        where the scanner took no picture.
    mean
        ``(c, i, j)`` mean of each coarse cell.
    empty
        ``(i, j)`` bool: no channel shows anything but noise there.
    saturated_share
        Share of pixels at the value where the detector saturates, one a channel.
    saturation
        That value, NaN for a channel that does not saturate.
    """

    floor: Floats
    mean: Floats
    empty: npt.NDArray[np.bool_]
    saturated_share: tuple[float, ...]
    saturation: tuple[float, ...]


def survey_slide(
    slide: Slide, block_px: int, progress: Progress, mapper: BlockMap = in_threads
) -> Survey:
    """Read every pixel once and keep what is coarse; the size of blocks changes nothing."""
    size = max(round(block_px / COARSE_PX), 1) * COARSE_PX
    height, width = slide.shape
    grid = -(-height // COARSE_PX), -(-width // COARSE_PX)
    floor = np.full((len(slide.channels), *grid), np.nan)
    mean = np.full_like(floor, np.nan)
    flat = np.zeros(grid, bool)
    plateaus = [Plateau() for _ in slide.channels]
    blocks = list(iter_blocks((height, width), size))
    found = mapper("background", partial(_survey_block, slide), blocks)
    for done, (block, part) in enumerate(zip(blocks, found, strict=True), start=1):
        i, j = block.y0 // COARSE_PX, block.x0 // COARSE_PX
        rows, columns = part.flat.shape
        floor[:, i : i + rows, j : j + columns] = part.floor
        mean[:, i : i + rows, j : j + columns] = part.mean
        flat[i : i + rows, j : j + columns] = part.flat
        for plateau, top in zip(plateaus, part.tops, strict=True):
            plateau.add(top)
        progress("background", done, len(blocks))
    pixels = height * width if slide.imaged is None else slide.imaged.area_px
    tissue = floor[:, ~flat]
    if tissue.size and flat.any():  # a flat place as bright as tissue is no glass
        usual = np.nan_to_num(np.nanmedian(tissue, axis=1), nan=np.inf)
        flat &= (floor <= usual[:, None, None]).all(axis=0)
    return Survey(
        floor=floor,
        mean=mean,
        empty=flat & np.isfinite(floor).all(axis=0),
        saturated_share=tuple(p.total / pixels if p.saturated else 0.0 for p in plateaus),
        saturation=tuple(p.value if p.saturated else float("nan") for p in plateaus),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    floor: Floats
    mean: Floats
    flat: npt.NDArray[np.bool_]
    tops: list[Top]


def _survey_block(slide: Slide, block: Block) -> _Part:
    pixels = slide.read(block)
    tops = [top_of(plane) for plane in pixels]
    values = pixels.astype(np.float32)
    if slide.imaged is not None:  # a gap is not dark: what it cuts is judged by the rest of it
        values[:, ~slide.imaged.mask(block)] = np.nan
    tiles = bin_mean(values, _TILE_PX)
    noise = bin_mean(np.diff(values, axis=2) ** 2 if values.shape[2] > 1 else 0 * values, _TILE_PX)
    by_cell = _cells(tiles)
    number = np.isfinite(by_cell).sum(axis=-1)
    rank = np.clip((_LOW * (number - 1)).round().astype(int), 0, None)
    ordered = np.sort(by_cell, axis=-1)
    floor = np.take_along_axis(ordered, rank[..., None], axis=-1)[..., 0].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = _nan_variance(by_cell, number)
        single = _nan_mean(_cells(noise[:, : tiles.shape[1], : tiles.shape[2]])) / 2
    flat = (spread <= _FLAT**2 * single / _TILE_PX**2) & (number >= 4) & (single > 0)
    untouched = ~(single > 0).any(axis=0) & (spread.max(axis=0) == 0) & (floor == 0).all(axis=0)
    floor[:, untouched] = np.nan
    mean = _nan_mean(by_cell).astype(np.float64)
    return _Part(floor, mean, np.asarray(flat.all(axis=0)), tops)


def _cells(tiles: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Gather tiles by coarse cell, ``(c, i, j, tiles)``; NaN where a cell is cut off."""
    per = COARSE_PX // _TILE_PX
    channels, rows, columns = tiles.shape
    down, across = -(-rows // per), -(-columns // per)
    padded = np.full((channels, down * per, across * per), np.nan, np.float32)
    padded[:, :rows, :columns] = tiles
    cut = padded.reshape(channels, down, per, across, per).swapaxes(2, 3)
    return cut.reshape(channels, down, across, per * per)


def _nan_mean(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    number = np.isfinite(values).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(values), values, 0).sum(axis=-1) / np.maximum(number, 1))


def _nan_variance(values: npt.NDArray[Any], number: npt.NDArray[Any]) -> npt.NDArray[Any]:
    away = values - _nan_mean(values)[..., None]
    squares = np.where(np.isfinite(values), away, 0).astype(np.float64) ** 2
    return np.asarray(squares.sum(axis=-1) / np.maximum(number - 1, 1))
