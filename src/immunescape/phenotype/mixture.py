"""Mixtures of normal populations, fitted to a histogram the same way every time."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

__all__ = ["Mixture", "fit_mixture", "single_bic"]

_STARTS = {
    2: (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
    3: (0.15, 0.4, 0.65, 0.85, 0.95, 0.99),
}
"""Shares of the cells at which the populations are parted at first, singly or in pairs; the most
likely of what they lead to is kept."""

_ROUNDS = 400
_TRIAL_ROUNDS = 30
"""After these rounds only the three most likely starts go on."""
_SKEWS = np.linspace(-2.5, 2.5, 51)
_LOG_ROOT_TAU = 0.5 * float(np.log(2 * np.pi))

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions in the order of their means.

    Parameters
    ----------
    means, sds, shares
        Mean, standard deviation and weight of each.
    bic
        Bayesian information criterion of the fit; infinite if nothing could be fitted.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    shares: tuple[float, ...]
    bic: float

    def density(self, grid: Array) -> Array:
        """Return the weighted density of each population, ``(populations, len(grid))``."""
        means, sds, shares = (np.asarray(v) for v in (self.means, self.sds, self.shares))
        return np.exp(_log_density(grid, means, sds, np.maximum(shares, 1e-300)))

    def joined(self, first: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Return mean, sd and share of the ``first`` lower populations together, then the rest."""
        return self._moments(slice(0, first)), self._moments(slice(first, None))

    def parting(self, first: int) -> tuple[float, float] | None:
        """Return where the upper populations take over from the ``first`` lower ones.

        Returns
        -------
        crossing, valley
            Where both sides are equally likely, between the means of the two sides; and the
            lowest density there is between their peaks as a share of the lower peak, 1 if
            there is no valley. None if one side is the likelier one all the way.
        """
        (low, *_), (high, *_) = self.joined(first)
        grid = np.linspace(low, high, 2001)
        parts = self.density(grid)
        below, above = parts[:first].sum(axis=0), parts[first:].sum(axis=0)
        wins = above > below
        if wins[0] or not wins[-1]:
            return None
        at = int(np.argmax(wins))
        whole = self.density(np.linspace(min(self.means), max(self.means), 2001)).sum(axis=0)
        cut = int(np.searchsorted(np.linspace(min(self.means), max(self.means), 2001), grid[at]))
        left, right = int(np.argmax(whole[: cut + 1])), cut + int(np.argmax(whole[cut:]))
        peak = min(whole[left], whole[right])
        return float(grid[at]), float(whole[left : right + 1].min() / peak)

    def _moments(self, part: slice) -> tuple[float, float, float]:
        means, sds, shares = (np.asarray(v)[part] for v in (self.means, self.sds, self.shares))
        share = float(shares.sum())
        mean = float(shares @ means / share)
        variance = float(shares @ (sds**2 + (means - mean) ** 2) / share)
        return mean, float(np.sqrt(variance)), share


def fit_mixture(counts: Array, centres: Array, populations: int) -> Mixture:
    """Fit normal distributions to a histogram by expectation maximisation.

    Parameters
    ----------
    counts, centres
        Number of cells in each bin, and the centres of the bins, ``(bins,)``.
    populations
        How many there are, 2 or 3.

    Returns
    -------
    mixture
        The most likely of what a fixed set of starts led to. Its criterion is infinite if the
        histogram has fewer filled bins than there are populations.
    """
    total = counts.sum()
    belongs = _first_guesses(counts, populations)
    if not len(belongs):
        return Mixture((), (), (), np.inf)
    step = centres[1] - centres[0]
    mean = counts @ centres / total
    floor = max(step, 0.05 * float(np.sqrt(counts @ (centres - mean) ** 2 / total)))
    previous = np.full(len(belongs), -np.inf)
    for done in range(_ROUNDS):
        weights = np.maximum(belongs @ counts, 1e-9)
        means = (belongs @ (counts * centres)) / weights
        squares = (belongs @ (counts * centres**2)) / weights
        sds = np.sqrt(np.maximum(squares - means**2, floor**2))
        logs = _log_density(centres, means, sds, weights / total)
        top = logs.max(axis=1, keepdims=True)
        belongs = np.exp(logs - top)
        sums = belongs.sum(axis=1, keepdims=True)
        belongs /= sums
        likelihood = (top + np.log(sums))[:, 0] @ counts
        if np.all(likelihood - previous <= 1e-7 * total):
            break
        previous = likelihood
        if done == _TRIAL_ROUNDS:
            ahead = np.sort(np.argsort(-likelihood, kind="stable")[:3])
            belongs, previous = belongs[ahead], previous[ahead]
    best = int(np.argmax(likelihood))
    order = np.argsort(means[best], kind="stable")
    parameters = 3 * populations - 1
    return Mixture(
        means=tuple(map(float, means[best][order])),
        sds=tuple(map(float, sds[best][order])),
        shares=tuple(map(float, weights[best][order] / total)),
        bic=float(parameters * np.log(total) - 2 * likelihood[best]),
    )


def single_bic(counts: Array, centres: Array) -> float:
    """Return the Bayesian information criterion of one population that may be skewed.

    The population is normal after Manly's exponential transform ``(exp(g y) - 1) / g``, whose
    ``g`` is chosen from a fixed grid of skews, the normal distribution itself among them.

    Parameters
    ----------
    counts, centres
        Number of cells in each bin, and the centres of the bins, ``(bins,)``; at least two bins
        are filled.
    """
    total = counts.sum()
    mean = counts @ centres / total
    sd = np.sqrt(counts @ (centres - mean) ** 2 / total)
    scaled = (centres - mean) / sd
    best = -np.inf
    for skew in _SKEWS:
        moved = scaled if abs(skew) < 1e-9 else np.expm1(skew * scaled) / skew
        middle = counts @ moved / total
        variance = counts @ (moved - middle) ** 2 / total
        likelihood = -total * (0.5 * np.log(variance) + _LOG_ROOT_TAU + 0.5)
        likelihood += skew * (counts @ scaled)
        best = max(best, float(likelihood))
    return float(3 * np.log(total) - 2 * (best - total * np.log(sd)))


def _first_guesses(counts: Array, populations: int) -> Array:
    """Hard memberships ``(starts, populations, bins)`` whose populations all have cells."""
    cumulated = np.cumsum(counts) / counts.sum()
    bins = np.arange(len(counts))
    guesses = []
    for shares in combinations(_STARTS[populations], populations - 1):
        cuts = np.searchsorted(cumulated, shares) + 1
        member = np.searchsorted(cuts, bins, side="right")
        guess = (member == np.arange(populations)[:, None]).astype(np.float64)
        if np.all(guess @ counts > 0):
            guesses.append(guess)
    return np.array(guesses)


def _log_density(grid: Array, means: Array, sds: Array, shares: Array) -> Array:
    """Weighted log density of each population along a new last axis."""
    spread = sds[..., None]
    exponent = -0.5 * ((grid - means[..., None]) / spread) ** 2
    result: Array = exponent - np.log(spread) + np.log(shares)[..., None] - _LOG_ROOT_TAU
    return result
