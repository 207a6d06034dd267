"""The same slide judged otherwise: point values alone, at a fraction of the summary's cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import REGION_NAMES, RegionAreas
from immunescape.spatial.cd8 import cd8_rows
from immunescape.spatial.density import DensityParams, region_counts, region_reason
from immunescape.spatial.headline import headline_rows
from immunescape.spatial.kinds import kinds_of, missing_reason
from immunescape.spatial.rows import Source, SummaryParams
from immunescape.spatial.scores import score_rows
from immunescape.spatial.stains import no_control, unproven_of
from immunescape.spatial.touching import pair_rows, touched_by
from immunescape.spatial.uncertainty import resampling_of

__all__ = ["GATED_METRICS", "Alternative", "Judge", "Setting"]

GATED_METRICS = {
    "pdl1": (
        "pdl1_negative_fraction_touching_cd8",
        "pdl1_negative_fraction_not_touching_cd8",
        "pdl1_induction_log_odds_ratio",
        "tumour_proportion_score",
        "combined_positive_score",
        "pdl1_all_cells_score",
    ),
    "cd8": ("touching_cd8_fraction", "cd8_density", "cd8_margin_to_centre_ratio"),
}
"""Metrics by the marker whose gate is moved to both ends of its range."""


@dataclass(frozen=True, eq=False)
class Alternative:
    """The same slide judged otherwise; what is None is as in the main result.

    Parameters
    ----------
    kind
        What is varied: ``statistic, gate, growth, phenotype, quality, bandwidth, ...``.
    variant
        Which way: ``membrane_mean``, ``pdl1_low``, ``1``, ``sox10_alone``, ...
    cells
        Cells with other calls, regions or outlines; any labels of their own.
    pairs
        Contacts among them, a row a pair: ``label_a``, ``label_b``.
    areas
        Areas of other regions.
    missing
        Reason by marker key, for the markers that the slide then lacks.
    reason
        Why the slide cannot be judged so; nothing else is then looked at.
    """

    kind: str
    variant: str
    cells: CellTable | None
    pairs: pd.DataFrame | None
    areas: RegionAreas | None = None
    missing: Mapping[str, str] | None = None
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Setting:
    """What holds for a slide however its cells are judged."""

    params: SummaryParams
    density: DensityParams
    control_cells: Mapping[str, int]
    control_slide: bool

    def source(
        self,
        cells: CellTable,
        areas: RegionAreas,
        missing: Mapping[str, str],
        *,
        seed: int | None,
        gates: Sequence[str] = (),
        statistic: str = "",
    ) -> Source:
        """Return what every row looks at."""
        kinds = kinds_of(cells, missing)
        doubt = ""
        if not self.control_slide:
            doubt = no_control(kinds, self.params, self.control_cells)
            unproven = unproven_of(kinds, self.params, missing, self.control_cells)
            kinds = replace(kinds, unproven=unproven)
        return Source(
            kinds=kinds,
            areas=areas,
            params=self.params,
            small={r: region_reason(areas, r, self.density) for r in REGION_NAMES},
            missing=missing,
            gates=tuple(gates),
            statistic=statistic,
            no_control=doubt,
            resampling=resampling_of(cells, kinds, areas, seed),
        )


@dataclass(frozen=True, eq=False)
class Judge:
    """Judges alternatives of one slide, and keeps what they have in common.

    Parameters
    ----------
    cells, pairs, areas, missing
        The main result's.
    setting
        What holds for all of them.
    """

    cells: CellTable
    pairs: pd.DataFrame
    areas: RegionAreas
    missing: Mapping[str, str]
    setting: Setting
    _known: list[Any] = field(default_factory=list, init=False)

    def ends(self) -> tuple[Any, Any]:
        """Return the positions of both cells of each contact of the main result."""
        if not self._known:
            self._known.append(pair_rows(self.cells, self.pairs))
        known: tuple[Any, Any] = self._known[0]
        return known

    def rows(self, alternative: Alternative) -> pd.DataFrame:
        """Return the metrics of the slide so judged, without intervals, of contact alone.

        Rows are those of `summarise`, of the fractions, the log odds ratio, the CD8 metrics and
        the scores; the notes of evaluable rows are left out.
        """
        cells = self.cells if alternative.cells is None else alternative.cells
        areas = self.areas if alternative.areas is None else alternative.areas
        missing = self.missing if alternative.missing is None else alternative.missing
        pairs = self.pairs if alternative.pairs is None else alternative.pairs
        source = self.setting.source(cells, areas, missing, seed=None)
        near = self._touching(cells, pairs, missing)
        regions = region_counts(source.kinds, areas, self.setting.density, source.resampling)
        found = pd.DataFrame(
            [
                *headline_rows(source, {"contact": near}),
                *cd8_rows(source, regions),
                *score_rows(source, cells),
            ]
        )
        if alternative.reason:
            lost = {"value": np.nan, "numerator": np.nan, "denominator": np.nan}
            return found.assign(**lost, evaluable=False, reason=alternative.reason)
        return found.assign(reason=found["reason"].where(~found["evaluable"].astype(bool), ""))

    def _touching(
        self, cells: CellTable, pairs: pd.DataFrame, missing: Mapping[str, str]
    ) -> npt.NDArray[np.bool_]:
        """Whether each cell touches a CD8 T cell."""
        if missing_reason(missing, "cd8"):
            return np.zeros(len(cells), bool)
        if pairs is self.pairs and cells.frame.index.equals(self.cells.frame.index):
            ends = self.ends()
        else:
            ends = pair_rows(cells, pairs)
        cd8 = (cells["phenotype"] == "cd8_t").to_numpy(bool, na_value=False)
        return touched_by(ends, cd8) > 0
