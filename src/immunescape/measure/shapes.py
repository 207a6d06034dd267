"""Where each cell lies and what shape it has, from its labels alone."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Plane, in_threads

__all__ = ["Shapes", "compact", "find_shapes"]


@dataclass(frozen=True, eq=False)
class Shapes:
    """What one block, or several merged, knows of its labels; everything adds up.

    Parameters
    ----------
    labels
        ``(n,)`` int64; ascending once merged.
    moments
        ``(n, 6)`` int64: pixels, Σx, Σy, Σxx, Σxy and Σyy.
    framed
        ``(n,)`` bool, whether the cell reaches the outermost row or column of the plane.
    hull
        ``(p, 3)`` int64, corners of the convex hull: row of the label, doubled y, doubled x.
    """

    labels: npt.NDArray[np.int64]
    moments: npt.NDArray[np.int64]
    framed: npt.NDArray[np.bool_]
    hull: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def eccentricity(self) -> npt.NDArray[np.float64]:
        """Eccentricity of the ellipse with the same second moments."""
        return _eccentricity(self.moments)

    @property
    def solidity(self) -> npt.NDArray[np.float64]:
        """Pixels over pixels of the convex hull."""
        from immunescape.measure._hull import convex_areas

        start = np.searchsorted(self.hull[:, 0], np.arange(len(self) + 1)).astype(np.int64)
        convex = convex_areas(np.ascontiguousarray(self.hull[:, 1:]), start)
        return np.asarray(self.moments[:, 0] / convex, np.float64)


def find_shapes(cells: Plane, blocks: list[Block], mapper: BlockMap = in_threads) -> Shapes:
    """Look at the labels once, block by block; labels come out sorted."""
    shape = (int(cells.shape[0]), int(cells.shape[1]))
    parts = mapper("shapes", partial(_shapes_of, cells, shape), blocks)
    return _merge([part for part in parts if len(part)])


def compact(pixels: Any, dtype: Any = None) -> npt.NDArray[Any]:
    """Return pixels of one memory layout, for which the loops are compiled only once."""
    return np.require(np.asarray(pixels), dtype, ["C", "W"])


def _shapes_of(cells: Plane, shape: tuple[int, int], block: Block) -> Shapes:
    from immunescape.measure._hull import hull_points
    from immunescape.measure._kernels import find_runs, moments

    labels = compact(cells[block.slices], np.int32)
    runs, found = find_runs(labels, 0, 0, *block.shape)
    n = len(found)
    if not n:
        none = np.zeros((0, 6), np.int64)
        return Shapes(none[:, 0], none, none[:, 0] > 0, none[:, :3])
    sums, framed = moments(runs, n, block.y0, block.x0, *shape)
    return Shapes(found.astype(np.int64), sums, framed, hull_points(runs, n, block.y0, block.x0))


def _merge(parts: list[Shapes]) -> Shapes:
    """Add up what the blocks know of each label."""
    if not parts:
        none = np.zeros((0, 6), np.int64)
        return Shapes(none[:, 0], none, none[:, 0] > 0, none[:, :3])
    labels, which = np.unique(np.concatenate([p.labels for p in parts]), return_inverse=True)
    order = np.argsort(which, kind="stable")
    first = np.searchsorted(which[order], np.arange(len(labels)))
    moments = np.add.reduceat(np.concatenate([p.moments for p in parts])[order], first, axis=0)
    framed = np.logical_or.reduceat(np.concatenate([p.framed for p in parts])[order], first)
    offsets = np.cumsum([0] + [len(p) for p in parts])
    hull = np.concatenate([p.hull for p in parts])
    owner = np.repeat(offsets[:-1], [len(p.hull) for p in parts]) + hull[:, 0]
    hull[:, 0] = which[owner]
    return Shapes(labels, moments, framed, hull[np.argsort(hull[:, 0], kind="stable")])


def _eccentricity(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the eccentricity of each label from its sums of coordinates."""
    n, sx, sy, sxx, sxy, syy = sums.T
    # Shifted by whole pixels, so that squares of far coordinates cancel without rounding.
    ox, oy = sx // np.maximum(n, 1), sy // np.maximum(n, 1)
    dx, dy = sx - n * ox, sy - n * oy
    xx = (sxx - 2 * ox * sx + n * ox * ox) / n - (dx / n) ** 2
    yy = (syy - 2 * oy * sy + n * oy * oy) / n - (dy / n) ** 2
    xy = (sxy - ox * sy - oy * sx + n * ox * oy) / n - (dx / n) * (dy / n)
    middle, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    long, short = middle + spread, np.maximum(middle - spread, 0.0)
    ratio = np.ones(len(n))
    np.divide(short, long, out=ratio, where=long > 0)
    return np.asarray(np.sqrt(1 - ratio), np.float64)
