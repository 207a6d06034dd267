"""Gaps that the tail of one population cannot have: how a second population shows itself."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Gap", "find_gap", "log_p_of_lack"]

_WIDTHS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
"""Widths of the windows that are compared, in spreads of the dim half of the negative cells."""

_LEAST_DISTANCE = 3.0
"""Nearest that a gap may be to the negative mode, in the same spreads."""

_SURPRISE = float(np.log(1e-6))

_SHARES = (0.2, 0.25, 1 / 3, 0.4, 0.5, 0.6)
"""Widths of the windows between two populations, as shares of the distance of their means."""

Array = npt.NDArray[np.float64]


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


def find_gap(counts: Array, centres: Array, min_above: int) -> Gap | None:
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
        before, within, after = _windows(below, start, width)
        middle = start + 1.5 * width
        possible = (
            (within <= after / 2) & (after >= min_above)
            & (middle - mode >= _LEAST_DISTANCE * spread)
        )  # fmt: skip
        log_p = np.where(possible, _log_p(before, within, after), 0.0)
        at = int(np.argmin(log_p))
        if log_p[at] < (best.log_p if best else _SURPRISE):
            best = Gap(float(centres[0] + (middle[at] - 0.5) * step), float(log_p[at]))
    return best


def log_p_of_lack(counts: Array, centres: Array, low: float, high: float) -> float:
    """Return how surprising the lack of cells between two populations is, were they one.

    Windows as in `find_gap`, of several widths, with the middle one anywhere between ``low`` and
    ``high``; the most surprising counts.

    Parameters
    ----------
    counts, centres
        Number of cells in each bin, and the equidistant centres of the bins, ``(bins,)``.
    low, high
        Means of the two populations.

    Returns
    -------
    float
        Logarithm of the Chernoff bound; 0 where nothing is lacking.
    """
    bins = len(counts)
    step = centres[1] - centres[0]
    below = np.concatenate([[0.0], np.cumsum(counts)])
    best = 0.0
    for width in sorted({max(round((high - low) / step * share), 1) for share in _SHARES}):
        start = np.arange(bins - 3 * width + 1)
        middle = centres[0] + (start + 1.5 * width - 0.5) * step
        start = start[(middle > low) & (middle < high)]
        if len(start):
            best = min(best, float(_log_p(*_windows(below, start, width)).min()))
    return best


def _windows(below: Array, start: npt.NDArray[np.int64], width: int) -> tuple[Array, Array, Array]:
    """Cells in three windows side by side; beyond the last bin there are none."""
    last = len(below) - 1
    ends = [below[np.minimum(start + k * width, last)] for k in range(4)]
    return ends[1] - ends[0], ends[2] - ends[1], ends[3] - ends[2]


def _log_p(before: Array, within: Array, after: Array) -> Array:
    """Chernoff bound of so few cells where a tail has ``sqrt(before * after)``; 0 if not few."""
    expected = np.sqrt(before * after)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_p = np.where(within > 0, within * (1 + np.log(expected / within)), 0.0) - expected
    return np.where(within < expected, log_p, 0.0)


def _mode(counts: Array) -> int:
    """Return the fullest bin of the histogram after smoothing by an eighth of its middle part."""
    cumulated = np.cumsum(counts) / counts.sum()
    low, high = np.searchsorted(cumulated, [0.16, 0.84])
    sd = max((high - low) / 8, 1.0)
    reach = int(3 * sd)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    return int(np.argmax(np.convolve(counts, kernel, mode="same")[: len(counts)]))
