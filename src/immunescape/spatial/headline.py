"""The headline: PD-L1 of the cells that are near a CD8 T cell, beside those that are not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.intervals.plain import log_odds_ratio
from immunescape.results import REGION_NAMES
from immunescape.spatial.induction import NO_P
from immunescape.spatial.kinds import PHENOTYPES
from immunescape.spatial.notes import edge_note, join, unread_note
from immunescape.spatial.rows import Source, fraction_row

__all__ = ["CENTROID_RADII_UM", "headline_rows", "near_cd8"]

CENTROID_RADII_UM = (10, 15, 20, 30)
"""Radii at which the headline is given beside contact, from centroid to centroid."""

_OF = ("tumour", "other")
_CODES = [PHENOTYPES.index(phenotype) for phenotype in _OF]

_Counts = npt.NDArray[np.int64]


def near_cd8(cells: CellTable) -> dict[str, npt.NDArray[np.bool_]]:
    """Whether each cell is near a CD8 T cell, by each definition of near."""
    near = {"contact": cells["touching_cd8"].fillna(False).to_numpy(bool)}
    distance = cells["distance_to_cd8_um"].to_numpy(np.float64)
    for radius in CENTROID_RADII_UM:
        near[f"r{radius}"] = distance <= radius
    return near


def headline_rows(
    source: Source,
    neighbourhoods: Mapping[str, npt.NDArray[np.bool_]],
    p_values: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Rows of the fractions and of the log odds ratio.

    Parameters
    ----------
    source
        The slide.
    neighbourhoods
        Whether each cell is near a CD8 T cell, by definition of near.
    p_values
        Of the log odds ratio by contact, ``(7,)`` by phenotype; NaN where there is none.
    """
    resampling, kinds = source.resampling, source.kinds

    def count(mask: npt.NDArray[np.bool_] | None = None) -> _Counts:
        return resampling.count(kinds, mask)[:, _CODES]

    everything = count()
    near = np.stack([count(mask) for mask in neighbourhoods.values()], axis=1)
    sides = np.stack([near, everything[:, None] - near], axis=2)  # b, near, side, phenotype, code
    edge = np.stack(
        [count(kinds.edge_censored & side) for m in neighbourhoods.values() for side in (m, ~m)],
        axis=1,
    ).reshape(sides.shape)

    rows = len(sides)
    total, known, negative = sides.sum(-1), sides[..., 1:].sum(-1), sides[..., 2]
    fractions = resampling.fractions(
        np.concatenate([negative, total[:, :, :1]], axis=2).reshape(rows, -1),
        np.concatenate([known, total.sum(2, keepdims=True)], axis=2).reshape(rows, -1),
    )
    table = [sides[:, :, side, :, code].reshape(rows, -1) for side in (0, 1) for code in (1, 2)]
    odds = resampling.log_odds(*table)
    counts, censored = resampling.by_region(sides), resampling.by_region(edge)
    for n, name in enumerate(neighbourhoods):
        for p, phenotype in enumerate(_OF):
            for r, region in enumerate(REGION_NAMES):
                p_value, note = np.nan, ""
                if name == "contact" and p_values is not None:
                    p_value = float(p_values[phenotype][r])
                    note = NO_P if np.isnan(p_value) else ""
                group = _Group(
                    source,
                    {"phenotype": phenotype, "region": region, "neighbourhood": name},
                    counts[r, n, :, p],
                    censored[r, n, :, p],
                    tuple(fractions.at(r, (3 * n + i) * 2 + p) for i in range(3)),
                    odds.at(r, 2 * n + p),
                    (p_value, note),
                )
                yield from group.rows()


@dataclass(frozen=True, eq=False)
class _Group:
    """Cells of one phenotype and region by one definition of near.

    ``counts`` and those of edge-censored cells, ``edge``, are ``(near and not, PD-L1 code)``, the
    codes missing, positive, negative.
    """

    source: Source
    key: dict[str, Any]
    counts: _Counts
    edge: _Counts
    fractions: tuple[tuple[float, float, str], ...]
    odds: tuple[float, float, str]
    p_value: tuple[float, str]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the three fractions and the log odds ratio."""
        yield from self._negative()
        yield self._touching()
        yield self._odds()

    @property
    def _small(self) -> str:
        return self.source.small[self.key["region"]]

    @property
    def _no_pdl1(self) -> str:
        lacking = self.source.needs("tumour", "cd8")
        return lacking or self.source.kinds.absent.get((self.key["phenotype"], "positive"), "")

    @property
    def _unproven(self) -> str:
        return self.source.no_control or self.source.unproven("cd8", "pdl1")

    def _negative(self) -> Iterator[dict[str, Any]]:
        source, least, no_pdl1 = self.source, self.source.params.min_cells, self._no_pdl1
        for i, metric in enumerate(
            ("pdl1_negative_fraction_touching_cd8", "pdl1_negative_fraction_not_touching_cd8")
        ):
            known = int(self.counts[i, 1:].sum())
            few = f"{known} cells, {least} needed" if known < least else ""
            stop = join(no_pdl1, self._small)
            if not no_pdl1:
                stop = join(self._small, few, self._unproven)
            edge = edge_note(self.edge[i, 1:].sum(), known)
            yield fraction_row(
                {**self.key, "metric": metric, "statistic": source.statistic},
                None if no_pdl1 else (int(self.counts[i, 2]), known),
                stop,
                join(unread_note(self.counts[i, 0]), edge, source.gate_note()),
                self.fractions[i],
            )

    def _touching(self) -> dict[str, Any]:
        source, least = self.source, self.source.params.min_cells
        lacking = source.needs("tumour", "cd8")
        near, total = int(self.counts[0].sum()), int(self.counts.sum())
        few = f"{total} cells, {least} needed" if total < least else ""
        stop = join(lacking, self._small)
        if not lacking:
            stop = join(self._small, few, source.unproven("cd8"))
        return fraction_row(
            {**self.key, "metric": "touching_cd8_fraction", "statistic": ""},
            None if lacking else (near, total),
            stop,
            join(edge_note(self.edge.sum(), total), source.gate_note(pdl1=False)),
            self.fractions[2],
        )

    def _odds(self) -> dict[str, Any]:
        source, least, no_pdl1 = self.source, self.source.params.min_cells, self._no_pdl1
        groups = [int(side[1:].sum()) for side in self.counts]
        few = ""
        if min(groups) < least:
            few = f"{groups[0]} cells near CD8 and {groups[1]} not, {least} of each needed"
        stop = join(no_pdl1, self._small)
        if not no_pdl1:
            stop = join(self._small, few, self._unproven)
        value = low = high = p_value = np.nan
        method = note = ""
        if not stop:
            value = log_odds_ratio(*(int(c) for side in self.counts for c in side[1:])).value
            low, high, method = self.odds
            p_value, note = self.p_value
        unread, edge = unread_note(self.counts[:, 0].sum()), self.edge[:, 1:].sum()
        return {
            **self.key,
            "metric": "pdl1_induction_log_odds_ratio",
            "statistic": source.statistic,
            "value": value,
            "unit": "log_odds",
            "numerator": np.nan if no_pdl1 else float(groups[0]),
            "denominator": np.nan if no_pdl1 else float(groups[1]),
            "ci_low": low,
            "ci_high": high,
            "ci_method": method,
            "p_value": p_value,
            "evaluable": not stop,
            "reason": stop or join(unread, edge_note(edge, sum(groups)), source.gate_note(), note),
        }
