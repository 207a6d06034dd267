"""How label images, proposals and rims are kept beside a result, and read back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Plane, Progress, iter_blocks, silent
from immunescape.io.labels import LabelStore
from immunescape.margin import GridMask
from immunescape.quality import ISSUES

__all__ = ["PROPOSALS", "RIMS", "copy_plane", "packed", "unpacked", "writable"]

RIMS = "rims"
"""Name of the table of rim sectors in a store."""
PROPOSALS = "proposals"
"""Name of the image of proposed exclusions in a store."""
_COPY_PX = 4096


def packed(
    proposals: Mapping[str, npt.NDArray[np.bool_]], shape: tuple[int, int]
) -> npt.NDArray[np.int32]:
    """Return proposals as one image, a bit each in the order of ``ISSUES``.

    Parameters
    ----------
    proposals
        ``(y, x)`` masks by issue; those that are absent are set nowhere.
    shape
        Rows and columns of the image.
    """
    image = np.zeros(shape, np.int32)
    for name, mask in proposals.items():
        image |= mask.astype(np.int32) << ISSUES.index(name)
    return image


def unpacked(image: npt.NDArray[np.int32], tissue: GridMask) -> dict[str, GridMask]:
    """Return the proposals of an image of bits; those that are nowhere are left out.

    Parameters
    ----------
    image
        What `packed` made.
    tissue
        Any mask on the working grid of the image.
    """
    masks = {name: (image >> bit) & 1 > 0 for bit, name in enumerate(ISSUES)}
    return {name: tissue.with_mask(mask) for name, mask in masks.items() if mask.any()}


def copy_plane(source: Plane, target: Any, progress: Progress = silent) -> None:
    """Copy a label image block by block.

    Parameters
    ----------
    source, target
        ``(y, x)`` of one shape; the target takes slices.
    progress
        Called after each block.
    """
    blocks = list(iter_blocks((source.shape[-2], source.shape[-1]), _COPY_PX))
    for done, block in enumerate(blocks, start=1):
        target[block.slices] = source[block.slices]
        progress("import labels", done, len(blocks))


def writable(path: Path) -> LabelStore:
    """Open a store that may be added to."""
    import zarr

    store = LabelStore.open(path)
    return LabelStore(path, zarr.open_group(path, mode="r+", zarr_format=3), store.pixel_size_um)
