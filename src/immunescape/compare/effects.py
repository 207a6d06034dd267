"""Mean changes over patients, each with its interval."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from immunescape.compare.metrics import Bounds
from immunescape.compare.params import CompareParams

__all__ = ["LEAST_BOOTSTRAPPED", "difference_of_means", "mean_change"]

LEAST_BOOTSTRAPPED = 5
"""Patients from which patients are resampled; fewer say too little of how patients differ."""
_CONFIDENCE = 0.95
_ALIKE = "patients changed alike: no interval over patients"

Floats = npt.NDArray[np.float64]


def mean_change(
    changes: Sequence[float], params: CompareParams = CompareParams()
) -> tuple[float, Bounds, str]:
    """Return the mean change over patients with its 95 % interval.

    Parameters
    ----------
    changes
        Change of each patient.
    params
        Which interval, and the seed and draws of a bootstrap.

    Returns
    -------
    tuple
        Mean, interval, and what is to be said of it. No interval for one patient, nor where all
        changed by the same; NaN without any patient.
    """
    d = np.sort(np.asarray(changes, np.float64))
    n = len(d)
    effect = float(d.mean()) if n else np.nan
    if n < 2:
        return effect, Bounds(), ""
    if d[0] == d[-1]:
        return effect, Bounds(), _ALIKE
    note = ""
    if params.interval == "bootstrap":
        if n >= LEAST_BOOTSTRAPPED:
            return effect, _resampled((d,), lambda x, axis: x.mean(axis), params), ""
        note = f"{n} patients are too few to resample"
    half = _student(n - 1) * float(d.std(ddof=1)) / np.sqrt(n)
    return effect, Bounds(effect - half, effect + half, "student_t"), note


def difference_of_means(
    first: Sequence[float], second: Sequence[float], params: CompareParams = CompareParams()
) -> tuple[float, Bounds, str]:
    """Return the second group's mean change less the first's, with Welch's 95 % interval.

    Parameters
    ----------
    first, second
        Change of each patient of either group; neither is empty.
    params
        With ``interval`` bootstrap, and five patients in each group, groups are resampled.

    Returns
    -------
    tuple
        Difference, interval, and what is to be said of it. No interval where a group has one
        patient, or where each group's patients changed by the same.
    """
    a, b = (np.sort(np.asarray(group, np.float64)) for group in (first, second))
    effect = float(b.mean() - a.mean())
    if min(len(a), len(b)) < 2:
        return effect, Bounds(), ""
    parts = [float(group.var(ddof=1)) / len(group) for group in (a, b)]
    if sum(parts) == 0:
        return effect, Bounds(), _ALIKE
    note = ""
    if params.interval == "bootstrap":
        if min(len(a), len(b)) >= LEAST_BOOTSTRAPPED:
            bounds = _resampled((b, a), lambda x, y, axis: x.mean(axis) - y.mean(axis), params)
            return effect, bounds, ""
        note = f"groups of {len(b)} and {len(a)} patients are too few to resample"
    freedom = sum(parts) ** 2 / sum(
        part**2 / (len(group) - 1) for part, group in zip(parts, (a, b), strict=True)
    )
    half = _student(freedom) * float(np.sqrt(sum(parts)))
    return effect, Bounds(effect - half, effect + half, "welch_t"), note


def _resampled(
    groups: tuple[Floats, ...], statistic: Callable[..., Any], params: CompareParams
) -> Bounds:
    """Return the BCa interval of a statistic when patients are drawn with replacement."""
    from scipy.stats import bootstrap

    low, high = bootstrap(
        groups, statistic, n_resamples=params.draws, confidence_level=_CONFIDENCE, method="BCa",
        vectorized=True, rng=np.random.default_rng(params.seed),
    ).confidence_interval  # fmt: skip
    return Bounds(float(low), float(high), "bootstrap of patients")


def _student(freedom: float) -> float:
    return float(special.stdtrit(freedom, (1 + _CONFIDENCE) / 2))
