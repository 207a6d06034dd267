"""The cells that a gate is fitted to: a histogram on scales that no unit or offset changes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.phenotype.scales import Scales

__all__ = ["Sample", "dim_level", "take_sample"]

_BINS = 256
_TRIMMED = 0.005
"""Share of the cells at the dim end that is left out: empty cells lie far below all others."""
_FLOOR_SHARE = 0.02
"""From this share on, cells tied at the lowest value are the floor of the data, no measurement."""
_TIED = 3
"""From this number on, equal values lie on a lattice."""
_WIDEST_STEP = 1.5
"""Widest step of a lattice, in spreads of the dim cells."""
_STARTS = (0.5, 1.0, 2.0, 4.0, 8.0, 32.0)
"""Where the logarithm of each scale starts below the dimmest cell, in spreads of the dim cells;
the last is all but linear."""
_HISTOGRAM_START = 1
_BRIGHTEST = 1e5
"""Height above the dimmest cell, in spreads of the dim cells, from which all count as as bright."""
_DIMMEST = 0.02
_DIM = ((0.25, 1.379), (0.5, 2.054), (0.9, 3.335))
"""Upper quantiles for the spread of the dim cells, and how many standard deviations of a normal
distribution lie between them and the dimmest 2 %; the first hardly feels positive cells."""

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Histogram of cells, and of bootstrap draws of them.

    Parameters
    ----------
    counts
        Cells in each bin, ``(1 + draws, bins)``; row 0 is the cells as they are.
    values
        Centres of the bins in the marker's own units, ``(bins,)``.
    shifts
        The scales: ``x = log(value + shift)``, ``(scales,)``.
    floor
        Value of the cells that are tied at the lowest value and not in the histogram; NaN
        without such cells.
    floored
        Number of these cells, ``(1 + draws,)``.
    spread
        Spread of the dim cells, in the marker's own units.
    """

    counts: Array
    values: Array
    shifts: Array
    floor: float
    floored: Array
    spread: float

    @property
    def scales(self) -> Scales:
        """The bins on each logarithmic scale."""
        return Scales(np.log(self.values + self.shifts[:, None]), self.counts[0])

    @property
    def log_values(self) -> Array:
        """Equidistant centres of the bins on the scale that the histogram was made on."""
        return np.asarray(np.log(self.values + self.shifts[_HISTOGRAM_START]))

    @property
    def shift(self) -> float:
        """Shift of the scale that the histogram was made on."""
        return float(self.shifts[_HISTOGRAM_START])


def take_sample(
    values: npt.ArrayLike,
    min_cells: int,
    *,
    blocks: npt.NDArray[np.int64] | None = None,
    weights: Array | None = None,
) -> Sample | str:
    """Count cells in a histogram whose bins move and stretch with the values.

    The scale is read from the dim cells: a logarithm that starts a few of their spreads below
    them. A camera's offset, or another unit, moves cells, bins and thresholds alike. Values that
    are tied (small whole numbers, ratios of them) are spread over the step between them, and
    cells tied at the lowest value are set aside as the floor of the data.

    Parameters
    ----------
    values
        Intensities of any shape; NaN and infinite values are left out.
    min_cells
        Fewest finite values.
    blocks, weights
        Number of the block of each value, ``(n,)``, and how often each block is drawn,
        ``(draws, blocks)``; without them the sample has its first row only.

    Returns
    -------
    sample
        Or, as text, why there is nothing to fit.
    """
    array = np.asarray(values, dtype=np.float64).ravel()
    finite = np.isfinite(array)
    array = array[finite]
    if array.size and np.ptp(array) <= 1e-9 * max(abs(array.max()), abs(array.min())):
        return "the channel holds no signal"
    if array.size < min_cells:
        return f"{array.size} cells are too few"
    block = np.zeros(array.size, dtype=np.int64)
    drawn = np.ones((1, 1))
    if blocks is not None and weights is not None:
        block = np.asarray(blocks).ravel()[finite]
        drawn = np.concatenate([np.ones((1, weights.shape[1])), weights])
    floor, kept = _above_floor(array)
    floored = drawn @ np.bincount(block[~kept], minlength=drawn.shape[1])
    array, block = array[kept], block[kept]
    if np.ptp(array) == 0:
        return "the channel holds no signal"
    order = np.argsort(array, kind="stable")
    array, block = array[order], block[order]
    array = _untied(array, _WIDEST_STEP * _dim_spread(array))
    order = np.argsort(array, kind="stable")
    array, block = array[order], block[order]
    first = int(np.floor(_TRIMMED * array.size))
    array, block = array[first:], block[first:]
    spread = _dim_spread(array)
    start = array[0]
    array = np.minimum(array, start + _BRIGHTEST * spread)
    shifts = np.array(_STARTS) * spread - start
    logs = np.log(array + shifts[_HISTOGRAM_START])
    edges = np.linspace(logs[0], logs[-1], _BINS + 1)
    width = (logs[-1] - logs[0]) / _BINS
    bins = np.clip(((logs - logs[0]) / width).astype(np.int64), 0, _BINS - 1)
    table = np.bincount(block * _BINS + bins, minlength=drawn.shape[1] * _BINS)
    counts = drawn @ table.reshape(drawn.shape[1], _BINS).astype(np.float64)
    centres = np.exp((edges[:-1] + edges[1:]) / 2) - shifts[_HISTOGRAM_START]
    return Sample(counts, centres, shifts, floor, floored, spread)


def _above_floor(array: Array) -> tuple[float, npt.NDArray[np.bool_]]:
    """Return the floor, NaN if there is none, and which values lie above it.

    Up to 0.5 % of the values may lie below the floor: single empty cells.
    """
    lowest = float(np.partition(array, first := int(_TRIMMED * array.size))[first])
    tied = int((array == lowest).sum())
    if tied < _TIED or tied <= _FLOOR_SHARE * array.size:
        return float("nan"), np.ones(array.size, dtype=bool)
    return lowest, array > lowest


def _untied(ordered: Array, widest: float) -> Array:
    """Spread equal values evenly over the step of the lattice that they lie on.

    The lattice is read from the values that many cells share; its step is their median distance,
    but never more than ``widest``. Fewer than three equal values are left as they are.

    >>> _untied(np.array([1.0, 1.0, 1.0, 1.4, 2.0, 2.0, 2.0, 2.0, 3.0]), widest=9)
    array([0.66666667, 1.        , 1.33333333, 1.4       , 1.625     ,
           1.875     , 2.125     , 2.375     , 3.        ])
    """
    unique, first, number = np.unique(ordered, return_index=True, return_counts=True)
    tied = number >= _TIED
    if not tied.any():
        return ordered
    usual = np.quantile(np.repeat(number[tied], number[tied]), 0.5)
    common = unique[number >= usual / 2]
    if common.size < 2:
        return ordered
    step = min(float(np.median(np.diff(common))), widest)
    place = np.arange(ordered.size) - np.repeat(first, number)
    share = (2 * place + 1) / np.repeat(number, number) - 1
    spread = ordered + 0.5 * step * np.where(np.repeat(tied, number), share, 0.0)
    return np.asarray(spread)


def dim_level(values: Array) -> tuple[float, float]:
    """Return the level of the dim cells (tenth percentile) and their spread."""
    return float(np.quantile(values, 0.1)), _dim_spread(np.sort(values))


def _dim_spread(ordered: Array) -> float:
    """Return the standard deviation of the dim cells, were they normal; never 0.

    Where the dim quarter is tied, more cells are asked.
    """
    for above, sds_between in _DIM:
        low, high = np.quantile(ordered, [_DIMMEST, above])
        if high > low:
            return float(high - low) / sds_between
    return float(ordered.std())
