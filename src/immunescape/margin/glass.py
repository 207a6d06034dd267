"""Where glass is seen beside tissue: what is dark, flat and without cells, to some depth."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from immunescape.margin.strips import capped_distance, smoothed

if TYPE_CHECKING:
    from immunescape.margin.tissue import TissueParams

__all__ = ["tissue_of"]

_TEXTURE = 0.3
"""The texture of glass is less than this share of that of tissue, and of its contrast with it."""

_GLASS_CELLS = 0.02
"""Cells cover less than this share of glass; of tissue, however pale, they cover more."""


def tissue_of(
    stains: Iterator[npt.NDArray[np.float32]],
    seen: npt.NDArray[np.bool_],
    footprint: npt.NDArray[np.bool_] | None,
    params: "TissueParams",
) -> npt.NDArray[np.bool_]:
    """Tell tissue from glass on the working grid.

    Parameters
    ----------
    stains
        ``(y, x)`` mean light of each channel in a grid cell; they may be changed.
    seen
        Where the slide was imaged.
    footprint
        Where a cell lies; None where cells are not known.
    params
        Sizes.
    """
    from scipy import ndimage as ndi

    sigma = params.smooth_um / params.grid_um / 2.355
    # the planes are as large as the slide allows: each step works in place
    smooth, texture = np.zeros((2, *seen.shape), np.float32)
    weight: Any = None
    if not seen.all():
        weight = smoothed(seen.astype(np.float32), sigma)
        weight = np.maximum(weight, 1e-6)
    for stain in stains:
        if weight is None:
            even = smoothed(stain, sigma)
        else:  # the mean of what was imaged nearby
            stain = np.where(seen, stain, np.float32(0))
            even = smoothed(stain, sigma) / weight
        low, high = _percentiles(even, seen, (1, 99))
        rough = np.abs(np.subtract(stain, even, out=stain), out=stain)
        # A stain that is mere noise has no contrast between places, only between neighbours.
        scale = max(high - low, *_percentiles(rough, seen, (99,)))
        if scale > 0:
            even -= low
            even /= scale
            smooth += np.minimum(even, 1.0, out=even)
            rough /= scale
            texture += rough
        del stain, even, rough
    glass = _glass(smooth, texture, seen, footprint, params)
    tissue = seen & (~glass if footprint is None else ~glass | footprint)
    holes, number = ndi.label(seen & ~tissue)
    fill = np.bincount(holes.ravel(), minlength=number + 1) * params.grid_um**2
    small = fill < params.min_hole_um2
    small[np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = False
    if weight is not None:
        small[np.unique(holes[ndi.binary_dilation(~seen)])] = False
    small[0] = False
    return np.asarray(tissue | small[holes], bool)


def _glass(
    smooth: npt.NDArray[np.float32],
    texture: npt.NDArray[np.float32],
    seen: npt.NDArray[np.bool_],
    footprint: npt.NDArray[np.bool_] | None,
    params: "TissueParams",
) -> npt.NDArray[np.bool_]:
    """Return where glass is, among what was seen; nowhere unless there is clear evidence of it."""
    from scipy import ndimage as ndi

    nowhere = np.zeros(smooth.shape, bool)
    if not seen.any():
        return nowhere
    darkest, brightest = _percentiles(smooth, seen, (1, 99))
    if brightest <= darkest:
        return nowhere
    dark = smooth[seen & (smooth < darkest + 0.05 * (brightest - darkest))]
    level = float(np.median(dark))
    spread = 1.4826 * float(np.median(np.abs(dark - level)))
    tissue = seen & (smooth > level + max(6 * spread, 0.05 * float(brightest - level)))
    # The edge lies half way between glass and the tissue beside it, be that tumour or stroma.
    sigma = 2 * params.smooth_um / params.grid_um / 2.355
    weight = smoothed(tissue.astype(np.float32), sigma)
    beside = smoothed(np.where(tissue, smooth - level, 0), sigma)
    glass = seen & (~tissue | (smooth - level < 0.5 * beside / np.maximum(weight, 1e-6)))
    # The depth of glass is judged: near its edge lies the blur of the tissue, and a gap may hide
    # tissue.
    edge = params.smooth_um / params.grid_um
    deep = capped_distance(seen & ~tissue, edge + 1) > edge
    if deep.sum() * params.grid_um**2 < params.min_glass_um2 or not tissue.any():
        return nowhere
    contrast = _percentiles(smooth, tissue, (50,))[0] - level
    rough = min(*_percentiles(texture, tissue, (95,)), contrast)
    if _percentiles(texture, deep, (95,))[0] > _TEXTURE * rough:
        return nowhere
    if footprint is not None and footprint[deep].mean() > _GLASS_CELLS:
        return nowhere
    # Dark places within the tissue, not joined to any depth of glass, are tissue.
    labels, number = ndi.label(glass)
    joined = np.zeros(number + 1, bool)
    joined[np.unique(labels[deep])] = True
    joined[0] = False
    return np.asarray(joined[labels], bool)


def _percentiles(
    plane: npt.NDArray[np.float32], where: npt.NDArray[np.bool_], wanted: tuple[float, ...]
) -> list[float]:
    """Return percentiles of some of the cells of a plane."""
    values = plane[where]
    return [float(v) for v in np.percentile(values, wanted, overwrite_input=True)]
