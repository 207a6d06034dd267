"""The headline: PD-L1 of the cells that are near a CD8 T cell, beside those that are not."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.results import REGION_NAMES
from immunescape.spatial.intervals import log_odds_ratio
from immunescape.spatial.kinds import PHENOTYPES, Kinds, by_region
from immunescape.spatial.notes import edge_note, join, unread_note
from immunescape.spatial.rows import Source, SummaryParams, fraction_row

__all__ = ["CENTROID_RADII_UM", "headline_rows", "near_cd8", "no_control"]

CENTROID_RADII_UM = (10, 15, 20, 30)
"""Radii at which the headline is given beside contact, from centroid to centroid."""

_NO_P = "p value by permutation is not part of this version"


def near_cd8(cells: CellTable) -> dict[str, npt.NDArray[np.bool_]]:
    """Whether each cell is near a CD8 T cell, by each definition of near."""
    near = {"contact": cells["touching_cd8"].fillna(False).to_numpy(bool)}
    distance = cells["distance_to_cd8_um"].to_numpy(np.float64)
    for radius in CENTROID_RADII_UM:
        near[f"r{radius}"] = distance <= radius
    return near


def no_control(kinds: Kinds, params: SummaryParams) -> str:
    """Return why the slide itself does not show that its stains worked; excluded cells are out."""
    inside = kinds.count()[:, :, :4].sum(2)
    pdl1 = int(inside[PHENOTYPES.index("cd8_t"), 1] + inside[PHENOTYPES.index("other"), 1])
    cd8 = int(inside[PHENOTYPES.index("cd8_t")].sum())
    if min(pdl1, cd8) >= params.min_control_cells:
        return ""
    return (
        "stain failure cannot be told from biology: "
        f"{pdl1} PD-L1-positive cells other than tumour and {cd8} CD8 T cells on the slide, "
        f"{params.min_control_cells} of each needed"
    )


def headline_rows(
    source: Source, neighbourhoods: Mapping[str, npt.NDArray[np.bool_]]
) -> Iterator[dict[str, Any]]:
    """Rows of the fractions and of the log odds ratio."""
    kinds = source.kinds
    for near_name, near in neighbourhoods.items():
        touching, apart = by_region(kinds.count(near)), by_region(kinds.count(~near))
        censored = [by_region(kinds.count(side & kinds.edge_censored)) for side in (near, ~near)]
        for phenotype in ("tumour", "other"):
            p = PHENOTYPES.index(phenotype)
            for r, region in enumerate(REGION_NAMES):
                key = {"phenotype": phenotype, "region": region, "neighbourhood": near_name}
                yield from _region_rows(
                    source, key, touching[p, :, r], apart[p, :, r],
                    censored[0][p, :, r], censored[1][p, :, r],
                )  # fmt: skip


def _region_rows(
    source: Source, key: dict[str, Any], near: Any, apart: Any, near_edge: Any, apart_edge: Any
) -> Iterator[dict[str, Any]]:
    """Four rows of one phenotype, region and neighbourhood.

    Counts are by PD-L1 code: missing, positive, negative.
    """
    least = source.params.min_cells
    small = source.small[key["region"]]
    lacking = source.needs("tumour", "cd8")
    no_pdl1 = lacking or source.kinds.absent.get((key["phenotype"], "positive"), "")
    gates = source.gate_note()

    for metric, counts, edge in (
        ("pdl1_negative_fraction_touching_cd8", near, near_edge),
        ("pdl1_negative_fraction_not_touching_cd8", apart, apart_edge),
    ):
        known = int(counts[1:].sum())
        few = f"{known} cells, {least} needed" if known < least else ""
        stop = join(no_pdl1, small) if no_pdl1 else join(small, few, source.no_control)
        yield fraction_row(
            {**key, "metric": metric, "statistic": source.statistic},
            None if no_pdl1 else (int(counts[2]), known),
            stop,
            join(unread_note(counts[0]), edge_note(edge[1:].sum(), known), gates),
        )

    total = int(near.sum() + apart.sum())
    few = f"{total} cells, {least} needed" if total < least else ""
    yield fraction_row(
        {**key, "metric": "touching_cd8_fraction", "statistic": ""},
        None if lacking else (int(near.sum()), total),
        join(lacking, small) if lacking else join(small, few),
        join(edge_note(near_edge.sum() + apart_edge.sum(), total), source.gate_note(pdl1=False)),
    )

    groups = int(near[1:].sum()), int(apart[1:].sum())
    few = ""
    if min(groups) < least:
        few = f"{groups[0]} cells near CD8 and {groups[1]} not, {least} of each needed"
    stop = join(no_pdl1, small) if no_pdl1 else join(small, few, source.no_control)
    odds = (np.nan, np.nan, np.nan)
    if not stop:
        odds = log_odds_ratio(int(near[1]), int(near[2]), int(apart[1]), int(apart[2]))
    edge = near_edge[1:].sum() + apart_edge[1:].sum()
    note = join(unread_note(near[0] + apart[0]), edge_note(edge, sum(groups)), gates, _NO_P)
    yield {
        **key,
        "metric": "pdl1_induction_log_odds_ratio",
        "statistic": source.statistic,
        "value": odds[0],
        "unit": "log_odds",
        "numerator": np.nan if no_pdl1 else float(groups[0]),
        "denominator": np.nan if no_pdl1 else float(groups[1]),
        "ci_low": odds[1],
        "ci_high": odds[2],
        "ci_method": "" if stop else "woolf",
        "evaluable": not stop,
        "reason": stop or note,
    }
