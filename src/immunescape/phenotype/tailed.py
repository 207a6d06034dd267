"""Groups of cells stained alike: negative cells with a tail, and positive ones of the same form.

Where positive cells are few, the tail of the negative ones (unspecific stain, light received from
neighbours) fills the valley in which a threshold would lie, and one group alone cannot tell its
tail from its positive cells. Two groups can: the antibody is the same, so that the tail and the
form of the positive population are common, and only the shares of positive cells differ.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.mixture import Mixture

__all__ = ["Bins", "Tailed", "fit_tailed", "refit_tailed"]

_ROUNDS = 400
_REFIT_ROUNDS = 80
_TOLERANCE = 1e-7
"""A round that makes a cell no likelier than by this factor is the last."""
_FIRST_TAIL = 0.05
_FIRST_LENGTH = 0.5
"""Mean of the tail at the start, as a share of the longest."""
_FIRST_SHARES = (1.0, 0.4)
"""Positive cells at the start, as shares of those that two normal populations give."""
_LONGEST_TAIL = 1 / 3
"""Mean of the tail at most, as a share of the distance from the median negative to the median
positive cell: then one cell in 20 of the tail is brighter than the median positive cell."""
_LEAST_SD = 0.02
_FITTED = ("low", "low_sd", "share", "high", "high_sd", "tail", "length")
_LEAST = 1e-12
_ROOT_TAU = float(np.sqrt(2 * np.pi))

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Bins:
    """Bins of a histogram, and the logarithmic scale that populations are normal on.

    Parameters
    ----------
    edges
        In the marker's own units, ``(bins + 1,)``.
    shift
        The scale is ``log(value + shift)``; finite at every edge.
    """

    edges: Array
    shift: float

    @property
    def values(self) -> Array:
        """Middle of each bin in the marker's own units."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    @property
    def x(self) -> Array:
        """Middle of each bin on the scale."""
        return np.asarray(np.log(self.values + self.shift))

    @property
    def widths(self) -> Array:
        """Width of each bin on the scale."""
        return np.asarray(np.diff(np.log(self.edges + self.shift)))


@dataclass(frozen=True, eq=False)
class Tailed:
    """Negative cells with an exponential tail, and log-normal positive cells, in some groups.

    Leading axes are the fits, one each.

    Parameters
    ----------
    low, low_sd
        Mean and standard deviation of the negative cells of each group without their tail, on the
        scale, ``(fits, groups)``.
    share
        Share of positive cells in each group, ``(fits, groups)``.
    high, high_sd
        Mean and standard deviation of the positive cells of all groups, ``(fits,)``.
    tail
        Share of the negative cells that have a tail, the same in all groups, ``(fits,)``.
    length
        Mean of what these have more than the median negative cell, in the marker's own units,
        ``(fits,)``.
    log_likelihood
        Of the cells, per unit of the scale, ``(fits,)``.
    """

    low: Array
    low_sd: Array
    share: Array
    high: Array
    high_sd: Array
    tail: Array
    length: Array
    log_likelihood: Array

    def parts(self, bins: Bins) -> Array:
        """Return the probability of each bin: core, tail, positive, ``(fits, groups, 3, bins)``."""
        positive = _normal(bins, self.high[:, None], self.high_sd[:, None])
        positive = np.broadcast_to(positive, (*self.low.shape, len(bins.x)))
        core = _normal(bins, self.low, self.low_sd)
        start = (np.exp(self.low) - bins.shift)[..., None]
        beyond = np.maximum(bins.edges - start, 0.0) / self.length[:, None, None]
        tail = -np.diff(np.exp(-beyond))
        negative = (1 - self.share)[..., None]
        of_tail = self.tail[:, None, None]
        return np.stack(
            [negative * (1 - of_tail) * core, negative * of_tail * tail,
             self.share[..., None] * positive],
            axis=2,
        )  # fmt: skip

    def crossings(self, bins: Bins) -> Array:
        """Return where the positive cells become the likelier ones, ``(fits, groups)``.

        The place lies on the scale, between the medians of negative and positive cells, and from
        it to the positive median no negative cell is likelier again. NaN where there is none.
        """
        core, tail, positive = np.moveaxis(self.parts(bins), 2, 0)
        odds = np.log(np.maximum(positive, _LEAST**2)) - np.log(np.maximum(core + tail, _LEAST**2))
        found = np.full(self.low.shape, np.nan)
        for fit, group in np.ndindex(*self.low.shape):
            first, last = np.searchsorted(bins.x, [self.low[fit, group], self.high[fit]])
            between = odds[fit, group, first:last]
            below = np.flatnonzero(between <= 0)
            if len(below) and below[-1] + 1 < len(between):
                k = first + below[-1]
                ahead = odds[fit, group, k] / (odds[fit, group, k] - odds[fit, group, k + 1])
                found[fit, group] = bins.x[k] + ahead * (bins.x[k + 1] - bins.x[k])
        return found

    def swapped(self) -> "Tailed":
        """Return the same with the groups in reversed order."""
        low, low_sd, share = (a[:, ::-1] for a in (self.low, self.low_sd, self.share))
        return replace(self, low=low, low_sd=low_sd, share=share)

    def only(self, fit: int) -> "Tailed":
        """Return one fit alone."""
        return Tailed(**{name: getattr(self, name)[[fit]] for name in (*_FITTED, "log_likelihood")})


def fit_tailed(counts: Array, bins: Bins, groups: Sequence[Mixture]) -> Tailed:
    """Fit groups together by expectation maximisation, from where two normal populations are.

    Parameters
    ----------
    counts
        Cells of each group in each bin, ``(groups, bins)``.
    bins
        The bins.
    groups
        Mixture of two normal populations of each group, on the scale.

    Returns
    -------
    tailed
        One fit: the most likely of those that a fixed set of starts leads to, in which the
        positive cells are those of each group and some, or most, of what else was thought
        positive is tail.
    """
    low, low_sd, share = np.array([(m.means[0], m.sds[0], m.shares[1]) for m in groups]).T[:, None]
    starts = [(m.means[1], m.sds[1], part) for m in groups for part in _FIRST_SHARES]
    high, high_sd, part = np.array(starts).T
    ones = np.ones((len(starts), 1))
    longest = _LONGEST_TAIL * (np.exp(high) - np.exp(low.max()))
    first = Tailed(
        low=ones * low, low_sd=ones * low_sd, share=part[:, None] * share, high=high,
        high_sd=high_sd, tail=np.full(len(starts), _FIRST_TAIL),
        length=np.maximum(_FIRST_LENGTH * longest, _LEAST),
        log_likelihood=np.full(len(starts), -np.inf),
    )  # fmt: skip
    fits = _maximise(np.broadcast_to(counts, (len(starts), *counts.shape)), bins, first, _ROUNDS)
    return fits.only(int(np.argmax(fits.log_likelihood)))


def refit_tailed(counts: Array, bins: Bins, start: Tailed) -> Tailed:
    """Fit similar histograms, ``(fits, groups, bins)``, starting from a known fit."""
    kept = {name: np.repeat(getattr(start, name), len(counts), 0) for name in _FITTED}
    first = Tailed(**kept, log_likelihood=np.full(len(counts), -np.inf))
    return _maximise(counts, bins, first, _REFIT_ROUNDS)


def _maximise(counts: Array, bins: Bins, fit: Tailed, rounds: int) -> Tailed:
    """Improve fits until they settle; ``counts`` is ``(fits, groups, bins)``."""
    x, values, shift = bins.x, bins.values, bins.shift
    log_widths = counts.sum(axis=1) @ np.log(bins.widths)
    totals = counts.sum(axis=(1, 2))
    for _ in range(rounds):
        parts = fit.parts(bins)
        whole = np.maximum(parts.sum(axis=2), _LEAST**2)
        likelihood = np.einsum("fgb,fgb->f", counts, np.log(whole)) - log_widths
        settled = likelihood - fit.log_likelihood <= _TOLERANCE * totals
        members = parts * (counts / whole)[:, :, None]
        number = np.maximum(members.sum(axis=3), _LEAST)
        core, tail, positive = np.moveaxis(number, 2, 0)
        low, low_sd = _moments(members[:, :, 0], core, x)
        high, high_sd = _moments(members[:, :, 2].sum(axis=1), positive.sum(axis=1), x)
        start = np.exp(low) - shift
        beyond = np.einsum("fgb,b->fg", members[:, :, 1], values) - tail * start
        longest = _LONGEST_TAIL * (np.exp(high) - shift - start.max(axis=1))
        length = np.minimum(beyond.sum(axis=1) / tail.sum(axis=1), longest)
        fit = Tailed(
            low=low, low_sd=low_sd, share=positive / number.sum(axis=2), high=high,
            high_sd=high_sd, tail=tail.sum(axis=1) / (core + tail).sum(axis=1),
            length=np.maximum(length, _LEAST), log_likelihood=likelihood,
        )  # fmt: skip
        if settled.all():
            break
    return fit


def _normal(bins: Bins, mean: Array, sd: Array) -> Array:
    """Probability of each bin, along a new last axis."""
    away = (bins.x - mean[..., None]) / sd[..., None]
    return np.asarray(np.exp(-0.5 * away**2) * (bins.widths / _ROOT_TAU) / sd[..., None])


def _moments(members: Array, number: Array, x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of weighted bins along the last axis."""
    mean = members @ x / number
    variance = members @ x**2 / number - mean**2
    return mean, np.sqrt(np.maximum(variance, _LEAST_SD**2))
