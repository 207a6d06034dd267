"""Folds and places out of focus, by how sharp and how bright tiles are."""

from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.quality._features import BINS, Features
from immunescape.quality.params import QualityParams

__all__ = ["folds_and_blur"]

_SHARP_UM = 24.0
_FOLD_UM = 12.0
_REDUCED = 4
_LOCAL = 7
"""The median near by is taken over 7 x 7 squares of 4 x 4 tiles, about 220 µm."""
_TEXTURE = 0.03
"""Tiles with less than this share of the usual texture are neither sharp nor blurred."""
_SOFT = 20.0
"""What a loss of all fine detail adds to the score of a fold, in standard deviations."""
_GROWN_BLUR, _GROWN_FOLD = 0.6, 0.6
"""How far from usual, as a share of what is asked for, a place beside a clear one may be."""
_DOUBLE = 1.35
"""A fold sends out at least this many times the light of what lies round it."""
_RING_UM = 40.0
_AROUND = 0.2
"""Share of that ring that is tissue at least: less is but the dim rim of the place itself."""
_CARRIED = 3.0
"""A gap cuts two tiles in a row at most; what lies this many from any judged one is unknown."""
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def folds_and_blur(found: Features, tissue: Flags, params: QualityParams) -> tuple[Flags, Flags]:
    """Return the tiles of folds, and those out of focus that are no fold.

    A tile that a gap of the picture cuts looks dark and sharp: it is not judged, but taken to be
    as the judged tile nearest to it.
    """
    judged = tissue & found.whole
    fold, blurred = _judged(found, judged, params)
    cut = tissue & ~judged
    if not cut.any() or not judged.any():
        return fold, blurred
    return _carried(fold, judged, cut), _carried(blurred, judged, cut)


def _judged(found: Features, tissue: Flags, params: QualityParams) -> tuple[Flags, Flags]:
    from scipy import ndimage as ndi

    nothing = np.zeros(tissue.shape, bool)
    tile_um = BINS * found.bin_um
    if found.fine is None or found.coarse is None or not tissue.any():
        return nothing, nothing
    few = int(params.min_area_um2 / tile_um**2)
    fold = nothing
    if params.fold_score > 0:
        soft = np.clip(1 - _sharpness(found, tissue, _FOLD_UM / tile_um), -0.03, 0.4)
        score = np.where(tissue, _elevation(found.low, tissue, _FOLD_UM / tile_um), 0)
        score = score + _SOFT * np.nan_to_num(soft)
        likely = _hysteresis(score, params.fold_score, _GROWN_FOLD * params.fold_score, few)
        fold = _doubled(likely & tissue, found, tissue, tile_um)
    blurred = nothing
    if params.blur_ratio > 0:
        lost = np.nan_to_num(1 - _sharpness(found, tissue, _SHARP_UM / tile_um))
        wanted = 1 - params.blur_ratio
        blurred = _hysteresis(lost, wanted, _GROWN_BLUR * wanted, few)
        # Beside a fold the smoothed sharpness is that of the fold.
        reach = max(round(_SHARP_UM / tile_um), 1)
        beside = ndi.binary_dilation(fold, np.ones((3, 3), bool), iterations=reach)
        blurred = _large(blurred & tissue & ~beside, few)
    return fold, blurred


def _carried(mask: Flags, judged: Flags, cut: Flags) -> Flags:
    """Return a mask with what the nearest judged tile has where tiles are cut."""
    from scipy import ndimage as ndi

    if not mask.any():
        return mask
    far: Any
    near: Any
    far, near = ndi.distance_transform_edt(~judged, return_indices=True)
    return np.asarray(mask | (cut & (far < _CARRIED) & mask[tuple(near)]), bool)


def _sharpness(found: Features, tissue: Flags, sigma: float) -> Floats:
    """Return how much fine detail nuclei show, 1 where as usual; NaN where nothing is to be seen.

    It is the share that scales under 1 µm have in the contrast under 3 µm; pixel noise is in
    neither, and brightness cancels.
    """
    from scipy import ndimage as ndi

    assert found.fine is not None and found.coarse is not None
    fine, coarse = (
        ndi.gaussian_filter(np.where(tissue, part, 0), sigma) for part in (found.fine, found.coarse)
    )
    seen = tissue & (coarse > _TEXTURE * np.median(coarse[tissue])) & (coarse > 0)
    if not seen.any():
        return np.full(tissue.shape, np.nan, np.float32)
    ratio = np.full(tissue.shape, np.nan, np.float32)
    ratio[seen] = fine[seen] / coarse[seen]
    usual = float(np.nanmedian(ratio))
    return np.asarray(ratio / usual if usual > 0 else np.full_like(ratio, np.nan), np.float32)


def _elevation(low: Floats, tissue: Flags, sigma: float) -> Floats:
    """Return by how much the channels together exceed tissue near by, in robust deviations."""
    from scipy import ndimage as ndi

    weight = ndi.gaussian_filter(tissue.astype(np.float32), sigma)
    total: Floats = np.zeros(tissue.shape, np.float32)
    for plane in low:
        even = ndi.gaussian_filter(np.where(tissue, plane, 0), sigma) / np.maximum(weight, 1e-3)
        above = even - _local_median(even, tissue)
        spread = 1.4826 * float(np.median(np.abs(above[tissue])))
        if spread > 0:
            total += np.clip(above / spread, -3, 4)
    return np.asarray(total / len(low), np.float32)


def _local_median(values: Floats, where: Flags) -> Floats:
    """Return the median of what lies near by, smooth between the middles of coarse squares."""
    from scipy import ndimage as ndi

    shape = values.shape
    size = tuple(-(-n // _REDUCED) for n in shape)
    padded = np.full((size[0] * _REDUCED, size[1] * _REDUCED), np.nan, np.float32)
    padded[: shape[0], : shape[1]] = np.where(where, values, np.nan)
    squares = padded.reshape(size[0], _REDUCED, size[1], _REDUCED).swapaxes(1, 2)
    flat = squares.reshape(*size, -1)
    known = np.isfinite(flat).any(axis=-1)
    coarse = np.full(size, float(np.median(values[where])), np.float32)
    coarse[known] = np.nanmedian(flat[known], axis=-1)
    unknown = np.asarray(~known, np.uint8)
    nearest: Any = ndi.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    coarse = ndi.median_filter(coarse[tuple(nearest)], _LOCAL, mode="nearest")
    at = [
        np.clip((np.arange(n) + 0.5) / _REDUCED - 0.5, 0, m - 1)
        for n, m in zip(shape, size, strict=True)
    ]
    return np.asarray(
        ndi.map_coordinates(coarse, np.meshgrid(*at, indexing="ij"), order=1), np.float32
    )


def _hysteresis(values: Floats, clear: float, likely: float, few: int) -> Flags:
    """Return pieces above ``likely`` that reach ``clear``, less those of few cells."""
    from scipy import ndimage as ndi

    labels, number = ndi.label(values >= likely, np.ones((3, 3), bool))
    keep = np.zeros(number + 1, bool)
    keep[np.unique(labels[values >= clear])] = True
    keep[0] = False
    return _large(keep[labels], few)


def _large(mask: Flags, few: float) -> Flags:
    from scipy import ndimage as ndi

    labels, number = ndi.label(mask, np.ones((3, 3), bool))
    keep = np.bincount(labels.ravel(), minlength=number + 1) >= max(few, 1)
    keep[0] = False
    return np.asarray(keep[labels], bool)


def _doubled(likely: Flags, found: Features, tissue: Flags, tile_um: float) -> Flags:
    """Return the pieces that send out more light than tissue round them: defocus alone does not."""
    from scipy import ndimage as ndi

    labels, number = ndi.label(likely, np.ones((3, 3), bool))
    reach = max(round(_RING_UM / tile_um), 1)
    keep = np.zeros(number + 1, bool)
    for k, (rows, columns) in enumerate(ndi.find_objects(labels), start=1):
        window = tuple(
            slice(max(s.start - reach, 0), min(s.stop + reach, n))
            for s, n in zip((rows, columns), labels.shape, strict=True)
        )
        piece = labels[window] == k
        grown = ndi.binary_dilation(piece, np.ones((3, 3), bool), iterations=reach)
        ring = grown & (labels[window] == 0) & tissue[window]
        if ring.sum() < max(_AROUND * (grown & ~piece).sum(), 1):
            continue
        light = found.mean[:, *window] - found.empty_level[:, None, None]
        inside, around = light[:, piece].mean(axis=1), light[:, ring].mean(axis=1)
        known = (inside > 0) & (around > 0)
        if known.any():
            keep[k] = np.exp(np.log(inside[known] / around[known]).mean()) >= _DOUBLE
    return np.asarray(keep[labels], bool)
