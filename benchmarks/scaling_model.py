"""A cost model of whole slides: what a run takes is a fixed part and one that grows with the slide.

Fitted by least squares of relative errors with coefficients that are not negative, so that a small
slide counts as much as a large one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["COSTS", "Line", "fitted", "models"]

COSTS = {
    "wall_s": ("time", "s"),
    "peak_gb": ("peak memory", "GB"),
    "disk_gb": ("disk while it runs", "GB"),
    "result_gb": ("result", "GB"),
}
"""Columns of ``whole_slide.csv`` that are modelled: what they are, and their unit."""


@dataclass(frozen=True)
class Line:
    """A cost by size: ``fixed + slope * size``.

    Parameters
    ----------
    fixed, slope
        In the unit of the cost, and that by unit of size.
    residuals
        What was measured over what the line says, less 1, for each size.
    """

    fixed: float
    slope: float
    residuals: npt.NDArray[np.float64]

    def at(self, size: Any) -> Any:
        """Return the cost of a size."""
        return self.fixed + self.slope * size


def fitted(size: Any, cost: Any) -> Line:
    """Return the line with the least squares of relative errors.

    Parameters
    ----------
    size, cost
        ``(n,)``, all above 0; two sizes at least.
    """
    from scipy.optimize import nnls

    size, cost = (np.asarray(values, float) for values in (size, cost))
    (fixed, slope), _ = nnls(np.stack([1 / cost, size / cost], axis=1), np.ones(len(cost)))
    return Line(float(fixed), float(slope), cost / (fixed + slope * size) - 1)


def models(runs: pd.DataFrame, size: str) -> dict[str, Line]:
    """Return a line for each cost over ``mpx`` or ``cells``; of runs of one slide the median."""
    sizes = runs.groupby("mpx").median()
    by = sizes.index if size == "mpx" else sizes[size]
    return {cost: fitted(by, sizes[cost]) for cost in COSTS}
