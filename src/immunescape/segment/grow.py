"""Growing nuclei to cells."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, BlockMap, Plane, Progress, in_threads, iter_blocks, silent
from immunescape.slide import Imaged

__all__ = ["GrownPlane", "grow_cells"]

_WRITE_PX = 4096
"""Label stores keep so many pixels a side together: blocks of them are written independently."""


class GrownPlane:
    """Nuclei grown to cells as they are read; see `grow_cells`.

    Parameters
    ----------
    nuclei
        ``(y, x)`` integers, 0 is background.
    pixel_size_um
        Edge of a pixel.
    grow_um
        How far a cell reaches beyond its nucleus.
    imaged
        Where the slide has pixels; None if everywhere. No cell reaches into the rest.
    """

    def __init__(
        self, nuclei: Plane, pixel_size_um: float, grow_um: float, imaged: Imaged | None = None
    ) -> None:
        self.nuclei = nuclei
        self.imaged = imaged
        self.shape = (int(nuclei.shape[-2]), int(nuclei.shape[-1]))
        self.dtype = np.dtype(np.int32)
        self._reach = grow_um / pixel_size_um
        self._offsets = _offsets(self._reach)

    def __getitem__(self, key: tuple[slice, slice]) -> npt.NDArray[np.int32]:
        """Return the cells of a rectangle, given as two slices with both ends."""
        rows, columns = key
        return self.grown(Block(rows.start, rows.stop, columns.start, columns.stop))

    def grown(self, block: Block) -> npt.NDArray[np.int32]:
        """Return the cells of a block."""
        from immunescape.segment._growing import grow

        outer = block.grown(int(self._reach) + 1, self.shape)
        labels = np.ascontiguousarray(np.asarray(self.nuclei[outer.slices]), dtype=np.int32)
        rows, columns = block.inside(outer)
        grown = np.empty(block.shape, dtype=np.int32)
        grow(labels, grown, rows.start, columns.start, *self._offsets)
        if self.imaged is not None:
            grown[~self.imaged.mask(block)] = 0
        return grown


def grow_cells(
    nuclei: Plane,
    out: Any,
    pixel_size_um: float,
    grow_um: float = 3.0,
    block_px: int = _WRITE_PX,
    *,
    progress: Progress = silent,
    mapper: BlockMap = in_threads,
) -> None:
    """Grow every nucleus by a distance, meeting its neighbours half way.

    Parameters
    ----------
    nuclei
        ``(y, x)`` integers, 0 is background.
    out
        Writable ``(y, x)`` int32 of the same shape; every pixel is written.
    pixel_size_um
        Edge of a pixel.
    grow_um
        Largest distance, between the centres of pixels, that a cell reaches beyond its nucleus.
    block_px
        Edge of a block; changes nothing but memory. Blocks are written by several threads: that
        of a stored array is a whole number of its shards.
    progress
        Called after each block.
    mapper
        Where the blocks are grown.

    Notes
    -----
    A background pixel takes the label of the nearest nuclear pixel within ``grow_um``; of equally
    near ones the lowest label. Pixels of nuclei keep their label.
    """
    cells = GrownPlane(nuclei, pixel_size_um, grow_um)
    blocks = list(iter_blocks(cells.shape, block_px))
    for done, _ in enumerate(mapper("grow", partial(_write, cells, out), blocks), start=1):
        progress("grow", done, len(blocks))


def _write(cells: GrownPlane, out: Any, block: Block) -> None:
    out[block.slices] = cells.grown(block)


def _offsets(reach: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Return offsets from near to far.

    Returns
    -------
    tuple of numpy.ndarray
        ``dy``, ``dx`` and squared length of all offsets within ``reach``; and for every whole
        number up to ``reach`` the first offset that is at least as long.
    """
    span = np.arange(-int(reach), int(reach) + 1)
    dy, dx = (grid.ravel() for grid in np.meshgrid(span, span, indexing="ij"))
    squared = dy**2 + dx**2
    keep = (squared > 0) & (squared <= reach**2 * (1 + 1e-9))
    dy, dx, squared = dy[keep], dx[keep], squared[keep]
    order = np.argsort(squared, kind="stable")
    first = np.searchsorted(squared[order], np.arange(int(reach) + 1) ** 2)
    return dy[order], dx[order], squared[order], first
