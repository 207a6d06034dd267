"""How probable a mean change is when timepoints, or groups, are only names."""

from itertools import combinations
from math import comb, nan
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from immunescape.compare.params import CompareParams

__all__ = ["PValue", "relabelling_p", "swap_p"]

_TIE = 1e-9
"""Share by which sums of the same numbers in another order may differ."""
_CHUNK = 1 << 20

Floats = npt.NDArray[np.float64]


class PValue(NamedTuple):
    """A two-sided p value, how it was found, and the smallest that these patients can give.

    NaN and empty where no test is possible.
    """

    p: float = nan
    method: str = ""
    smallest: float = nan


def swap_p(differences: npt.ArrayLike, params: CompareParams = CompareParams()) -> PValue:
    """Test a mean change by swapping the timepoints within patients.

    A swap turns the sign of a patient's change. If a timepoint is only a name, every pattern of
    signs is as likely as the one seen, and p is the share of patterns whose mean lies at least
    as far from 0.

    Parameters
    ----------
    differences
        ``(n,)`` change of each patient, later minus earlier.
    params
        Up to how many patients every pattern is looked at; how many are drawn otherwise, and by
        which seed. Of drawn patterns p is (b + 1) / (draws + 1), which is never 0.

    Returns
    -------
    PValue
        ``smallest`` counts the patterns that reach the largest mean that there is; a patient
        without a change has no sign. No test for fewer than two patients.

    Examples
    --------
    Of eight patterns of three patients only this one and its opposite lie as far out.

    >>> swap_p([1.0, 2.0, 4.0])
    PValue(p=0.25, method='every swap within patients', smallest=0.25)
    """
    changes = np.asarray(differences, np.float64)
    n = len(changes)
    if n < 2:
        return PValue()
    # In this order the same patients under other names meet the same draws.
    d = np.sort(np.abs(changes))
    seen, largest = abs(float(changes.sum())), float(d.sum())
    if n <= params.exact_patients:
        patterns = 1 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        sums = np.abs(patterns @ d)
        smallest = _share(sums, largest, largest)
        return PValue(_share(sums, seen, largest), "every swap within patients", smallest)
    rng = np.random.default_rng(params.seed)
    beyond = 0
    step = max(_CHUNK // n, 1)
    for start in range(0, params.draws, step):
        now = min(step, params.draws - start)
        sums = np.abs((1 - 2.0 * rng.integers(0, 2, (now, n))) @ d)
        beyond += int((sums >= seen - _TIE * largest).sum())
    p = (beyond + 1) / (params.draws + 1)
    still = 2.0 ** (1 + int((d == 0).sum()) - n)
    smallest = min(max(1 / (params.draws + 1), still), 1.0)
    return PValue(p, f"{params.draws} random swaps within patients", smallest)


def relabelling_p(
    first: npt.ArrayLike, second: npt.ArrayLike, params: CompareParams = CompareParams()
) -> PValue:
    """Test whether two groups of patients changed alike by giving patients other groups.

    Parameters
    ----------
    first, second
        Change of each patient of either group.
    params
        Every relabelling is looked at where there are no more than ``2 ** exact_patients``.

    Returns
    -------
    PValue
        Of the difference of the groups' means. No test where a group has fewer than two patients.

    Examples
    --------
    Two of the six ways to choose two of four patients part the means as far as this.

    >>> relabelling_p([1.0, 2.0], [7.0, 9.0]).p.__round__(3)
    0.333
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(a), len(b)) < 2:
        return PValue()
    d = np.sort(np.concatenate([a, b]))
    n, k = len(d), len(a)
    d = d - d.mean()
    # Centred, the difference of means is the sum of one group up to a factor.
    seen = abs(float((a - np.concatenate([a, b]).mean()).sum()))
    scale = float(np.abs(d).sum())
    if comb(n, k) <= 2**params.exact_patients:
        chosen = np.array(list(combinations(range(n), k)))
        sums = np.abs(d[chosen].sum(1))
        p = _share(sums, seen, scale)
        return PValue(p, "every relabelling of patients", _share(sums, sums.max(), scale))
    rng = np.random.default_rng(params.seed)
    beyond = 0
    step = max(_CHUNK // n, 1)
    for start in range(0, params.draws, step):
        now = min(step, params.draws - start)
        order = rng.random((now, n)).argpartition(k, axis=1)[:, :k]
        beyond += int((np.abs(d[order].sum(1)) >= seen - _TIE * scale).sum())
    p = (beyond + 1) / (params.draws + 1)
    smallest = max(1 / (params.draws + 1), 1 / comb(n, k))
    return PValue(p, f"{params.draws} random relabellings of patients", smallest)


def _share(sums: Floats, bound: float, scale: float) -> float:
    """Return the share of sums that reach a bound, ties within rounding included."""
    return float((sums >= bound - _TIE * scale).mean())
