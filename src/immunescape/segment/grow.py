"""Growing nuclei to cells."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Plane, iter_blocks

__all__ = ["grow_cells"]


def grow_cells(
    nuclei: Plane, out: Any, pixel_size_um: float, grow_um: float = 3.0, block_px: int = 1024
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
        Edge of a block; changes nothing but memory.

    Notes
    -----
    A background pixel takes the label of the nearest nuclear pixel within ``grow_um``; of equally
    near ones the lowest label. Pixels of nuclei keep their label.
    """
    from immunescape.segment._growing import grow

    shape = (int(nuclei.shape[-2]), int(nuclei.shape[-1]))
    reach = grow_um / pixel_size_um
    offsets = _offsets(reach)
    halo = int(reach) + 1
    for block in iter_blocks(shape, block_px):
        outer = block.grown(halo, shape)
        labels = np.ascontiguousarray(np.asarray(nuclei[outer.slices]), dtype=np.int32)
        rows, columns = block.inside(outer)
        grown = np.empty(block.shape, dtype=np.int32)
        grow(labels, grown, rows.start, columns.start, *offsets)
        out[block.slices] = grown


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
