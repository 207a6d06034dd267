"""Mixtures of normal populations, fitted to histograms the same way every time."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.scales import Scales

__all__ = ["Mixture", "fit_mixture", "refit_mixture", "single_bic"]

_STARTS = {
    2: (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998),
    3: (0.15, 0.4, 0.65, 0.85, 0.95, 0.99),
}
"""Shares of the cells at which the populations are parted at first, singly or in pairs; the most
likely of what they lead to is kept."""

_ROUNDS = 400
_TRIAL_ROUNDS = 20
"""After these rounds only the two most likely starts of each scale go on."""
_REFIT_ROUNDS = 80
_TOLERANCE = 1e-7
_REFIT_TOLERANCE = 1e-5
"""A round that makes a cell no likelier than by this factor is the last."""
_SKEWS = np.linspace(-2.5, 2.5, 51)
_LEAST_SD = 0.05
"""Narrowest population, as a share of the spread of all cells."""
_LOG_ROOT_TAU = 0.5 * float(np.log(2 * np.pi))
_REMEMBERED = 512
"""So many fits are kept: slides that share a gate, and other ways to judge a slide, ask for the
same histogram again and again. One takes 16 kB."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """A mixture of normal distributions in the order of their means.

    Parameters
    ----------
    means, sds, shares
        Mean, standard deviation and weight of each, on the scale that was chosen.
    bic
        Bayesian information criterion of the fit; infinite if nothing could be fitted.
    scale
        Number of the scale.
    """

    means: tuple[float, ...]
    sds: tuple[float, ...]
    shares: tuple[float, ...]
    bic: float
    scale: int = 0

    def density(self, grid: Array) -> Array:
        """Return the weighted density of each population, ``(populations, len(grid))``."""
        means, sds, shares = (np.asarray(v)[:, None] for v in (self.means, self.sds, self.shares))
        return np.asarray(shares / sds * np.exp(-0.5 * ((grid - means) / sds) ** 2 - _LOG_ROOT_TAU))

    def joined(self, first: int) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Return mean, sd and share of the ``first`` lower populations together, then the rest."""
        return self._moments(slice(0, first)), self._moments(slice(first, None))

    def parting(self, first: int) -> tuple[float, float] | None:
        """Return where the upper populations part from the ``first`` lower ones.

        Returns
        -------
        parting, valley
            Where the density is lowest between the peaks of the two sides, and that density as
            a share of the lower peak. Without a valley between them (1): where both sides are
            equally likely. None if one side is the likelier one all the way between their means.
        """
        (low, *_), (high, *_) = self.joined(first)
        grid = np.linspace(low, high, 1001)
        parts = self.density(grid)
        wins = parts[first:].sum(axis=0) > parts[:first].sum(axis=0)
        if wins[0] or not wins[-1]:
            return None
        crossing = float(grid[int(np.argmax(wins))])
        wide = np.linspace(min(self.means), max(self.means), 1001)
        whole = self.density(wide).sum(axis=0)
        cut = int(np.searchsorted(wide, crossing))
        left, right = int(np.argmax(whole[: cut + 1])), cut + int(np.argmax(whole[cut:]))
        lowest = left + int(np.argmin(whole[left : right + 1]))
        valley = float(whole[lowest] / min(whole[left], whole[right]))
        return (float(wide[lowest]) if valley < 1 else crossing), valley

    def _moments(self, part: slice) -> tuple[float, float, float]:
        means, sds, shares = (np.asarray(v)[part] for v in (self.means, self.sds, self.shares))
        share = float(shares.sum())
        mean = float(shares @ means / share)
        variance = float(shares @ (sds**2 + (means - mean) ** 2) / share)
        return mean, float(np.sqrt(variance)), share


def fit_mixture(scales: Scales, populations: int) -> Mixture:
    """Fit normal distributions to a histogram by expectation maximisation, on the best scale.

    Parameters
    ----------
    scales
        The histogram.
    populations
        How many there are, 2 or 3.

    Returns
    -------
    mixture
        The most likely of what a fixed set of starts led to on any of the scales. Its criterion
        is infinite if the histogram has fewer filled bins than there are populations.
    """
    x, counts = (np.ascontiguousarray(v, np.float64) for v in (scales.x, scales.counts))
    return _fitted(x.tobytes(), counts.tobytes(), populations)


@lru_cache(maxsize=_REMEMBERED)
def _fitted(places: bytes, cells: bytes, populations: int) -> Mixture:
    """Fit a mixture to a histogram given by the bytes of its arrays, which tell it apart."""
    counts = np.frombuffer(cells)
    scales = Scales(np.frombuffer(places).reshape(-1, len(counts)), counts)
    guesses = _first_guesses(scales.counts, populations)
    if not len(guesses):
        return Mixture((), (), (), np.inf)
    x = scales.standard
    powers = np.stack([np.ones_like(x), x, x**2], axis=-1)
    moments = (guesses * scales.counts) @ powers[:, None]
    parameters, likelihood = _maximise(scales.counts, powers, moments, _TRIAL_ROUNDS)
    ahead = np.argsort(-likelihood, axis=1, kind="stable")[:, :2]
    moments = np.take_along_axis(parameters, ahead[..., None, None], axis=1)
    moments, likelihood = _maximise(scales.counts, powers, moments, _ROUNDS)
    stretch = scales.log_stretch(scales.counts[None])[0]
    scale, start = np.unravel_index(int(np.argmax(likelihood - stretch[:, None])), likelihood.shape)
    return _mixtures(
        moments[scale, [start]],
        likelihood[scale, [start]] - stretch[scale],
        np.array([scales.counts.sum()]),
        (float(scales.mean[scale]), float(scales.sd[scale])),
        int(scale),
    )[0]


def refit_mixture(counts: Array, scales: Scales, start: Mixture) -> list[Mixture]:
    """Fit the same number of populations to similar histograms, starting from a known mixture.

    Parameters
    ----------
    counts
        The histograms, ``(rows, bins)``.
    scales
        The bins on their scales.
    start
        Mixture of all cells; its scale is kept.

    Returns
    -------
    list
        A mixture a row.
    """
    if not start.means:
        return [start] * len(counts)
    mean, sd = float(scales.mean[start.scale]), float(scales.sd[start.scale])
    x = scales.standard[start.scale]
    powers = np.stack([np.ones_like(x), x, x**2], axis=-1)[None]
    means = (np.asarray(start.means) - mean) / sd
    squares = (np.asarray(start.sds) / sd) ** 2 + means**2
    shares = np.asarray(start.shares)
    totals = counts.sum(axis=1)
    moments = np.stack([shares, shares * means, shares * squares], axis=-1)
    moments = (moments * totals[:, None, None])[None]
    moments, likelihood = _maximise(counts, powers, moments, _REFIT_ROUNDS, _REFIT_TOLERANCE)
    stretch = scales.only(start.scale).log_stretch(counts)[:, 0]
    return _mixtures(moments[0], likelihood[0] - stretch, totals, (mean, sd), start.scale)


def single_bic(counts: Array, scales: Scales) -> Array:
    """Return the Bayesian information criterion of one population that may be skewed, ``(rows,)``.

    The population is normal after Manly's exponential transform ``(exp(g y) - 1) / g`` on one of
    the scales. Scale and ``g`` are chosen from fixed grids, the normal distribution among them.

    Parameters
    ----------
    counts
        Histograms, ``(rows, bins)``; at least two bins of each are filled.
    scales
        The bins on their scales.
    """
    x = scales.standard[:, None]
    skews = _SKEWS[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        moved = np.where(np.abs(skews) < 1e-9, x, np.expm1(skews * x) / skews)
    total = counts.sum(axis=1)[:, None, None]
    first, second = (np.einsum("rb,sgb->rsg", counts, m, optimize=True) for m in (moved, moved**2))
    variance = np.maximum(second / total - (first / total) ** 2, 1e-12)
    likelihood = -total * (0.5 * np.log(variance) + _LOG_ROOT_TAU + 0.5)
    likelihood += _SKEWS * (counts @ scales.standard.T)[:, :, None]
    best = (likelihood - scales.log_stretch(counts)[:, :, None]).max(axis=(1, 2))
    return np.asarray(3 * np.log(total[:, 0, 0]) - 2 * best)


def _maximise(
    counts: Array, powers: Array, moments: Array, rounds: int, tolerance: float = _TOLERANCE
) -> tuple[Array, Array]:
    """Improve populations given by their sums of 1, x and x² over cells, until they settle.

    Parameters
    ----------
    counts
        ``(bins,)``, or a row for each start, ``(starts, bins)``.
    powers
        ``(scales, bins, 3)``.
    moments
        ``(scales, starts, populations, 3)``.

    Returns
    -------
    moments, likelihood
        The last of the kind that was taken in, and the log likelihood of what it describes as
        of the round before, ``(scales, starts)``.
    """
    n_scales, starts, populations, _ = moments.shape
    counts = np.broadcast_to(counts, (starts, counts.shape[-1]))
    totals = counts.sum(axis=1)
    turned = np.swapaxes(powers, -1, -2)
    each = n_scales, starts, populations, counts.shape[-1]
    flat = n_scales, starts * populations, counts.shape[-1]
    previous = np.full(each[:2], -np.inf)
    likelihood = previous
    for _ in range(rounds):
        number = np.maximum(moments[..., 0], 1e-9)
        means = moments[..., 1] / number
        variances = np.maximum(moments[..., 2] / number - means**2, _LEAST_SD**2)
        constant = np.log(number / totals[:, None])
        constant -= 0.5 * (np.log(variances) + means**2 / variances)
        terms = np.stack([constant, means / variances, -0.5 / variances], axis=-1)
        logs = (terms.reshape(*flat[:2], 3) @ turned).reshape(each)
        top = logs.max(axis=2)
        parts = np.exp(np.subtract(logs, top[:, :, None], out=logs), out=logs)
        sums = parts.sum(axis=2)
        likelihood = ((top + np.log(sums)) * counts).sum(axis=-1) - totals * _LOG_ROOT_TAU
        parts *= (counts / sums)[:, :, None]
        moments = (parts.reshape(flat) @ powers).reshape(moments.shape)
        if np.all(likelihood - previous <= tolerance * totals):
            break
        previous = likelihood
    return moments, likelihood


def _mixtures(
    moments: Array, likelihood: Array, totals: Array, standard: tuple[float, float], scale: int
) -> list[Mixture]:
    """Describe populations ``(rows, populations, 3)`` on their scale before standardising."""
    middle, spread = standard
    number = np.maximum(moments[..., 0], 1e-9)
    means = moments[..., 1] / number
    sds = np.sqrt(np.maximum(moments[..., 2] / number - means**2, _LEAST_SD**2))
    parameters = 3 * number.shape[1] - 1
    order = np.argsort(means, axis=1, kind="stable")
    arrays = (means * spread + middle, sds * spread, number / totals[:, None])
    means, sds, shares = (np.take_along_axis(a, order, axis=1) for a in arrays)
    bics = parameters * np.log(totals) - 2 * likelihood
    return [
        Mixture(tuple(map(float, m)), tuple(map(float, s)), tuple(map(float, w)), float(b), scale)
        for m, s, w, b in zip(means, sds, shares, bics, strict=True)
    ]


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
