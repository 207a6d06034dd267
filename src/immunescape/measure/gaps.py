"""Labels beside what was not imaged: none lies there, and those that end there are cut."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Plane, iter_blocks
from immunescape.slide import Imaged

__all__ = ["clear_gaps", "labels_at_gaps"]

_BLOCK_PX = 2048


def clear_gaps(labels: Any, imaged: Imaged | None, block_px: int = _BLOCK_PX) -> None:
    """Set labels to 0 where nothing was imaged, as there are none beyond the frame.

    Parameters
    ----------
    labels
        Writable ``(y, x)`` label image of the slide; only blocks with a label in a gap are
        written.
    imaged
        Where the slide has pixels; None if everywhere.
    block_px
        Edge of a block; it changes nothing but memory.
    """
    if imaged is None:
        return
    for block in iter_blocks((int(labels.shape[0]), int(labels.shape[1])), block_px):
        seen = imaged.mask(block)
        if seen.all():
            continue
        part = np.asarray(labels[block.slices])
        if part[~seen].any():
            labels[block.slices] = np.where(seen, part, 0)


def labels_at_gaps(
    labels: Plane, imaged: Imaged | None, block_px: int = _BLOCK_PX
) -> npt.NDArray[np.int64]:
    """Return the labels with a pixel beside one that was not imaged, corners included.

    Parameters
    ----------
    labels
        ``(y, x)`` label image of the slide.
    imaged
        Where the slide has pixels; None if everywhere.
    block_px
        Edge of a block; it changes nothing but memory.

    Returns
    -------
    numpy.ndarray
        Rising, each once.
    """
    from scipy import ndimage as ndi

    shape = int(labels.shape[-2]), int(labels.shape[-1])
    found = [np.zeros(0, np.int64)]
    for block in iter_blocks(shape, block_px) if imaged is not None else ():
        outer = block.grown(1, shape)
        gap = ~imaged.mask(outer)  # type: ignore[union-attr]
        if not gap.any():
            continue
        beside = ndi.binary_dilation(gap, np.ones((3, 3), bool)) & ~gap
        part = np.asarray(labels[block.slices])[beside[block.inside(outer)]]
        found.append(np.unique(part[part > 0]).astype(np.int64))
    return np.unique(np.concatenate(found))
