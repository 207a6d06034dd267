"""Counts and densities by region and by band of distance to the margin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.params import Between, Params
from immunescape.results import BANDS_COLUMNS, REGION_NAMES, REGIONS_COLUMNS, RegionAreas
from immunescape.spatial.intervals import poisson_interval
from immunescape.spatial.kinds import (
    PDL1_MEMBERS,
    PDL1_STATUS,
    PHENOTYPE_MEMBERS,
    PHENOTYPES,
    by_region,
    kinds_of,
)
from immunescape.spatial.notes import edge_note, join, unread_note

__all__ = ["DensityParams", "band_table", "region_reason", "region_table"]


@dataclass(frozen=True, kw_only=True)
class DensityParams(Params):
    """When a region is large enough for a number.

    Parameters
    ----------
    min_area_mm2
        Regions with less tissue than this are not evaluable; their counts are still given.
    """

    min_area_mm2: Annotated[float, Between(0.0, 10.0, step=0.01, unit="mm²")] = 0.02


def region_reason(areas: RegionAreas, region: str, params: DensityParams) -> str:
    """Return why a region cannot be judged on this slide; empty where it can."""
    if reason := areas.not_evaluable.get(region, ""):
        return reason
    area = areas.areas_mm2.get(region, 0.0)
    if not (area > 0 and area >= params.min_area_mm2):
        return f"area of {area:.4g} mm² is under {params.min_area_mm2:g} mm²"
    return ""


def region_table(
    cells: CellTable,
    areas: RegionAreas,
    params: DensityParams = DensityParams(),
    *,
    missing: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Count the cells of each region by phenotype and PD-L1 and divide by its area.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``, ``pdl1_positive`` where PD-L1 was gated, and
        ``edge_censored``. Excluded cells are in no row.
    areas
        Areas of the seven regions, by the mask that decided for the cells.
    params
        Smallest area that gives a density.
    missing
        Reason by marker key, for the markers that the slide lacks.

    Returns
    -------
    DataFrame
        Columns ``REGIONS_COLUMNS``; a row for each of seven regions, five phenotypes (``any``
        first) and three PD-L1 states. ``count`` is missing, never 0, for kinds whose marker is
        missing; cells without a PD-L1 value are in ``any`` only. Where a row is not evaluable
        its density and interval are NaN and ``reason`` says why; elsewhere ``reason`` holds
        notes, among them how many cells are nearer to the frame than to the interface.
    """
    kinds = kinds_of(cells, missing)
    total = _spread(kinds.count())
    edge = _spread(kinds.count(kinds.edge_censored))
    unread = by_region(PHENOTYPE_MEMBERS @ kinds.count()[:, 0, :])
    rows = []
    for r, region in enumerate(REGION_NAMES):
        area = float(areas.areas_mm2.get(region, np.nan))
        small = region_reason(areas, region, params)
        for p, phenotype in enumerate(("any", *PHENOTYPES)):
            for s, pdl1 in enumerate(PDL1_STATUS):
                no_count = (phenotype, pdl1) in kinds.absent
                why = kinds.why_not(phenotype, pdl1) or small
                notes = why
                if not why:
                    note = edge_note(edge[p, s, r], total[p, s, r])
                    notes = join(note, unread_note(unread[p, r] if s else 0))
                count = pd.NA if no_count else int(total[p, s, r])
                rows.append((region, phenotype, pdl1, count, area, not why, notes))
    table = pd.DataFrame(
        rows, columns=["region", "phenotype", "pdl1", "count", "area_mm2", "evaluable", "reason"]
    )
    return _with_density(table, table["evaluable"].to_numpy(bool))[list(REGIONS_COLUMNS)]


def band_table(
    cells: CellTable, areas: RegionAreas, *, missing: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Count the cells of each band of distance to the margin and divide by its area.

    Parameters
    ----------
    cells
        Table with ``phenotype``, ``region``, ``distance_to_margin_um``, ``edge_censored``, and
        ``pdl1_positive`` where PD-L1 was gated. Excluded cells, edge-censored cells and cells
        without a distance are left out, as their area is.
    areas
        Holds the bands, ``from_um <= distance < to_um``, and their areas.
    missing
        Reason by marker key, for the markers that the slide lacks.

    Returns
    -------
    DataFrame
        Columns ``BANDS_COLUMNS``, bands in their order within each phenotype and PD-L1 state; no
        rows where the tumour has no interface. A band without area has no density, nor have
        cells of a kind that a missing marker leaves in doubt; their counts are given.
    """
    kinds = kinds_of(cells, missing)
    bands = areas.bands.sort_values("from_um")
    n = len(bands)
    start = bands["from_um"].to_numpy(np.float64)
    stop = bands["to_um"].to_numpy(np.float64)
    distance = np.full(len(cells), np.nan)
    if n:
        distance = cells["distance_to_margin_um"].to_numpy(np.float64, na_value=np.nan)
    keep = np.isfinite(distance) & ~kinds.edge_censored & (kinds.region < 4)
    band = np.searchsorted(start, np.where(keep, distance, 0.0), side="right") - 1
    keep &= band >= 0
    if n:
        keep &= distance < stop[np.clip(band, 0, None)]
    code = ((kinds.phenotype * 3 + kinds.pdl1) * max(n, 1) + band)[keep]
    counts = np.bincount(code, minlength=12 * max(n, 1)).reshape(4, 3, -1)[:, :, :n]
    total = np.einsum("pa,sb,abr->psr", PHENOTYPE_MEMBERS, PDL1_MEMBERS, counts)
    rows = []
    certain = []
    for p, phenotype in enumerate(("any", *PHENOTYPES)):
        for s, pdl1 in enumerate(PDL1_STATUS):
            no_count = (phenotype, pdl1) in kinds.absent
            certain += [not kinds.why_not(phenotype, pdl1)] * n
            for b, area in enumerate(bands["area_mm2"].to_numpy(np.float64)):
                count = pd.NA if no_count else int(total[p, s, b])
                rows.append((phenotype, pdl1, start[b], stop[b], count, area))
    table = pd.DataFrame(
        rows, columns=["phenotype", "pdl1", "from_um", "to_um", "count", "area_mm2"]
    )
    evaluable = (table["area_mm2"] > 0).to_numpy(bool) & np.array(certain, bool)
    return _with_density(table, evaluable)[list(BANDS_COLUMNS)]


def _spread(counts: np.ndarray) -> np.ndarray:
    """Sum counts by code to ``(5 phenotypes, 3 PD-L1 states, 7 regions)``."""
    return by_region(np.einsum("pa,sb,abr->psr", PHENOTYPE_MEMBERS, PDL1_MEMBERS, counts))


def _with_density(table: pd.DataFrame, evaluable: np.ndarray) -> pd.DataFrame:
    """Add density, its Garwood interval and the method; NaN and empty where not evaluable."""
    table["count"] = table["count"].astype("Int64")
    count = table["count"].to_numpy(np.float64, na_value=np.nan)
    use = evaluable & np.isfinite(count)
    area = np.where(use, table["area_mm2"].to_numpy(np.float64), np.nan)
    low, high = poisson_interval(np.where(use, count, np.nan))
    return table.assign(
        density_per_mm2=count / area,
        ci_low=low / area,
        ci_high=high / area,
        ci_method=np.where(use, "poisson", ""),
    )
