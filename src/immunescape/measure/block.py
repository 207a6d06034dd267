"""What one block of pixels tells of the stains of its cells."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, Plane
from immunescape.measure.rims import P35, Pieces
from immunescape.measure.shapes import Shapes, compact
from immunescape.slide import Slide

__all__ = ["CLASSES", "Part", "Plan", "reach_of"]

CLASSES = 4
"""Disjoint parts of a cell: bit 0 is the nucleus, bit 1 the rim."""
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Part:
    """What one block knows of the stains of its cells, which are ``rows`` of the table.

    ``pixels`` is ``(n, 4)`` and the two stain arrays ``(n, c, 4)``, the last axis the disjoint
    parts of a cell; ``p35`` is ``(m, n)``, NaN where other blocks hold a part of the cell.
    """

    rows: npt.NDArray[np.int64]
    pixels: npt.NDArray[np.int64]
    stain: npt.NDArray[np.float64]
    left_out: npt.NDArray[np.int64]
    pieces: Pieces | None
    p35: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is measured, and how a block is read.

    Parameters
    ----------
    slide, nuclei, cells
        Image and labels.
    channels
        Channels that are measured.
    rims
        Which of these, by position, are membrane markers.
    shapes
        All cells of the plane.
    rim_reach, spill_reach
        How far from a pixel another label makes it rim, and shares it; see :func:`reach_of`.
    """

    slide: Slide
    nuclei: Plane | None
    cells: Plane
    channels: tuple[str, ...]
    rims: tuple[int, ...]
    shapes: Shapes
    rim_reach: npt.NDArray[np.int64]
    spill_reach: npt.NDArray[np.int64]

    def measure(self, block: Block) -> Part | None:
        """Measure the pixels of one block; the halo only decides what is rim, and whose.

        Returns
        -------
        Part or None
            None if there is no cell in the block.
        """
        from immunescape.measure._kernels import find_runs, slots, sum_slots

        reaches = (self.rim_reach, self.spill_reach) if self.rims else (self.rim_reach,)
        outer = block.grown(max(int(reach.max()) for reach in reaches), self.slide.shape)
        labels = compact(self.cells[outer.slices], np.int32)
        corner = block.y0 - outer.y0, block.x0 - outer.x0
        runs, found = find_runs(labels, *corner, *block.shape)
        n = len(found)
        if not n:
            return None
        nucleus = np.zeros((0, 0), np.int32)
        if self.nuclei is not None:
            nucleus = compact(self.nuclei[block.slices], np.int32)
        rows = np.searchsorted(self.shapes.labels, found)
        slot = slots(labels, nucleus, runs, n, *corner, *block.shape, self.rim_reach)
        pixels = np.bincount(slot.ravel(), minlength=CLASSES * n)[: CLASSES * n]
        pixels = pixels.reshape(n, CLASSES)
        rims = _Rims(self, labels, slot, runs, block, corner, rows) if self.rims else None
        stain = np.zeros((n, len(self.channels), CLASSES), np.float64)
        left_out = np.zeros(stain.shape, np.int64)
        for c, channel in enumerate(self.channels):
            values = compact(self.slide.read(block, (channel,))[0])
            total, missing = sum_slots(slot, values, CLASSES * n)
            stain[:, c] = total.reshape(n, CLASSES)
            left_out[:, c] = missing.reshape(n, CLASSES)
            if rims is not None and c in self.rims:
                rims.add(values)
        if rims is None:
            return Part(rows, pixels, stain, left_out, None, np.zeros((0, n)))
        whole = pixels.sum(axis=1) == self.shapes.moments[rows, 0]
        return Part(rows, pixels, stain, left_out, *rims.result(whole))


class _Rims:
    """The rims of one block, to which the light of one marker after the other is added."""

    def __init__(
        self,
        plan: Plan,
        labels: npt.NDArray[np.int32],
        slot: npt.NDArray[np.int32],
        runs: npt.NDArray[np.int32],
        block: Block,
        corner: tuple[int, int],
        rows: npt.NDArray[np.int64],
    ) -> None:
        from immunescape.measure._rims import find_pieces

        moments = np.ascontiguousarray(plan.shapes.moments[rows, :3])
        self.at, self.piece, self.owner, self.sector, self.start, near = find_pieces(
            labels, slot, runs, moments, *corner, block.y0, block.x0, plan.spill_reach
        )
        self.near = np.searchsorted(plan.shapes.labels, near)
        self.rows = rows
        self.values: list[npt.NDArray[np.float64]] = []

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add the light of the next marker."""
        self.values.append(values.ravel()[self.at].astype(np.float64))

    def result(self, whole: npt.NDArray[np.bool_]) -> tuple[Pieces, npt.NDArray[np.float64]]:
        """Return the pieces, and ``(m, n)`` quantiles of the cells that are whole, else NaN."""
        from immunescape.measure._rims import quantiles, sum_pieces

        n = len(self.owner)
        summed = [sum_pieces(values, self.piece, n) for values in self.values]
        cell = self.owner[self.piece]
        inside = whole[cell]
        owner = np.where(inside, cell, -1)
        pieces = Pieces(
            self.rows[self.owner], self.sector, self.start, self.near,
            np.stack([light for light, _ in summed]), np.stack([count for _, count in summed]),
            np.stack([values[~inside] for values in self.values]), self.rows[cell[~inside]],
        )  # fmt: skip
        n_cells = len(self.rows)
        return pieces, np.stack([quantiles(v, owner, n_cells, P35) for v in self.values])


def reach_of(radius_px: float) -> npt.NDArray[np.int64]:
    """Return for each row offset the largest column offset whose pixel touches the disc.

    The disc of that radius, at least half a pixel, lies about a pixel's centre.

    Examples
    --------
    >>> reach_of(2.0)
    array([1, 2, 2, 2, 1])
    """
    radius = max(radius_px, 0.5) + _ROUNDING
    k = int(radius + 0.5)
    dy = np.maximum(np.abs(np.arange(-k, k + 1)) - 0.5, 0.0)
    return np.asarray(np.sqrt(radius**2 - dy**2) + 0.5, np.int64)
