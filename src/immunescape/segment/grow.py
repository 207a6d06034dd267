"""Growing nuclei to cells."""

from typing import Any

import numba
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
    shape = (int(nuclei.shape[-2]), int(nuclei.shape[-1]))
    reach = grow_um / pixel_size_um
    offsets = _offsets(reach)
    halo = int(reach) + 1
    for block in iter_blocks(shape, block_px):
        outer = block.grown(halo, shape)
        labels = np.ascontiguousarray(np.asarray(nuclei[outer.slices]), dtype=np.int32)
        rows, columns = block.inside(outer)
        grown = np.empty(block.shape, dtype=np.int32)
        _grow(labels, grown, rows.start, columns.start, *offsets)
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


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _grow(
    labels: Any, out: Any, top: int, left: int, dy: Any, dx: Any, squared: Any, first: Any
) -> None:
    height, width = labels.shape
    steps = _chessboard(labels)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            y = top + i
            x = left + j
            found = labels[y, x]
            # No label is nearer than its chessboard distance.
            if found == 0 and steps[y, x] < len(first):
                nearest = -1
                for k in range(first[steps[y, x]], len(dy)):
                    if nearest >= 0 and squared[k] > nearest:
                        break
                    r = y + dy[k]
                    c = x + dx[k]
                    if 0 <= r < height and 0 <= c < width:
                        other = labels[r, c]
                        if other > 0 and (found == 0 or other < found):
                            found = other
                            nearest = squared[k]
            out[i, j] = found


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def _chessboard(labels: Any) -> Any:
    """Return the moves of a king to the nearest label."""
    height, width = labels.shape
    steps = np.full((height, width), height + width, dtype=np.int64)
    for y in range(height):
        for x in range(width):
            if labels[y, x] > 0:
                steps[y, x] = 0
                continue
            least = steps[y, x - 1] if x > 0 else height + width
            if y > 0:
                for c in range(max(x - 1, 0), min(x + 2, width)):
                    least = min(least, steps[y - 1, c])
            steps[y, x] = least + 1
    for y in range(height - 1, -1, -1):
        for x in range(width - 1, -1, -1):
            least = steps[y, x + 1] if x + 1 < width else height + width
            if y + 1 < height:
                for c in range(max(x - 1, 0), min(x + 2, width)):
                    least = min(least, steps[y + 1, c])
            steps[y, x] = min(steps[y, x], least + 1)
    return steps
