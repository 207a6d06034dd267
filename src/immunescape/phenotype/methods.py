"""Where a threshold comes from: fixed, Otsu, a mixture of two populations, or a gap in the tail.

An automatic method first asks whether the cells hold two populations at all, and "no" is a proper
answer: the gate is then taken from elsewhere, or is missing, but noise is never split in two.
Adding a constant to all cells, or multiplying them, moves the threshold alike and changes no call.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.populations import (
    NoThreshold,
    Populations,
    Threshold,
    above_floor,
    two_populations,
)
from immunescape.phenotype.sample import Sample, take_sample
from immunescape.phenotype.tail import find_gap

__all__ = ["Automatic", "Fixed", "GaussianMixture", "Method", "Otsu", "Tail"]

_OTSU_SDS = 0.6745
"""A quarter of a normal population lies farther from its mean on one side."""

Array = npt.NDArray[np.float64]
Found = Threshold | NoThreshold


class Method(Protocol):
    """What turns intensities of cells into a threshold, or says that there is none."""

    def __call__(self, values: npt.ArrayLike, /) -> Found:
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
class Automatic(ABC):
    """Common to the methods that look for two populations.

    Parameters
    ----------
    min_cells
        Fewer cells than this have no threshold.
    min_population_cells
        Smallest population that is believed.
    min_separation
        Smallest Ashman's D that is believed.
    """

    min_cells: int = 50
    min_population_cells: int = 5
    min_separation: float = 2.0

    def __call__(self, values: npt.ArrayLike, /) -> Found:
        """Return the threshold for intensities of any shape; NaN is left out."""
        sample = take_sample(values, self.min_cells)
        return NoThreshold(sample) if isinstance(sample, str) else self.of(sample)[0]

    def of(self, sample: Sample) -> list[Found]:
        """Return the threshold of each row of a sample."""
        found = self.above(sample)
        if not np.isfinite(sample.floor):
            return found
        beside = above_floor(sample, self.min_population_cells)
        return [b if isinstance(f, NoThreshold) else f for f, b in zip(found, beside, strict=True)]

    @abstractmethod
    def above(self, sample: Sample) -> list[Found]:
        """Return the threshold of each row among the cells above the floor."""


@dataclass(frozen=True)
class GaussianMixture(Automatic):
    """Two normal populations on log intensity; the threshold is the valley between them.

    The mixture is fitted by expectation maximisation on a histogram of 256 bins from several fixed
    starts, so that the answer is the same every time and a million cells take no longer than a
    thousand. The logarithm starts below the dimmest cells, where the cells say: the most likely
    of six places, from half a spread to 32 spreads of the dim cells. The threshold is where the
    density of the mixture is lowest between its peaks, or where both populations are equally
    likely if it falls from one to the other: membranes stained in part skew the positive cells,
    and the place of a valley hardly depends on their form. A second population is accepted if

    - each population has at least `min_population_cells` cells, and the negative one at least 5 %
      of all: a few dim cells are debris,
    - Ashman's D is at least `min_separation`, and
    - two normal populations explain the cells better than one skewed population, by a difference
      of more than 15 in the Bayesian information criterion: a long tail is no population, and
    - between them cells are lacking that a single population would have, whatever its form as
      long as the logarithm of its density is concave (Chernoff bound of at most one in 150).

    If three normal populations are better than both by as much, and the density falls to 70 % or
    less of the lower peak between two of them, the threshold is put into that valley: two of the
    three then describe one population that is skewed.

    Cells tied at the lowest value, as after a subtraction that was cut at 0, are negative and take
    no part in the fit; those above are positive as a whole only where they lie clear of it.

    Parameters
    ----------
    min_cells, min_population_cells, min_separation
        As in `Automatic`.

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

    def above(self, sample: Sample) -> list[Found]:
        """Return the threshold of each row among the cells above the floor."""
        return [
            NoThreshold("no second population")
            if found is None
            else Threshold(found[0].value(found[1]), *found[::2])
            for found in two_populations(sample, self.min_population_cells, self.min_separation)
        ]


@dataclass(frozen=True)
class Otsu(Automatic):
    """The threshold of least variance within both sides, where there are two populations.

    Otsu's threshold exists for any distribution, therefore the second population must first be
    accepted as by `GaussianMixture`, and the threshold must leave at most a quarter of the
    negative and half of the positive cells on the wrong side: where one population is rare, it
    would split the other. The variance is that of log intensities, whose logarithm starts where
    the two populations were found.

    Parameters
    ----------
    min_cells, min_population_cells, min_separation
        As in `Automatic`.
    """

    def above(self, sample: Sample) -> list[Found]:
        """Return the threshold of each row among the cells above the floor."""
        rows = two_populations(sample, self.min_population_cells, self.min_separation)
        results: list[Found] = []
        for counts, found in zip(sample.counts, rows, strict=True):
            if found is None:
                results.append(NoThreshold("no second population"))
                continue
            populations = found[0]
            value = populations.value(_otsu(counts, np.log(sample.values + populations.shift)))
            low = populations.low + _OTSU_SDS * populations.low_sd
            if low <= populations.place(value) <= populations.high:
                results.append(Threshold(value, populations))
            else:
                results.append(NoThreshold("the populations are too unequal for Otsu's threshold"))
        return results


@dataclass(frozen=True)
class Tail(Automatic):
    """The middle of the gap above the negative cells, for positive cells that are rare.

    A mixture spends its populations on the form of the negative cells when the positive ones are
    few. Here they are found by the gap that parts them from the negative cells' tail; see
    `immunescape.phenotype.tail.find_gap`.

    Parameters
    ----------
    min_cells, min_population_cells
        As in `Automatic`; `min_separation` plays no part.
    """

    def above(self, sample: Sample) -> list[Found]:
        """Return the threshold of each row among the cells above the floor."""
        return [self._gap(counts, sample) for counts in sample.counts]

    def _gap(self, counts: Array, sample: Sample) -> Found:
        x = sample.log_values
        gap = find_gap(counts, x, self.min_population_cells)
        if gap is None:
            return NoThreshold("no second population")
        moments = []
        for side in (x <= gap.centre, x > gap.centre):
            total = counts[side].sum()
            mean = float(counts[side] @ x[side] / total)
            sd = float(np.sqrt(counts[side] @ (x[side] - mean) ** 2 / total))
            moments.append((mean, sd, float(total)))
        (low, low_sd, below), (high, high_sd, above) = moments
        shift = sample.shift
        populations = Populations(low, high, low_sd, high_sd, above / (above + below), shift)
        return Threshold(populations.value(gap.centre), populations)


def _otsu(counts: Array, centres: Array) -> float:
    """Return the edge between bins that leaves the least variance on its two sides."""
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = (sums[-1] - sums[:-1]) / above - sums[:-1] / below
        between = below * above * gap**2
    best = int(np.nanargmax(between))
    return float((centres[best] + centres[best + 1]) / 2)
