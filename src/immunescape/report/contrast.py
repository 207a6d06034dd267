"""Contrast limits that are right at first sight."""

import numpy as np
import numpy.typing as npt

__all__ = ["contrast_limits"]

_ENOUGH = 200_000
"""Pixels from which percentiles are taken; more are thinned."""
_LIT_SHARE = 95.0
_NOISES = 15.0
_SIGMAS_TO_5_PERCENT = 1.645


def contrast_limits(pixels: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return where a stain is black and where it is at full colour.

    Parameters
    ----------
    pixels
        Numbers of one stain from one slide or several.

    Returns
    -------
    tuple
        The median of the unlit pixels, and the 95th percentile of the lit ones, those above
        Otsu's threshold of the square roots. Full colour is at least 15 standard deviations of
        the unlit pixels above black, judged by those darker than the median: a channel without
        stain stays dark instead of showing its noise. The two always differ.
    """
    from skimage.filters import threshold_otsu

    pixels = pixels[:: max(pixels.size // _ENOUGH, 1)]
    pixels = pixels[np.isfinite(pixels)]
    if not pixels.size:
        return 0.0, 1.0
    lowest = float(pixels.min())
    capped = np.minimum(pixels, np.percentile(pixels, 99.9))
    if float(capped.max()) <= lowest:
        return lowest, lowest + 1.0
    roots = np.sqrt(capped - lowest)
    lit = roots > threshold_otsu(roots)
    dark = pixels[~lit]
    low = float(np.median(dark))
    noise = (low - float(np.percentile(dark, 5))) / _SIGMAS_TO_5_PERCENT
    high = max(float(np.percentile(pixels[lit], _LIT_SHARE)), low + _NOISES * noise)
    return low, high if high > low else low + 1.0
