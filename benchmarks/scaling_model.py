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
    "wall_s": ("time", "s", 0.0),
    "peak_gb": ("peak memory", "GB", 16.0),
    "disk_gb": ("disk while it runs", "GB", 64.0),
    "result_gb": ("result", "GB", 0.0),
}
"""Columns of ``whole_slide.csv`` that are modelled: what they are, their unit, and the Mpx from
which on they are straight lines. Smaller slides have but one tile, which is as large as they are,
and are done before their disk was looked at often enough."""


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


def models(runs: pd.DataFrame, by: str) -> dict[str, tuple[Line, pd.DataFrame]]:
    """Return for each cost the line over ``mpx`` or ``cells``, and the sizes it was fitted to.

    Runs of one size count as their median. Where fewer than two sizes lie where a cost is a
    straight line, it is fitted to all.
    """
    sizes = runs.groupby("mpx").median().reset_index()
    found = {}
    for cost, (_, _, least) in COSTS.items():
        used = sizes[sizes.mpx >= least]
        used = used if len(used) > 1 else sizes
        found[cost] = fitted(used[by], used[cost]), used
    return found
