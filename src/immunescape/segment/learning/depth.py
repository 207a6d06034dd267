"""Depth: nuclei of one patch made dim or blurred, each by its own amount, as a section has them.

In a section some nuclei are cut through and some lie above or below the plane in focus. Cultured
cells, of which most pictures with drawn masks are, lie in one plane and are about equally bright.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["at_depths"]

_GLOW_PX = 4
"""Light within this distance of a nucleus is taken for that nucleus's own."""
_GROUND_PX = 12.0
"""Standard deviation over which the light between the nuclei is taken for even."""
_DIMMEST = 0.15
_BLUR_PX = (1.0, 3.0)
_EDGE_PX = 0.8


def at_depths(
    image: npt.NDArray[np.float32], labels: npt.NDArray[np.int32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Dim some nuclei, down to 0.15 of their light, and blur some.

    Parameters
    ----------
    image, labels
        ``(y, x)`` of a patch; labels are 0 or less where no nucleus was drawn.
    rng
        Source of all chance: which nuclei, and how much each.

    Returns
    -------
    numpy.ndarray
        The picture with the light of each nucleus above its surroundings changed; what lies more
        than four pixels from every nucleus stays as it is, but for light that a blur brings there.
        Without a nucleus the picture itself.
    """
    from scipy import ndimage as ndi
    from skimage.segmentation import expand_labels

    nuclei = np.maximum(labels, 0)
    count = int(nuclei.max(initial=0)) + 1
    if count == 1:
        return image
    whose = expand_labels(nuclei, _GLOW_PX)
    outside = (whose == 0).astype(np.float32)
    weight: Any = ndi.gaussian_filter(outside, _GROUND_PX) + 1e-3
    least = float(image.min())
    ground = ndi.gaussian_filter((image - least) * outside, _GROUND_PX) / weight + least
    light = np.where(whose > 0, np.maximum(image - ground, 0.0), 0.0)
    rest = image - light

    gain = np.ones(count, dtype=np.float32)
    dim = rng.random(count) < rng.uniform(0.2, 0.8)
    gain[dim] = np.exp(rng.uniform(np.log(_DIMMEST), 0.0, int(dim.sum())))
    gains = gain[whose]
    light = light * ndi.gaussian_filter(gains, _EDGE_PX)
    blurred = (rng.random(count) < rng.uniform(0.0, 0.5))[whose]
    far = ndi.gaussian_filter(np.where(blurred, light, 0.0), rng.uniform(*_BLUR_PX))
    return np.asarray(rest + np.where(blurred, 0.0, light) + far, dtype=np.float32)
