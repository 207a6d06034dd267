"""Where a threshold comes from: fixed, Otsu, or a mixture of two populations on log intensity.

An automatic method first asks whether the cells hold two populations at all, and "no" is a proper
answer: the gate is then taken from elsewhere, or is missing, but noise is never split in two.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.mixture import fit_mixture, single_bic
from immunescape.phenotype.tail import find_gap

__all__ = [
    "Fixed",
    "GaussianMixture",
    "Method",
    "NoThreshold",
    "Otsu",
    "Populations",
    "Tail",
    "Threshold",
    "log_intensity",
]

_BINS = 256
_EVIDENCE = 10.0
"""By how much two populations must win over one skewed population: a BIC difference of 10."""
_VALLEY = 0.7
"""How low the density must fall between populations that only a third one reveals."""

_OTSU_SDS = 0.6745
"""A quarter of a normal population lies farther from its mean on one side."""


@dataclass(frozen=True)
class Populations:
    """A negative and a positive population, described on the log scale.

    Parameters
    ----------
    low, high
        Means of the negative and the positive population.
    low_sd, high_sd
        Their standard deviations.
    high_share
        Share of the cells in the positive population.
    shift
        What was added to the intensities before the logarithm; see `log_intensity`.
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


@dataclass(frozen=True)
class Threshold:
    """A threshold in the marker's own units: cells above it are positive.

    Parameters
    ----------
    value
        The threshold.
    populations
        The two populations it parts; None for a fixed one.
    """

    value: float
    populations: Populations | None = None


@dataclass(frozen=True)
class NoThreshold:
    """No second population, and why it was not accepted."""

    reason: str


class Method(Protocol):
    """What turns intensities of cells into a threshold, or says that there is none."""

    def __call__(self, values: npt.ArrayLike, /) -> Threshold | NoThreshold:
        """Return the threshold for intensities of any shape; NaN is left out."""
        ...


@dataclass(frozen=True)
class Fixed:
    """A threshold given by a person, whatever the cells look like."""

    value: float

    def __call__(self, values: npt.ArrayLike, /) -> Threshold:
        """Return the fixed threshold; the intensities play no part."""
        return Threshold(self.value)


@dataclass(frozen=True)
class GaussianMixture:
    """Two normal populations on log intensity; the threshold is where both are equally likely.

    The mixture is fitted by expectation maximisation on a histogram of 256 bins from several fixed
    starts, so that the answer is the same every time and a million cells take no longer than a
    thousand. A second population is accepted if

    - each population has at least `min_population_cells` cells,
    - Ashman's D is at least `min_separation`, and
    - two normal populations explain the cells better than one skewed population, by a difference
      of more than 10 in the Bayesian information criterion: a long tail is no population.

    If three normal populations are better than both by as much, and the density falls to 70 % or
    less of the lower peak between two of them, the threshold is put into that valley: two of the
    three then describe one population that is skewed.

    Parameters
    ----------
    min_cells
        Fewer cells than this have no threshold.
    min_population_cells
        Smallest population that is believed.
    min_separation
        Smallest Ashman's D that is believed.

    Examples
    --------
    >>> import numpy as np
    >>> draw = np.random.default_rng(1)
    >>> dim, bright = draw.lognormal(1, 0.3, 900), draw.lognormal(4, 0.3, 100)
    >>> gate = GaussianMixture()(np.concatenate([dim, bright]))
    >>> 6 < gate.value < 30
    True
    >>> GaussianMixture()(dim)
    NoThreshold(reason='no second population')
    """

    min_cells: int = 50
    min_population_cells: int = 5
    min_separation: float = 2.0

    def __call__(self, values: npt.ArrayLike, /) -> Threshold | NoThreshold:
        """Return the threshold for intensities of any shape; NaN is left out."""
        logs = _prepare(values, self.min_cells)
        if isinstance(logs, NoThreshold):
            return logs
        found = _two_populations(*logs, self.min_population_cells, self.min_separation)
        if found is None:
            return NoThreshold("no second population")
        populations, crossing = found
        return Threshold(float(np.exp(crossing) - populations.shift), populations)


@dataclass(frozen=True)
class Otsu:
    """The threshold of least variance within both sides, where there are two populations.

    Otsu's threshold exists for any distribution, therefore the second population must first be
    accepted as by `GaussianMixture`, and the threshold must leave at most a quarter of the
    negative and half of the positive cells on the wrong side: where one population is rare, it
    would split the other.

    Parameters
    ----------
    log
        Whether the variance is that of the log intensities.
    min_cells, min_population_cells, min_separation
        As in `GaussianMixture`.
    """

    log: bool = True
    min_cells: int = 50
    min_population_cells: int = 5
    min_separation: float = 2.0

    def __call__(self, values: npt.ArrayLike, /) -> Threshold | NoThreshold:
        """Return the threshold for intensities of any shape; NaN is left out."""
        prepared = _prepare(values, self.min_cells)
        if isinstance(prepared, NoThreshold):
            return prepared
        found = _two_populations(*prepared, self.min_population_cells, self.min_separation)
        if found is None:
            return NoThreshold("no second population")
        logs, shift = prepared
        scale = logs if self.log else np.exp(logs)
        cut = _otsu(scale)
        at = cut if self.log else float(np.log(cut))
        populations, _ = found
        if not populations.low + _OTSU_SDS * populations.low_sd <= at <= populations.high:
            return NoThreshold("the populations are too unequal for Otsu's threshold")
        return Threshold(float(np.exp(at) - shift), populations)


@dataclass(frozen=True)
class Tail:
    """The middle of the gap above the negative cells, for positive cells that are rare.

    A mixture spends its populations on the form of the negative cells when the positive ones are
    few. Here they are found by the gap that parts them from the negative cells' tail; see
    `immunescape.phenotype.tail.find_gap`.

    Parameters
    ----------
    min_cells, min_population_cells
        As in `GaussianMixture`.
    """

    min_cells: int = 50
    min_population_cells: int = 5

    def __call__(self, values: npt.ArrayLike, /) -> Threshold | NoThreshold:
        """Return the threshold for intensities of any shape; NaN is left out."""
        prepared = _prepare(values, self.min_cells)
        if isinstance(prepared, NoThreshold):
            return prepared
        logs, shift = prepared
        gap = find_gap(*_histogram(logs), self.min_population_cells)
        if gap is None:
            return NoThreshold("no second population")
        dim, bright = logs[logs <= gap.centre], logs[logs > gap.centre]
        populations = Populations(
            low=float(dim.mean()), high=float(bright.mean()),
            low_sd=float(dim.std()), high_sd=float(bright.std()),
            high_share=len(bright) / len(logs), shift=shift,
        )  # fmt: skip
        return Threshold(float(np.exp(gap.centre) - shift), populations)


def log_intensity(values: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], float]:
    """Return the finite intensities on the log scale, and what was added to them before.

    Nothing is added where at most 1 % of the values are 0 or below; those few are set to the
    smallest positive value. More of them, as after unmixing or subtraction of a background, are
    moved up by a shift that puts the median of the dim half four of its spreads above 0: noise
    around 0 keeps its shape, bright cells are hardly moved.

    Parameters
    ----------
    values
        Intensities of any shape; NaN and infinite values are left out.

    Returns
    -------
    logs, shift
        One-dimensional array of logarithms in the order of the input; empty if no value is
        finite, or none is above 0. The shift is in the units of the input, 0 or more.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    array = array[np.isfinite(array)]
    if not array.size or array.max() <= 0:
        return np.empty(0), 0.0
    shift = 0.0
    if np.mean(array <= 0) > 0.01:
        middle, low = np.quantile(array, [0.5, 0.16])
        spread = middle - low
        if spread <= 0:
            spread = float(np.quantile(array[array > 0], 0.5)) / 20
        shift = float(max(4 * spread - middle, 0.0))
    moved = array + shift
    floor = float(moved[moved > 0].min())
    return np.log(np.maximum(moved, floor)), shift


def _prepare(
    values: npt.ArrayLike, min_cells: int
) -> tuple[npt.NDArray[np.float64], float] | NoThreshold:
    """Logarithms and shift, or why there is nothing to fit.

    The lowest 0.5 % are left out of the fit: on the log scale a handful of empty cells would be
    far away from all others.
    """
    logs, shift = log_intensity(values)
    finite = int(np.isfinite(np.asarray(values, dtype=np.float64)).sum())
    if finite and (not logs.size or np.ptp(logs) <= 1e-9):
        return NoThreshold("the channel holds no signal")
    if finite < min_cells:
        return NoThreshold(f"{finite} cells are too few")
    return logs[logs >= np.quantile(logs, 0.005)], shift


def _two_populations(
    logs: npt.NDArray[np.float64], shift: float, min_population_cells: int, min_separation: float
) -> tuple[Populations, float] | None:
    """Return the two populations and where they part, or None for only one."""
    counts, centres = _histogram(logs)
    two, three = fit_mixture(counts, centres, 2), fit_mixture(counts, centres, 3)
    single = single_bic(counts, centres)
    choices = []
    if three.bic + _EVIDENCE < min(two.bic, single):
        choices += [(three, 1), (three, 2)]
    if two.bic + _EVIDENCE < single:
        choices += [(two, 1)]
    accepted = []
    for mixture, first in choices:
        parting = mixture.parting(first)
        if parting is None:
            continue
        crossing, valley = parting
        low, high = mixture.joined(first)
        found = Populations(low[0], high[0], low[1], high[1], high[2], shift)
        if (
            min(low[2], high[2]) * logs.size >= min_population_cells
            and found.separation >= min_separation
            and (mixture is two or valley <= _VALLEY)
        ):
            accepted.append((mixture is two, valley, found, crossing))
    if not accepted:
        return None
    *_, populations, at = min(accepted, key=lambda each: each[:2])
    return populations, at


def _histogram(
    values: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    counts, edges = np.histogram(values, bins=_BINS)
    return counts.astype(np.float64), (edges[:-1] + edges[1:]) / 2


def _otsu(values: npt.NDArray[np.float64]) -> float:
    """Return the edge between bins that leaves the least variance on its two sides."""
    counts, centres = _histogram(values)
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = (sums[-1] - sums[:-1]) / above - sums[:-1] / below
        between: npt.NDArray[Any] = below * above * gap**2
    best = int(np.nanargmax(between))
    return float((centres[best] + centres[best + 1]) / 2)
