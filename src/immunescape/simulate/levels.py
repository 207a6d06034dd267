"""How strongly each cell stains: broad among positive cells, with a tail among negative ones.

The figures are ratios of our own choosing, rounded, after the spread of real cells about the
negative median. PD-L1: membrane means of the MEL2 fields of IrisSpatialFeatures (MIT), where
negative cells have a 5th, 95th and 99th percentile of about 0.6, 2.6 and 3.3 medians and cells
above the published gate a median of 4 to 5 and a maximum of 9. S100, SOX10 and CD8A: imaging mass
cytometry of melanoma (Moldoveanu et al., Sci Immunol 2022), where CD8A of T cells lies 4 medians
above a negative population without a tail, and S100 and SOX10 vary most among tumour cells.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from immunescape.simulate.settings import FieldParams

__all__ = ["STAINS", "Stain", "draw_levels"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stain:
    """Levels of one stain, the median positive cell being 1.

    Parameters
    ----------
    spread
        Standard deviation of the logarithm among positive cells, as a multiple of
        ``FieldParams.stain_spread``.
    unspecific
        Median of the negative cells, without the light of the tissue.
    unspecific_spread
        Standard deviation of their logarithm.
    tail
        Share of them that stain more, as a multiple of ``FieldParams.unspecific_fraction``.
    tail_level
        Mean of what these have more.
    """

    spread: float
    unspecific: float
    unspecific_spread: float
    tail: float
    tail_level: float


STAINS = {
    "CD8": Stain(spread=1.3, unspecific=0.04, unspecific_spread=0.4, tail=0.0, tail_level=0.1),
    "PD-L1": Stain(spread=1.35, unspecific=0.07, unspecific_spread=0.5, tail=1.0, tail_level=0.17),
    "S100": Stain(spread=1.3, unspecific=0.05, unspecific_spread=0.5, tail=0.5, tail_level=0.08),
    "SOX10": Stain(spread=1.3, unspecific=0.05, unspecific_spread=0.5, tail=0.5, tail_level=0.06),
}


def draw_levels(
    positive: npt.NDArray[np.bool_], stain: Stain, params: FieldParams, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draw the level of each cell where it is stained, and its unspecific level.

    Returns
    -------
    tuple of numpy.ndarray
        Specific level, 0 for negative cells, and unspecific level of all cells.
    """
    n = len(positive)
    specific = np.exp(rng.normal(0, params.stain_spread * stain.spread, n))
    unspecific = stain.unspecific * np.exp(rng.normal(0, stain.unspecific_spread, n))
    tail = rng.random(n) < stain.tail * params.unspecific_fraction
    unspecific += np.where(tail, rng.exponential(stain.tail_level, n), 0.0)
    return np.where(positive, specific, 0.0), unspecific
