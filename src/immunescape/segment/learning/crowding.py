"""Crowding: nuclei of other pictures laid among those of a patch, as thick tissue has them.

Pictures with drawn masks show mostly cultured cells with room between them; tissue does not.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["crowd"]

_HIDDEN = 0.3
"""A nucleus that would hide more than this share of another, or be hidden, is not laid there."""
_RIM_PX = 0.7


def crowd(
    image: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int32],
    more: npt.NDArray[np.float32],
    more_labels: npt.NDArray[np.int32],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Lay the nuclei of one patch among those of another.

    Parameters
    ----------
    image, labels
        ``(y, x)`` of the patch that they are laid upon; labels are 0 on background, -1 where
        nothing was annotated, where nothing is laid.
    more, more_labels
        The same of the patch whose nuclei are laid; pictures on a like scale of brightness.
    rng
        Source of all chance: the dimness of what is laid.

    Returns
    -------
    tuple of numpy.ndarray
        Picture and labels. Light adds up where nuclei overlap; the label there is that of the
        nucleus that was laid. Nuclei that would share more than a third of either are left out, so
        that no label becomes a sliver.
    """
    from scipy import ndimage as ndi

    top = int(labels.max(initial=0))
    more_labels = np.maximum(more_labels, 0)
    count = int(more_labels.max(initial=0)) + 1
    both = (labels != 0) & (more_labels > 0)
    pairs = labels[both].astype(np.int64) * count + more_labels[both]
    pair, shared = np.unique(pairs, return_counts=True)
    below, above = pair // count, pair % count
    area, more_area = (np.bincount(np.maximum(part, 0).ravel()) for part in (labels, more_labels))
    unfit = (below < 0) | (shared > _HIDDEN * np.minimum(area[below], more_area[above]))
    laid = np.ones(count, dtype=bool)
    laid[0] = False
    laid[above[unfit]] = False
    shape = laid[more_labels]
    rim: Any = ndi.gaussian_filter(shape.astype(np.float32), _RIM_PX)
    gain = np.float32(rng.uniform(0.4, 1.2))
    image = image + gain * np.maximum(more, 0.0) * np.minimum(2.0 * rim, 1.0)
    return image, np.where(shape, more_labels + top, labels).astype(np.int32)
