"""The headline and its kin from a count of cells by kind: in milliseconds, by the summary's rules.

A slide's cells are counted once by all that the numbers ask of a cell. Each non-empty count then
stands as one weighted cell in the very functions that make ``summary.csv``, so that a number shown
while a gate moves is the number that a run would write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import PHENOTYPES, REGION_NAMES, RegionAreas
from immunescape.spatial.cd8 import cd8_rows
from immunescape.spatial.density import DensityParams, region_counts, region_reason
from immunescape.spatial.headline import headline_rows
from immunescape.spatial.kinds import Kinds, kinds_of, missing_reason
from immunescape.spatial.rows import Source, SummaryParams
from immunescape.spatial.scores import score_rows
from immunescape.spatial.stains import no_control, unproven_of
from immunescape.spatial.uncertainty import Resampling, resampling_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CODES",
    "HEADLINE",
    "Figure",
    "LiveNumbers",
    "Standing",
    "codes_of",
    "is_cd8",
    "numbers_of",
    "pdl1_known",
]

HEADLINE = "pdl1_negative_fraction_touching_cd8"

_SHAPE = (4, 3, 5, 2, 2)
"""Phenotype, PD-L1 (missing, positive, negative), region, edge-censored, in control tissue."""
CODES = int(np.prod(_SHAPE))
"""Kinds of cell; doubled where a cell also touches a CD8 T cell or not."""
_REGIONS = np.array((*REGION_NAMES[:4], "excluded"), object)
_CD8 = PHENOTYPES.index("cd8_t")
_TUMOUR = PHENOTYPES.index("tumour")

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Figure:
    """One number of the summary.

    Parameters
    ----------
    value
        NaN where it cannot be given.
    unit
        As in ``summary.csv``.
    numerator, denominator
        What it was made of; NaN where a marker is missing.
    evaluable
        Whether the slide allows it.
    reason
        Why not, or what a reader should know.
    """

    value: float
    unit: str
    numerator: float
    denominator: float
    evaluable: bool
    reason: str


@dataclass(frozen=True, eq=False)
class LiveNumbers:
    """Numbers of one slide under some gates, without intervals.

    Parameters
    ----------
    figures
        By metric and region, as in ``summary.csv``: the PD-L1-negative fraction of tumour cells
        touching CD8 and of those not touching, ``touching_cd8_fraction``, ``cd8_density``,
        ``cd8_margin_to_centre_ratio`` and ``tumour_proportion_score``.
    """

    figures: Mapping[tuple[str, str], Figure]

    @property
    def headline(self) -> Figure:
        """Fraction PD-L1-negative of the tumour cells that touch CD8, on the whole slide."""
        return self.figures[HEADLINE, "tissue"]

    @property
    def tumour_proportion_score(self) -> Figure:
        """PD-L1-positive tumour cells in percent of the tumour cells."""
        return self.figures["tumour_proportion_score", "tissue"]

    def cd8_density(self, region: str) -> Figure:
        """CD8 T cells per mm² of a region."""
        return self.figures["cd8_density", region]


@dataclass(frozen=True, eq=False)
class Standing:
    """What decides whether a number can be given, however the cells are called.

    Parameters
    ----------
    areas
        Areas of the regions.
    params, density
        Smallest numbers of cells, smallest area.
    control_slide
        Whether a control slide vouches for the stains.
    statistic
        What PD-L1 was gated on.
    """

    areas: RegionAreas
    params: SummaryParams
    density: DensityParams
    control_slide: bool
    statistic: str = ""


def codes_of(kinds: Kinds, in_control: npt.NDArray[np.bool_]) -> npt.NDArray[np.int16]:
    """Return the kind of each cell as one number under ``CODES``, ``(n,)``."""
    edge = kinds.edge_censored.astype(np.int64)
    parts = (kinds.phenotype, kinds.pdl1, kinds.region, edge, in_control.astype(np.int64))
    return np.ravel_multi_index(parts, _SHAPE).astype(np.int16)


def is_cd8(codes: npt.NDArray[np.int16]) -> npt.NDArray[np.bool_]:
    """Tell of each kind whether it is a CD8 T cell."""
    return np.asarray(codes // (CODES // _SHAPE[0]) == _CD8)


def pdl1_known(counts: Counts) -> int:
    """Return how many cells have a PD-L1 call, of ``(CODES, 2)`` counts."""
    return int(counts.reshape(4, 3, -1)[:, 1:].sum())


def numbers_of(counts: Counts, standing: Standing, missing: Mapping[str, str]) -> LiveNumbers:
    """Return the numbers that counts of cells give.

    Parameters
    ----------
    counts
        Cells of each kind that do not and that do touch a CD8 T cell, ``(CODES, 2)``.
    standing
        Areas and limits.
    missing
        Reason by marker key, for the markers that the slide lacks.
    """
    if missing_reason(missing, "cd8"):
        counts = np.stack([counts.sum(1), 0 * counts[:, 1]], axis=1)
    held, near = np.nonzero(counts)
    weight = counts[held, near]
    phenotype, pdl1, region, edge, control = np.unravel_index(held, _SHAPE)
    groups = CellTable(
        pd.DataFrame(
            {
                "x_um": 0.0,
                "y_um": 0.0,
                "phenotype": np.array(PHENOTYPES, object)[phenotype],
                "region": _REGIONS[region],
                "pdl1_positive": pd.arrays.BooleanArray(pdl1 == 1, pdl1 == 0),
                "edge_censored": edge == 1,
            },
            index=pd.RangeIndex(1, len(held) + 1, name="label"),
        )
    )
    plain = kinds_of(groups, missing)
    kinds: Kinds = _Weighted(**vars(plain), weight=weight)
    in_control = control == 1
    shown = {
        "cd8": int(weight[in_control & (phenotype == _CD8)].sum()),
        "pdl1": int(weight[in_control & (pdl1 == 1) & (phenotype != _TUMOUR)].sum()),
    }
    doubt = ""
    if not standing.control_slide:
        doubt = no_control(kinds, standing.params, shown)
        kinds = replace(kinds, unproven=unproven_of(kinds, standing.params, missing, shown))
    rows = resampling_of(groups, kinds, standing.areas, None)
    source = Source(
        kinds=kinds,
        areas=standing.areas,
        params=standing.params,
        small={r: region_reason(standing.areas, r, standing.density) for r in REGION_NAMES},
        missing=missing,
        gates=(),
        statistic=standing.statistic,
        no_control=doubt,
        resampling=_Summed(rows.blocks, None, weight),
    )
    regions = region_counts(kinds, standing.areas, standing.density, source.resampling)
    return LiveNumbers(
        {
            **_figures(headline_rows(source, {"contact": near == 1}), "tumour"),
            **_figures(cd8_rows(source, regions), "cd8_t"),
            **_figures(score_rows(source, groups), "tumour"),
        }
    )


def _figures(rows: "Iterable[Mapping[str, Any]]", phenotype: str) -> dict[tuple[str, str], Figure]:
    return {
        (row["metric"], row["region"]): Figure(
            float(row["value"]), row["unit"], float(row["numerator"]), float(row["denominator"]),
            bool(row["evaluable"]), row["reason"],
        )
        for row in rows
        if row["phenotype"] == phenotype
    }  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Weighted(Kinds):
    """Kinds of cell that each stand for ``weight`` cells."""

    weight: Counts = field(default_factory=lambda: np.zeros(0, np.int64))

    def count(self, mask: npt.NDArray[np.bool_] | None = None) -> Counts:
        """Count the cells they stand for as ``(4, 3, 5)``."""
        code = (self.phenotype * 3 + self.pdl1) * 5 + self.region
        return _sums(code, self.weight, mask, 60).reshape(4, 3, 5)


@dataclass(frozen=True, eq=False)
class _Summed(Resampling):
    """One row a region, of kinds that each stand for ``weight`` cells; no intervals."""

    weight: Counts = field(default_factory=lambda: np.zeros(0, np.int64))

    def count(self, kinds: Kinds, mask: npt.NDArray[np.bool_] | None = None) -> Counts:
        """Count the cells they stand for as ``(4 regions, 4, 3)``; excluded ones are in none."""
        code = (kinds.region * 4 + kinds.phenotype) * 3 + kinds.pdl1
        return _sums(code, self.weight, mask, 60).reshape(5, 4, 3)[:4]


def _sums(code: Counts, weight: Counts, mask: npt.NDArray[np.bool_] | None, least: int) -> Counts:
    if mask is not None:
        code, weight = code[mask], weight[mask]
    return np.bincount(code, weights=weight, minlength=least).astype(np.int64)
