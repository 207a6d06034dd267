"""From a slide's pixels to a network's and back, anchored at the slide's origin.

Every value depends on the position in the slide alone, never on the block it is computed with.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block

__all__ = ["Grid"]

_SAME = 0.1
"""Pixel sizes that differ by no more than this share count as equal: networks bear more."""


@dataclass(frozen=True)
class Grid:
    """Pixels of a network laid over the pixels of a slide.

    Parameters
    ----------
    slide_shape
        Height and width of the slide in its own pixels.
    ratio
        Edge of a network pixel in slide pixels.
    """

    slide_shape: tuple[int, int]
    ratio: float

    @classmethod
    def between(cls, slide_shape: tuple[int, int], pixel_um: float, network_um: float) -> "Grid":
        """Return the grid; pixel sizes within a tenth of each other are taken as they are."""
        ratio = network_um / pixel_um
        return cls(slide_shape, 1.0 if abs(np.log(ratio)) <= np.log1p(_SAME) + 1e-9 else ratio)

    @property
    def native(self) -> bool:
        """Whether network and slide share their pixels."""
        return self.ratio == 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in network pixels; the last ones may reach beyond the slide."""
        height, width = (int(np.ceil(side / self.ratio - 1e-9)) for side in self.slide_shape)
        return max(height, 1), max(width, 1)

    def footprint(self, block: Block) -> Block:
        """Return the slide pixels that ``shrink`` needs for a block of network pixels."""
        (y0, y1), (x0, x1) = (
            (
                max(int(np.floor(low * self.ratio)) - 1, 0),
                min(int(np.ceil(high * self.ratio)) + 1, side),
            )
            for low, high, side in (
                (block.y0, block.y1, self.slide_shape[0]),
                (block.x0, block.x1, self.slide_shape[1]),
            )
        )
        return Block(y0, max(y1, y0 + 1), x0, max(x1, x0 + 1))

    def shrink(self, pixels: npt.NDArray[Any], block: Block) -> npt.NDArray[np.float32]:
        """Resample slide pixels to network pixels.

        Parameters
        ----------
        pixels
            ``(y, x)`` of ``footprint(block)``.
        block
            Network pixels wanted.

        Returns
        -------
        numpy.ndarray
            ``(y, x)`` float32: area means where network pixels are larger, linear interpolation
            where they are smaller. Beyond the slide its last pixels are repeated.
        """
        if self.native:
            return np.ascontiguousarray(
                pixels[block.inside(self.footprint(block))], dtype=np.float32
            )
        part = self.footprint(block)
        rows = _weights(block.y0, block.y1, part.y0, part.y1, self.ratio, self.slide_shape[0])
        columns = _weights(block.x0, block.x1, part.x0, part.x1, self.ratio, self.slide_shape[1])
        return np.asarray(
            (columns @ (rows @ np.asarray(pixels, dtype=np.float64)).T).T, dtype=np.float32
        )

    def around(self, block: Block) -> Block:
        """Return the network pixels that ``enlarge`` needs for a block of slide pixels."""
        return Block(
            max(int(np.floor((block.y0 + 0.5) / self.ratio - 0.5)), 0),
            min(int(np.floor((block.y1 - 0.5) / self.ratio - 0.5)) + 2, self.shape[0]),
            max(int(np.floor((block.x0 + 0.5) / self.ratio - 0.5)), 0),
            min(int(np.floor((block.x1 - 0.5) / self.ratio - 0.5)) + 2, self.shape[1]),
        )

    def enlarge(self, labels: npt.NDArray[np.int32], block: Block) -> npt.NDArray[np.int32]:
        """Give labels on network pixels to slide pixels.

        Parameters
        ----------
        labels
            ``(y, x)`` int32 of ``around(block)``.
        block
            Slide pixels wanted.

        Returns
        -------
        numpy.ndarray
            ``(y, x)`` int32. A pixel takes the label that holds most of the linear weight of the
            four network pixels around its centre; of equal ones the lowest.
        """
        around = self.around(block)
        if self.native:
            return np.ascontiguousarray(labels[block.inside(around)])
        out = np.empty(block.shape, dtype=np.int32)
        _vote(labels, out, block.y0, block.x0, around.y0, around.x0, self.ratio)
        return out


def _weights(start: int, stop: int, low: int, high: int, ratio: float, side: int) -> Any:
    """Sparse ``(stop - start, high - low)`` weights of slide pixels for network pixels."""
    from scipy import sparse

    index = np.arange(start, stop)
    if ratio > 1.0:
        left, right = index * ratio, (index + 1) * ratio
        span = int(np.ceil(ratio)) + 1
        source = np.floor(left).astype(int)[:, None] + np.arange(span)
        weight = np.minimum(right[:, None], source + 1) - np.maximum(left[:, None], source)
        weight = np.maximum(weight, 0.0)
    else:
        centre = (index + 0.5) * ratio - 0.5
        source = np.floor(centre).astype(int)[:, None] + np.arange(2)
        weight = 1.0 - np.abs(centre[:, None] - source)
    weight = weight / weight.sum(axis=1, keepdims=True)
    source = np.clip(np.clip(source, 0, side - 1) - low, 0, high - low - 1)
    row = np.repeat(np.arange(len(index)), source.shape[1])
    return sparse.csr_array((weight.ravel(), (row, source.ravel())), shape=(len(index), high - low))


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _vote(
    labels: Any, out: Any, y_start: int, x_start: int, y_low: int, x_low: int, ratio: float
) -> None:
    height, width = labels.shape
    candidates = np.empty(4, dtype=np.int32)
    weights = np.empty(4, dtype=np.float64)
    for i in range(out.shape[0]):
        cy = (y_start + i + 0.5) / ratio - 0.5
        fy = int(np.floor(cy))
        wy = cy - fy
        r0 = min(max(fy - y_low, 0), height - 1)
        r1 = min(max(fy + 1 - y_low, 0), height - 1)
        for j in range(out.shape[1]):
            cx = (x_start + j + 0.5) / ratio - 0.5
            fx = int(np.floor(cx))
            wx = cx - fx
            c0 = min(max(fx - x_low, 0), width - 1)
            c1 = min(max(fx + 1 - x_low, 0), width - 1)
            candidates[0] = labels[r0, c0]
            candidates[1] = labels[r0, c1]
            candidates[2] = labels[r1, c0]
            candidates[3] = labels[r1, c1]
            weights[0] = (1 - wy) * (1 - wx)
            weights[1] = (1 - wy) * wx
            weights[2] = wy * (1 - wx)
            weights[3] = wy * wx
            best = candidates[0]
            most = -1.0
            for a in range(4):
                total = 0.0
                for b in range(4):
                    if candidates[b] == candidates[a]:
                        total += weights[b]
                if total > most + 1e-12 or (total > most - 1e-12 and candidates[a] < best):
                    best = candidates[a]
                    most = total
            out[i, j] = best
