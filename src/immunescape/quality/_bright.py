"""Specks: what saturates, and what is bright in every channel at once."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.blocks import Block, Plane, iter_blocks
from immunescape.panel import Panel
from immunescape.quality._features import Features
from immunescape.quality.params import QualityParams

__all__ = ["bright_everywhere", "specks", "whole_cells"]

_TOUCH_UM = 4.0
"""Specks nearer than this are one."""
_FEWEST_CHANNELS = 4
_COVERED = 0.25
"""A cell of which pigment covers this share is pigmented."""

Flags = npt.NDArray[np.bool_]


def specks(mask: Flags, bin_um: float, min_um2: float) -> Flags:
    """Join specks that nearly touch, and drop those that are small even then."""
    from scipy import ndimage as ndi

    if not mask.any():
        return mask
    reach = max(round(_TOUCH_UM / 2 / bin_um), 1)
    near = np.ones((2 * reach + 1, 2 * reach + 1), bool)
    labels, number = ndi.label(ndi.binary_dilation(mask, near), np.ones((3, 3), bool))
    area = np.bincount(labels[mask], minlength=number + 1) * bin_um**2
    keep = area >= min_um2
    keep[0] = False
    return np.asarray(mask & keep[labels], bool)


def bright_everywhere(
    found: Features, panel: Panel, tissue: Flags, params: QualityParams
) -> tuple[Flags, Flags]:
    """Return pigment and debris: what is bright in all channels at once, grown by one bin."""
    from scipy import ndimage as ndi

    nothing = np.zeros(tissue.shape, bool)
    used = sum(s.role != "ignored" for s in panel.stains)
    if params.bright_everywhere == 0 or used < _FEWEST_CHANNELS:
        return nothing, nothing
    even = ndi.uniform_filter(found.everywhere.astype(np.float32) / 100, 3, mode="nearest")
    bright = (even >= params.bright_everywhere) & tissue
    bright = specks(bright, found.bin_um, params.min_speck_um2)
    labels, number = ndi.label(ndi.binary_dilation(bright), np.ones((3, 3), bool))
    peak, level = np.zeros(number + 1), np.zeros(number + 1)
    np.maximum.at(peak, labels.ravel(), found.everywhere.ravel() / 100)
    np.maximum.at(level, labels.ravel(), even.ravel())
    is_debris = peak >= params.debris_contrast * level
    mask = (labels > 0) & tissue
    return mask & ~is_debris[labels], mask & is_debris[labels]


def whole_cells(
    mask: Flags, bin_um: float, cells: Plane, pixel_size_um: float, block_px: int
) -> Flags:
    """Add to a mask on bins the whole of each cell of which it covers a quarter."""
    rows, columns = (
        np.minimum(((np.arange(n) + 0.5) * bin_um / pixel_size_um).astype(np.intp), m - 1)
        for n, m in zip(mask.shape, cells.shape[-2:], strict=True)
    )

    def labels_of(block: Block) -> npt.NDArray[Any]:
        y, x = rows[block.y0 : block.y1], columns[block.x0 : block.x1]
        read = np.asarray(cells[y[0] : y[-1] + 1, x[0] : x[-1] + 1])
        return np.asarray(read[np.ix_(y - y[0], x - x[0])])

    blocks = list(iter_blocks(mask.shape, max(int(block_px * pixel_size_um / bin_um), 1)))
    parts = []
    for block in blocks:
        labels = labels_of(block).ravel()
        found, at = np.unique(labels, return_inverse=True)
        hit = np.bincount(at, mask[block.slices].ravel(), len(found))
        parts.append((found, np.bincount(at, minlength=len(found)), hit))
    label, size, hit = (np.concatenate([part[k] for part in parts]) for k in range(3))
    whole, at = np.unique(label, return_inverse=True)
    covered = np.bincount(at, hit) >= _COVERED * np.bincount(at, size)
    whole = whole[covered & (whole > 0)]
    out = mask.copy()
    for block in blocks if len(whole) else []:
        out[block.slices] |= np.isin(labels_of(block), whole)
    return out
