"""One pass over the blocks of a slide: what each small place looks like."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Progress, in_threads, iter_blocks
from immunescape.panel import Panel
from immunescape.quality._plateau import Plateau, Top, top_of
from immunescape.quality._sample import sample_bins
from immunescape.slide import Slide

__all__ = ["BINS", "Features", "find_features"]

BINS = 4
"""Bins along the edge of a tile."""
_BIN_UM = 2.0
_LAGS_UM = (0.0, 1.0, 3.0)
_LOW = 10
_SATURATED = 0.125
"""A bin counts as saturated from this share of its pixels on."""
_FULL = 100.0
"""Brightness is kept in whole hundredths, at most 2.55."""

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """What a pass found, on bins of about 2 µm and on tiles of four by four bins.

    Parameters
    ----------
    bin_um
        Edge of a bin: a whole number of pixels.
    whole
        ``(i, j)`` whether all pixels that tell of a tile were imaged; they reach 3 µm beyond it.
    low, mean
        ``(c, i, j)`` tenth percentile and mean of each tile.
    fine, coarse
        ``(i, j)`` variance of the nuclear stains in a tile between its smallest scale and 1 µm, and
        between that and 3 µm; the noise of pixels is in neither. None without nuclear stain.
    everywhere
        ``(bins, bins)`` brightness of a bin in the channel where it is least bright, 100 where
        that is what only one bin in two hundred reaches.
    saturated
        ``(bins, bins)`` whether any channel saturates in the bin.
    shares
        Share of saturated pixels of each channel.
    levels
        Value at which each channel saturates; NaN where it does not.
    empty_level
        What the darkest hundredth of bins holds, a channel.
    """

    bin_um: float
    whole: npt.NDArray[np.bool_]
    low: Floats
    mean: Floats
    fine: Floats | None
    coarse: Floats | None
    everywhere: npt.NDArray[np.uint8]
    saturated: npt.NDArray[np.bool_]
    shares: tuple[float, ...]
    levels: tuple[float, ...]
    empty_level: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Part:
    whole: npt.NDArray[np.bool_]
    low: Floats
    mean: Floats
    fine: Floats
    coarse: Floats
    everywhere: npt.NDArray[np.uint8]
    clipped: list[npt.NDArray[np.bool_]]
    few: list[npt.NDArray[np.bool_]]
    tops: list[Top]


def find_features(
    slide: Slide, panel: Panel, block_px: int, progress: Progress, mapper: BlockMap = in_threads
) -> Features:
    """Read every pixel once; the size of blocks changes nothing.

    Channels that the panel ignores are left out of ``everywhere``, not of the rest.
    """
    height, width = slide.shape
    edge = max(round(_BIN_UM / slide.pixel_size_um), 1)
    tile = BINS * edge
    size = max(block_px // tile, 1) * tile
    down, across = -(-height // tile), -(-width // tile)
    used = [slide.index(s.channel) for s in panel.stains if s.role != "ignored"]
    nuclear = [slide.index(s.channel) for s in panel.nuclear]
    floor, bright = _brightness(slide)
    shape = (len(slide.channels), down, across)
    low, mean = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    fine, coarse = np.zeros(shape[1:], np.float32), np.zeros(shape[1:], np.float32)
    whole = np.zeros(shape[1:], bool)
    everywhere = np.zeros((down * BINS, across * BINS), np.uint8)
    bits = np.zeros(everywhere.shape, np.uint8 if len(slide.channels) <= 8 else np.uint64)
    plateaus = [Plateau() for _ in slide.channels]
    few: list[tuple[int, float, npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
    blocks = list(iter_blocks((height, width), size))
    read = partial(
        _features,
        slide,
        edge=edge,
        used=used,
        nuclear=nuclear,
        floor=floor,
        bright=bright,
    )
    for done, (block, part) in enumerate(
        zip(blocks, mapper("quality", read, blocks), strict=True), start=1
    ):
        i, j = block.y0 // tile, block.x0 // tile
        rows, columns = part.fine.shape
        at = slice(i, i + rows), slice(j, j + columns)
        fine_at = tuple(slice(BINS * s.start, BINS * s.stop) for s in at)
        whole[at], low[:, *at], mean[:, *at] = part.whole, part.low, part.mean
        fine[at], coarse[at], everywhere[fine_at] = part.fine, part.coarse, part.everywhere
        for c, (plateau, top) in enumerate(zip(plateaus, part.tops, strict=True)):
            bit = bits.dtype.type(1 << c)
            if plateau.add(top):
                bits &= ~bit
            if top.value == plateau.value:
                bits[fine_at] |= np.where(part.clipped[c], bit, bits.dtype.type(0))
            if top.maximum > top.value:
                y, x = np.nonzero(part.few[c])
                few.append((c, top.maximum, y + fine_at[0].start, x + fine_at[1].start))
        progress("quality", done, len(blocks))
    for c, value, y, x in few:  # blocks with few pixels of what turned out to be the plateau
        if value == plateaus[c].value:
            bits[y, x] |= bits.dtype.type(1 << c)
    for c, plateau in enumerate(plateaus):
        if not plateau.saturated:
            bits &= ~bits.dtype.type(1 << c)
    total = height * width if slide.imaged is None else slide.imaged.area_px
    return Features(
        bin_um=edge * slide.pixel_size_um,
        whole=whole,
        low=low,
        mean=mean,
        fine=fine if nuclear else None,
        coarse=coarse if nuclear else None,
        everywhere=everywhere,
        saturated=bits != 0,
        shares=tuple(p.total / total if p.saturated else 0.0 for p in plateaus),
        levels=tuple(p.value if p.saturated else float("nan") for p in plateaus),
        empty_level=floor,
    )


def _brightness(slide: Slide) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return for each channel its dark level and what bright stain adds to it.

    A channel with hardly any bright cell is not to make noise of it look bright: what it adds is
    taken for no less than a quarter of what the channels usually do.
    """
    sample = sample_bins(slide, _BIN_UM)
    if not sample.size:
        zero = np.zeros(len(slide.channels))
        return zero, zero
    floor, top = np.percentile(sample, (1, 99.5), axis=1)
    bright = top - floor
    return floor, np.maximum(bright, 0.25 * float(np.median(bright)))


def _features(
    slide: Slide,
    block: Block,
    *,
    edge: int,
    used: list[int],
    nuclear: list[int],
    floor: npt.NDArray[np.float64],
    bright: npt.NDArray[np.float64],
) -> _Part:
    from immunescape.quality._features_kernels import change, summaries

    tile = BINS * edge
    lags = [max(round(lag / slide.pixel_size_um), k + 1) for k, lag in enumerate(_LAGS_UM)]
    outer = Block(
        block.y0,
        min(block.y1 + lags[-1], slide.shape[0]),
        block.x0,
        min(block.x1 + lags[-1], slide.shape[1]),
    )
    read = slide.read(outer)
    pixels = read[:, : block.shape[0], : block.shape[1]]
    tops = [top_of(plane) for plane in pixels]
    height, width = block.shape
    rows, columns = -(-height // tile), -(-width // tile)
    shape = rows * BINS, columns * BINS
    low, mean = np.zeros((2, len(read), rows, columns), np.float32)
    bins = np.zeros((len(read), *shape), np.float32)
    clipped, few = np.zeros((2, len(read), *shape), np.uint16)
    for c, plane in enumerate(pixels):
        whole = _filled(plane, rows * tile, columns * tile)
        # rounded as the pixels are, or a plateau at 0.7 would lie above every one of its pixels
        exact = np.float32 if whole.dtype.kind == "f" else np.float64
        top, most = (float(exact(v)) for v in (tops[c].value, tops[c].maximum))
        summaries(whole, edge, BINS, top, most, mean[c], bins[c], clipped[c], few[c])
        low[c] = _quantile(whole, tile, _LOW / 100)
    scaled = (bins[used] - floor[used, None, None]) / np.maximum(bright[used, None, None], 1e-12)
    lit = np.array([bright[c] > 0 for c in used])
    least = scaled[lit].min(axis=0) if lit.any() else np.zeros(shape)
    fine, coarse = np.zeros((2, rows, columns))
    if nuclear:
        changed = np.zeros((len(lags), rows, columns))
        for c in nuclear:
            wide = _filled(read[c], rows * tile + lags[-1], columns * tile + lags[-1])
            for lag, out in zip(lags, changed, strict=True):
                change(wide, lag, tile, out)
        fine, coarse = changed[1] - changed[0], changed[2] - changed[0]
    enough = _SATURATED * edge**2
    return _Part(
        whole=_whole(slide, outer, rows, columns, tile, lags[-1]),
        low=low,
        mean=mean,
        fine=fine.astype(np.float32),
        coarse=coarse.astype(np.float32),
        everywhere=np.clip(_FULL * least, 0, 255).astype(np.uint8),
        clipped=list(clipped >= enough),
        few=list(few >= enough),
        tops=tops,
    )


def _quantile(plane: npt.NDArray[Any], tile: int, share: float) -> npt.NDArray[np.floating[Any]]:
    """Return a quantile of the pixels of each tile."""
    rows, columns = (n // tile for n in plane.shape)
    tiles = plane.reshape(rows, tile, columns, tile).swapaxes(1, 2).reshape(rows, columns, -1)
    return np.asarray(np.quantile(tiles, share, axis=-1))


def _whole(
    slide: Slide, outer: Block, rows: int, columns: int, tile: int, reach: int
) -> npt.NDArray[np.bool_]:
    """Tell of which tiles all pixels were imaged, and those they are compared with."""
    whole = np.ones((rows, columns), bool)
    if slide.imaged is None:
        return whole
    height, width = rows * tile, columns * tile
    seen = _filled(slide.imaged.mask(outer).view(np.uint8), height + reach, width + reach)
    for y, x in ((0, 0), (reach, 0), (0, reach)):
        part = seen[y : y + height, x : x + width]
        whole &= part.reshape(rows, tile, columns, tile).all(axis=(1, 3))
    return whole


def _filled(plane: npt.NDArray[Any], height: int, width: int) -> npt.NDArray[Any]:
    """Return finite numbers of one of few types, mirrored at the far edges up to a size."""
    if plane.dtype.kind not in "ui" or plane.dtype.itemsize > 2:
        plane = np.nan_to_num(plane.astype(np.float32))
    short = [(0, n - m) for n, m in zip((height, width), plane.shape, strict=True)]
    return np.ascontiguousarray(np.pad(plane, short, mode="symmetric"))
