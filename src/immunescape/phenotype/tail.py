"""A gap in the tail above the negative cells: how a handful of positive cells is found."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Gap", "find_gap"]

_WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Widths of the windows that are compared, in spreads of the dim half of the negative cells."""

_LEAST_DISTANCE = 3.0
"""Nearest that a gap may be to the negative mode, in the same spreads."""

_SURPRISE = float(np.log(1e-6))


@dataclass(frozen=True)
class Gap:
    """A gap between the negative cells and a few positive ones.

    Parameters
    ----------
    centre
        Middle of the window that is emptier than a tail could be.
    log_p
        Logarithm of a bound of the probability of a tail with so few cells there.
    """

    centre: float
    log_p: float


def find_gap(
    counts: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], min_above: int
) -> Gap | None:
    """Find the gap above the mode of a histogram that no tail explains.

    Three windows of one width lie side by side above the mode, and hold ``A``, ``V`` and ``P``
    cells. The tail of one population falls ever faster (a density whose logarithm is concave:
    normal, skewed, exponential), and then ``V`` is at least about ``sqrt(A P)``. A gap is where
    ``P`` is large enough for a population, ``V`` is at most half of it, and ``V`` is so much
    smaller than ``sqrt(A P)`` that the Chernoff bound of a Poisson count is under one in a
    million. Of all places and widths the most surprising is
    taken, the leftmost where several tie.

    Parameters
    ----------
    counts, centres
        Number of cells in each bin, and the equidistant centres of the bins, ``(bins,)``.
    min_above
        Fewest cells in the window above the gap.

    Returns
    -------
    gap
        None if there is none.
    """
    bins = len(counts)
    step = centres[1] - centres[0]
    mode = _mode(counts)
    dim = counts[: mode + 1]
    spread = np.sqrt(dim @ (centres[: mode + 1] - centres[mode]) ** 2 / max(dim.sum(), 1)) / step
    below = np.concatenate([[0.0], np.cumsum(counts)])
    best: Gap | None = None
    for width in sorted({max(round(w * spread), 1) for w in _WIDTHS}):
        start = np.arange(mode, bins - 2 * width)
        if not len(start):
            break
        ends = [below[np.minimum(start + k * width, bins)] for k in range(4)]
        before, within, after = (ends[k + 1] - ends[k] for k in range(3))
        middle = start + 1.5 * width
        expected = np.sqrt(before * after)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.where(within > 0, within * (1 + np.log(expected / within)), 0.0) - expected
        possible = (
            (within <= after / 2)
            & (within < expected)
            & (after >= min_above)
            & (middle - mode >= _LEAST_DISTANCE * spread)
        )
        log_p = np.where(possible, log_p, 0.0)
        at = int(np.argmin(log_p))
        if log_p[at] < (best.log_p if best else _SURPRISE):
            best = Gap(float(centres[0] + (middle[at] - 0.5) * step), float(log_p[at]))
    return best


def _mode(counts: npt.NDArray[np.float64]) -> int:
    """Return the fullest bin of the histogram after smoothing by an eighth of its middle part."""
    cumulated = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(cumulated, [0.16, 0.84])
    sd = max((high - low) / 8, 1.0)
    reach = int(3 * sd)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    return int(np.argmax(np.convolve(counts, kernel, mode="same")[: len(counts)]))
