"""Intervals for counts, fractions, ratios of rates and odds; all two-sided."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = [
    "Interval",
    "LogOddsRatio",
    "log_odds_ratio",
    "poisson_interval",
    "rate_ratio_interval",
    "wilson_interval",
]

_NOTHING = 1e-300
"""A share this small is 0: the inverse of the beta integral ends at the smallest float."""

FloatArray = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """Both ends of an interval, each with the shape of the input."""

    low: Any
    high: Any


class LogOddsRatio(NamedTuple):
    """A log odds ratio with both ends of its interval."""

    value: float
    low: float
    high: float


def poisson_interval(count: npt.ArrayLike, confidence: float = 0.95) -> Interval:
    """Return Garwood's exact interval for the mean of a Poisson count.

    Parameters
    ----------
    count
        Counts, any shape; NaN gives NaN.
    confidence
        Coverage of the interval.

    Returns
    -------
    Interval
        Float arrays of the shape of `count`; the low end of a count of 0 is 0.

    Examples
    --------
    >>> low, high = poisson_interval([0, 10])
    >>> low.round(3), high.round(3)
    (array([0.   , 4.795]), array([ 3.689, 18.39 ]))
    """
    k = np.asarray(count, np.float64)
    alpha = 1 - confidence
    low = np.where(k > 0, special.gammaincinv(np.where(k > 0, k, 1), alpha / 2), k)
    return Interval(low, np.asarray(special.gammaincinv(k + 1, 1 - alpha / 2)))


def wilson_interval(
    successes: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = 0.95
) -> Interval:
    """Return Wilson's score interval of a fraction, without continuity correction.

    Parameters
    ----------
    successes, trials
        Counts of one shape, ``0 <= successes <= trials``.
    confidence
        Coverage of the interval.

    Returns
    -------
    Interval
        Float arrays of the common shape, inside 0 to 1; NaN where `trials` is 0. The low end is
        exactly 0 for no success, the high end exactly 1 for no failure.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> float(low.round(3)), float(high.round(3))
    (0.49, 0.943)
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    z2 = float(special.ndtri((1 + confidence) / 2)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (k + z2 / 2) / (n + z2)
        half = np.sqrt(z2) / (n + z2) * np.sqrt(k * (n - k) / n + z2 / 4)
    low = np.where(k == 0, 0.0, centre - half)
    high = np.where(k == n, 1.0, centre + half)
    empty = ~(n > 0)
    return Interval(np.where(empty, np.nan, low), np.where(empty, np.nan, high))


def rate_ratio_interval(
    count: float,
    exposure: float,
    base_count: float,
    base_exposure: float,
    confidence: float = 0.95,
) -> Interval:
    """Return the exact conditional interval of a ratio of two Poisson rates.

    Given the sum of both counts, the first is binomial; Clopper and Pearson's interval of its
    probability carries over to the ratio ``(count / exposure) / (base_count / base_exposure)``.

    Parameters
    ----------
    count, exposure
        Count above the line and what it was counted in, an area say. Counts need not be whole:
        cells that stand in patches are worth fewer.
    base_count, base_exposure
        The same below the line.
    confidence
        Coverage of the interval.

    Returns
    -------
    Interval
        Two floats. The high end is infinite where `base_count` is 0 or next to it, the low end
        is 0 where `count` is 0; both are NaN where both counts are 0 or an exposure is not
        positive.

    Examples
    --------
    >>> low, high = rate_ratio_interval(20, 1.0, 10, 1.0)
    >>> round(low, 3), round(high, 3)
    (0.894, 4.785)
    """
    if count + base_count == 0 or not (exposure > 0 and base_exposure > 0):
        return Interval(math.nan, math.nan)
    alpha = 1 - confidence
    scale = base_exposure / exposure
    low, high = 0.0, math.inf
    if count > 0:
        p = float(special.betaincinv(count, base_count + 1, alpha / 2))
        low = p / (1 - p) * scale if p > _NOTHING else 0.0
    if base_count > 0:
        # From the side of the base, whose share may be too small to be told from 0 after 1 less it.
        rest = float(special.betaincinv(base_count, count + 1, alpha / 2))
        high = (1 - rest) / rest * scale if rest > _NOTHING else math.inf
    return Interval(low, high)


def log_odds_ratio(
    positive: int,
    negative: int,
    base_positive: int,
    base_negative: int,
    confidence: float = 0.95,
) -> LogOddsRatio:
    """Return the log odds ratio of a 2 x 2 table, 0.5 added to each cell, with Woolf's interval.

    Parameters
    ----------
    positive, negative
        Counts of the first group.
    base_positive, base_negative
        Counts of the group it is compared with.
    confidence
        Coverage of the interval.

    Returns
    -------
    LogOddsRatio
        Natural logarithm; finite for every table, 0 for a table of zeros, above 0 where the first
        group is positive more often.

    Examples
    --------
    >>> value, low, high = log_odds_ratio(3, 1, 1, 3)
    >>> round(value, 3), round(low, 3), round(high, 3)
    (1.695, -1.01, 4.4)
    """
    a, b, c, d = (x + 0.5 for x in (positive, negative, base_positive, base_negative))
    value = math.log(a * d / (b * c))
    half = float(special.ndtri((1 + confidence) / 2)) * math.sqrt(1 / a + 1 / b + 1 / c + 1 / d)
    return LogOddsRatio(value, value - half, value + half)
