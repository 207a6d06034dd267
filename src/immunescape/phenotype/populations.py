"""Whether cells hold a negative and a positive population, and where the two part."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.mixture import (
    Mixture,
    fit_mixture,
    refit_mixture,
    single_bic,
)
from immunescape.phenotype.sample import Sample
from immunescape.phenotype.tail import log_p_of_lack

__all__ = [
    "EVIDENCE",
    "VALLEY",
    "NoThreshold",
    "Populations",
    "Threshold",
    "above_floor",
    "two_populations",
]

EVIDENCE = 15.0
"""By how much two populations must win over one skewed population: a BIC difference of 15."""
_LACK = -5.0
"""Logarithm of the chance that one population, however skewed, lacks as many cells between."""
VALLEY = 0.7
"""How low the density must fall between two peaks to be a valley for certain."""
_LACK_ABOVE_FLOOR = -10.0
"""The same where noise was cut at a floor: its sharp edge is no form that a population has."""
_NEGATIVE_SHARE = 0.05
"""Least share of negative cells: fewer are debris, cut cells, or a step of the data's lattice."""
_CLEAR_OF_FLOOR = 0.25
"""Where the dimmest 2 % above the floor must begin, as a share of their median's height."""


@dataclass(frozen=True)
class Populations:
    """A negative and a positive population, described on the scale ``log(value + shift)``.

    Parameters
    ----------
    low, high
        Means of the negative and the positive population.
    low_sd, high_sd
        Their standard deviations.
    high_share
        Share of the cells in the positive population.
    shift
        What is added to a value before the logarithm.
    """

    low: float
    high: float
    low_sd: float
    high_sd: float
    high_share: float
    shift: float = 0.0

    @property
    def separation(self) -> float:
        """Ashman's D: distance of the means in units of the mean spread; two modes need 2."""
        spread = np.sqrt((self.low_sd**2 + self.high_sd**2) / 2)
        return float((self.high - self.low) / spread)

    def value(self, x: float) -> float:
        """Return a place on the scale in the marker's own units."""
        return float(np.exp(x) - self.shift)

    def place(self, value: float) -> float:
        """Return the place of a value on the scale; minus infinity below its start."""
        moved = value + self.shift
        return float(np.log(moved)) if moved > 0 else -np.inf


@dataclass(frozen=True)
class Threshold:
    """A threshold in the marker's own units: cells above it are positive.

    Parameters
    ----------
    value
        The threshold.
    populations
        The two populations it parts; None for a fixed one.
    valley
        Density at the threshold as a share of the lower of the two peaks beside it, where it was
        put between two peaks of a mixture; 1 without a valley.
    """

    value: float
    populations: Populations | None = None
    valley: float = 0.0


@dataclass(frozen=True)
class NoThreshold:
    """No second population, and why it was not accepted."""

    reason: str


def two_populations(
    sample: Sample, min_population_cells: int, min_separation: float
) -> list[tuple[Populations, float, float] | None]:
    """Look for two populations in each row of a sample.

    Returns
    -------
    list
        For each row the two populations, where they part on their scale, and how deep the valley
        between them is; or None for one population.
    """
    scales = sample.scales
    two, three = (fit_mixture(scales, k) for k in (2, 3))
    single = single_bic(sample.counts, scales)
    rows = [(two, three)]
    if len(sample.counts) > 1:
        drawn = sample.counts[1:]
        rows += zip(*(refit_mixture(drawn, scales, m) for m in (two, three)), strict=True)
    return [
        _accepted(sample, *row, float(single[k]), k, min_population_cells, min_separation)
        for k, row in enumerate(rows)
    ]


def _accepted(
    sample: Sample, two: Mixture, three: Mixture, single: float, row: int,
    min_population_cells: int, min_separation: float,
) -> tuple[Populations, float, float] | None:  # fmt: skip
    choices = []
    if three.bic + EVIDENCE < min(two.bic, single):
        choices += [(three, 1), (three, 2)]
    if two.bic + EVIDENCE < single:
        choices += [(two, 1)]
    cells = float(sample.counts[row].sum())
    lack_at_most = _LACK_ABOVE_FLOOR if np.isfinite(sample.floor) else _LACK
    accepted = []
    for mixture, first in choices:
        parting = mixture.parting(first)
        if parting is None:
            continue
        at, valley = parting
        low, high = mixture.joined(first)
        shift = float(sample.shifts[mixture.scale])
        found = Populations(low[0], high[0], low[1], high[1], high[2], shift)
        if (
            min(low[2], high[2]) * cells >= min_population_cells
            and low[2] >= _NEGATIVE_SHARE
            and found.separation >= min_separation
            and (mixture is two or valley <= VALLEY)
            and (lack := _lack(sample, row, found)) <= lack_at_most
        ):
            accepted.append((lack, found, at, valley))
    if not accepted:
        return None
    return min(accepted, key=lambda each: each[0])[1:]


def _lack(sample: Sample, row: int, found: Populations) -> float:
    """How surprising the lack of cells between two populations would be in one."""
    low, high = (np.log(found.value(x) + sample.shift) for x in (found.low, found.high))
    return log_p_of_lack(sample.counts[row], sample.log_values, float(low), float(high))


def above_floor(sample: Sample, min_population_cells: int) -> list[Threshold | NoThreshold]:
    """Part cells tied at the floor of the data from those above it, where a gap lies between.

    The cells above the floor are one population. They are the positive ones if at least half of
    all cells are at the floor and they lie clear of it: their dimmest 2 % begin at a quarter or
    more of the way to their median, and the gap below is wider than the spread of the dim among
    them. Else they are what exceeds the floor of one negative population.

    Returns
    -------
    list
        A threshold a row, half way between the floor and the dimmest 2 %.
    """
    results: list[Threshold | NoThreshold] = []
    for counts, floored in zip(sample.counts, sample.floored, strict=True):
        total = counts.sum()
        if floored < max(total, min_population_cells) or total < min_population_cells:
            results.append(NoThreshold("no second population"))
            continue
        below = np.cumsum(counts) / total
        dimmest, median = (sample.values[int(np.searchsorted(below, q))] for q in (0.02, 0.5))
        gap = dimmest - sample.floor
        if gap < _CLEAR_OF_FLOOR * (median - sample.floor) or gap < sample.spread:
            results.append(NoThreshold("no second population"))
            continue
        value = float(sample.floor + gap / 2)
        results.append(Threshold(value, _beside_floor(sample, counts, float(floored), gap)))
    return results


def _beside_floor(
    sample: Sample, counts: npt.NDArray[np.float64], floored: float, gap: float
) -> Populations:
    """Describe the floor as a population as narrow as half its gap."""
    shift = gap - sample.floor
    x = np.log(sample.values + shift)
    total = counts.sum()
    high = float(counts @ x / total)
    high_sd = float(np.sqrt(counts @ (x - high) ** 2 / total))
    low = float(np.log(gap))
    low_sd = float(np.log(1.5) / 3)
    return Populations(low, high, low_sd, high_sd, float(total / (total + floored)), shift)
