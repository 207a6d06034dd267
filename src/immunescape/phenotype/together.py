"""The threshold of a group of cells whose valley is filled, told by another group beside it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.methods import Automatic
from immunescape.phenotype.mixture import fit_mixture
from immunescape.phenotype.populations import EVIDENCE, VALLEY, NoThreshold, Populations, Threshold
from immunescape.phenotype.sample import Sample, take_sample
from immunescape.phenotype.scales import Scales
from immunescape.phenotype.tailed import Bins, Tailed, fit_tailed, refit_tailed

__all__ = ["TAIL", "Together", "fit_together", "is_unclear", "redrawn"]

TAIL = "the brighter cells are a tail of the negative ones"
_AS_GOOD = 0.005
"""Log likelihood of a cell by which one description may be worse and still be as good."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Together:
    """Two groups of cells, described by one tail and one positive population.

    Parameters
    ----------
    fit
        The description, one fit.
    bins
        Bins of the histogram that it was fitted to.
    cells
        Number of cells of each group, ``(2,)``.
    """

    fit: Tailed
    bins: Bins
    cells: Array

    def swapped(self) -> "Together":
        """Return the same with the second group as the first."""
        return Together(self.fit.swapped(), self.bins, self.cells[::-1])

    def threshold(self, group: int, method: Automatic) -> Threshold | NoThreshold:
        """Return where a cell of a group is as likely positive as negative, if anywhere."""
        fit, shift = self.fit, self.bins.shift
        at = float(fit.crossings(self.bins)[0, group])
        share = float(fit.share[0, group])
        found = Populations(
            float(fit.low[0, group]), float(fit.high[0]), float(fit.low_sd[0, group]),
            float(fit.high_sd[0]), share, shift,
        )  # fmt: skip
        positive = share * float(self.cells[group])
        if (
            not np.isfinite(at)
            or positive < method.min_population_cells
            or found.separation < method.min_separation
        ):
            return NoThreshold(TAIL)
        return Threshold(found.value(at), found, 1.0)


def is_unclear(found: Threshold | NoThreshold) -> bool:
    """Whether two populations were found without a valley that parts them for certain."""
    return isinstance(found, Threshold) and found.valley > VALLEY


def fit_together(own: npt.ArrayLike, beside: npt.ArrayLike, method: Automatic) -> Together | None:
    """Describe two groups of cells by one tail of the negative and one positive population.

    Each group has negative cells of its own place and width and its own share of positive ones.
    That is as many parameters as two normal populations for each group have. No cells have
    exactly the one form or the other, and enough of them tell any two forms apart; so it is taken
    where it describes the cells about as well. If positive cells of the two groups are of
    different brightness it does not.

    Parameters
    ----------
    own, beside
        Intensities of the two groups, of any shape; NaN is left out.
    method
        Its ``min_cells`` are needed in each group.

    Returns
    -------
    together
        None if two normal populations for each group are the better description by more than 15
        in the Bayesian information criterion and half a percent of a cell's likelihood, if a
        group has too few cells, or the data were cut at a floor.
    """
    groups = [np.asarray(g, dtype=np.float64).ravel() for g in (own, beside)]
    if min(np.isfinite(g).sum() for g in groups) < method.min_cells:
        return None
    parent = np.repeat([0, 1], [len(g) for g in groups])
    sample = take_sample(np.concatenate(groups), 1, blocks=parent, weights=np.eye(2))
    if isinstance(sample, str) or np.isfinite(sample.floor):
        return None
    pooled = fit_mixture(sample.scales, 2)
    if not pooled.means:
        return None
    counts, bins = sample.counts[1:], _bins(sample, pooled.scale)
    x = sample.scales.x[[pooled.scale]]
    alone = [fit_mixture(Scales(x, c), 2) for c in counts]
    if not all(m.means for m in alone):
        return None
    fit = fit_tailed(counts, bins, alone)
    plain = sum(
        float(c @ np.log(np.maximum(m.density(bins.x).sum(axis=0), np.finfo(float).tiny)))
        for c, m in zip(counts, alone, strict=True)
    )
    if plain - float(fit.log_likelihood[0]) > max(EVIDENCE / 2, _AS_GOOD * counts.sum()):
        return None
    return Together(fit, bins, counts.sum(axis=1))


def redrawn(
    together: Together, own: Array, beside: Array, blocks: npt.NDArray[np.int64], weights: Array
) -> Array:
    """Return the threshold of ``own`` in bootstrap draws, ``(draws,)``; NaN where there is none.

    Parameters
    ----------
    together
        What the two groups say without drawing; its scale is kept.
    own, beside
        Intensities of the two groups, ``(n,)`` and ``(m,)``.
    blocks
        Number of the block of each value of the one, then of the other, ``(n + m,)``.
    weights
        How often each block is drawn, ``(draws, blocks)``.
    """
    number = weights.shape[1]
    apart = blocks + number * np.repeat([0, 1], [len(own), len(beside)])
    both = np.zeros((len(weights), 2, 2 * number))
    both[:, 0, :number] = weights
    both[:, 1, number:] = weights
    values = np.concatenate([own, beside])
    sample = take_sample(values, 1, blocks=apart, weights=both.reshape(-1, 2 * number))
    if isinstance(sample, str):
        return np.full(len(weights), np.nan)
    counts = sample.counts[1:].reshape(len(weights), 2, -1)
    fits = refit_tailed(counts, together.bins, together.fit)
    return np.asarray(np.exp(fits.crossings(together.bins)[:, 0]) - together.bins.shift)


def _bins(sample: Sample, scale: int) -> Bins:
    """Return the bins of a sample with the start of one of its scales."""
    x = sample.log_values
    half = (x[1] - x[0]) / 2
    edges = np.exp(np.append(x - half, x[-1] + half)) - sample.shift
    return Bins(edges, float(sample.shifts[scale]))
