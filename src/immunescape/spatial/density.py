"""Counts and densities by region and by band of distance to the margin."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.intervals.bootstrap import Blocks
from immunescape.params import Between, Params
from immunescape.results import BANDS_COLUMNS, REGION_NAMES, REGIONS_COLUMNS, RegionAreas
from immunescape.spatial.kinds import (
    PDL1_MEMBERS,
    PDL1_STATUS,
    PHENOTYPE_MEMBERS,
    PHENOTYPES,
    Kinds,
    by_region,
    kinds_of,
)
from immunescape.spatial.notes import edge_note, join, unread_note
from immunescape.spatial.uncertainty import Resampling, density_bounds, resampling_of, subset

__all__ = [
    "DensityParams",
    "band_of",
    "band_table",
    "region_counts",
    "region_reason",
    "region_table",
]

_KINDS = tuple((phenotype, pdl1) for phenotype in ("any", *PHENOTYPES) for pdl1 in PDL1_STATUS)
_MEMBERS = np.kron(PHENOTYPE_MEMBERS, PDL1_MEMBERS)
"""Rows the fifteen kinds of the tables, columns the twelve codes phenotype x PD-L1 they hold."""
_MAYBE_CD8 = "other cells include the CD8 T cells if the CD8 stain failed"


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
    unproven: Mapping[str, str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Count the cells of each region by phenotype and PD-L1 and divide by its area.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``, ``pdl1_positive`` where PD-L1 was gated, and
        ``edge_censored``. Excluded cells are in no row.
    areas
        Areas of the seven regions, by the mask that decided for the cells, and of their blocks.
    params
        Smallest area that gives a density.
    missing
        Reason by marker key, for the markers that the slide lacks.
    unproven
        Reason by marker key for stains that may have failed; of `unproven_stains`.
    seed
        Of the resampling of blocks; the same seed gives the same table.

    Returns
    -------
    DataFrame
        Columns ``REGIONS_COLUMNS``; a row for each of seven regions, five phenotypes (``any``
        first) and three PD-L1 states. ``count`` is missing, never 0, for kinds whose marker is
        missing; cells without a PD-L1 value are in ``any`` only. Where a row is not evaluable
        its density and interval are NaN and ``reason`` says why; elsewhere ``reason`` holds
        notes, among them how many cells are nearer to the frame than to the interface.
        ``ci_method`` is ``block_bootstrap`` where at least 20 blocks hold tissue of the region,
        ``garwood`` elsewhere and for a count of 0.
    """
    kinds = kinds_of(cells, missing, unproven)
    return region_counts(kinds, areas, params, resampling_of(cells, kinds, areas, seed))


def region_counts(
    kinds: Kinds, areas: RegionAreas, params: DensityParams, resampling: Resampling
) -> pd.DataFrame:
    """Return the table of `region_table` from the kinds of the cells."""
    counts = _of_kinds(resampling.count(kinds))
    total = resampling.by_region(counts)
    edge = resampling.by_region(_of_kinds(resampling.count(kinds, kinds.edge_censored)))
    unread = by_region(PHENOTYPE_MEMBERS @ kinds.count()[:, 0, :])
    bounds = resampling.densities(counts)
    rows: list[tuple[Any, ...]] = []
    for r, region in enumerate(REGION_NAMES):
        area = float(areas.areas_mm2.get(region, np.nan))
        small = region_reason(areas, region, params)
        for k, (phenotype, pdl1) in enumerate(_KINDS):
            why = kinds.why_not(phenotype, pdl1) or small
            count = pd.NA if (phenotype, pdl1) in kinds.absent else int(total[r, k])
            key = (region, phenotype, pdl1, count, area)
            if why:
                rows.append((*key, np.nan, np.nan, np.nan, "", False, why))
                continue
            note = join(
                edge_note(edge[r, k], total[r, k]),
                unread_note(unread[k // 3, r] if pdl1 != "any" else 0),
                _MAYBE_CD8 if phenotype == "other" and "cd8" in kinds.unproven else "",
            )
            rows.append((*key, total[r, k] / area, *bounds.at(r, k), True, note))
    return pd.DataFrame(rows, columns=list(REGIONS_COLUMNS)).astype({"count": "Int64"})


def band_table(
    cells: CellTable,
    areas: RegionAreas,
    *,
    missing: Mapping[str, str] | None = None,
    unproven: Mapping[str, str] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Count the cells of each band of distance to the margin and divide by its area.

    Parameters
    ----------
    cells
        Table with ``phenotype``, ``region``, ``distance_to_margin_um``, ``edge_censored``, and
        ``pdl1_positive`` where PD-L1 was gated. Excluded cells, edge-censored cells and cells
        without a distance are left out, as their area is.
    areas
        Holds the bands, ``from_um <= distance < to_um``, and their areas, also by block.
    missing
        Reason by marker key, for the markers that the slide lacks.
    unproven
        Reason by marker key for stains that may have failed; of `unproven_stains`.
    seed
        Of the resampling of blocks; the same seed gives the same table.

    Returns
    -------
    DataFrame
        Columns ``BANDS_COLUMNS``, bands in their order within each phenotype and PD-L1 state; no
        rows where the tumour has no interface. A band without area has no density, nor have
        cells of a kind that a missing marker or a stain that may have failed leaves in doubt;
        their counts are given. ``ci_method`` is as in `region_table`.
    """
    kinds = kinds_of(cells, missing, unproven)
    bands = areas.bands.sort_values("from_um")
    n = len(bands)
    start = bands["from_um"].to_numpy(np.float64)
    stop = bands["to_um"].to_numpy(np.float64)
    whole = bands["area_mm2"].to_numpy(np.float64)
    blocks = resampling_of(cells, kinds, areas, seed).blocks
    counts, block_areas = _by_band(cells, kinds, blocks, areas, start)
    total = counts.sum(0)
    bounds = []
    for b in range(n):
        some = (block_areas[:, b] > 0) | counts[:, :, b].any(1)
        area = np.repeat(block_areas[some, b, None], len(_KINDS), axis=1)
        bounds.append(density_bounds(subset(blocks, some), counts[some, :, b], area, seed))
    rows: list[tuple[Any, ...]] = []
    for k, (phenotype, pdl1) in enumerate(_KINDS):
        certain = not kinds.why_not(phenotype, pdl1)
        absent = (phenotype, pdl1) in kinds.absent
        for b in range(n):
            ends: tuple[Any, ...] = (np.nan, np.nan, np.nan, "")
            if certain and whole[b] > 0:
                ends = (total[k, b] / whole[b], *bounds[b].at(k))
            count = pd.NA if absent else int(total[k, b])
            rows.append((phenotype, pdl1, start[b], stop[b], count, whole[b], *ends))
    return pd.DataFrame(rows, columns=list(BANDS_COLUMNS)).astype({"count": "Int64"})


def _of_kinds(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Sum ``(b, 4 phenotypes, 3 PD-L1 codes)`` to ``(b, 15 kinds)``."""
    return counts.reshape(len(counts), 12) @ _MEMBERS.T


def _by_band(
    cells: CellTable,
    kinds: Kinds,
    blocks: Blocks,
    areas: RegionAreas,
    start: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return cells as ``(b, 15 kinds, bands)`` and areas as ``(b, bands)``.

    Where blocks are not known, the whole area of each band stands in the first row.
    """
    n = len(start)
    if not n:
        return np.zeros((len(blocks), len(_KINDS), 0), np.int64), np.zeros((len(blocks), 0))
    band = band_of(cells, areas)
    band[kinds.edge_censored | (kinds.region > 3)] = -1
    code = np.where(band >= 0, (kinds.phenotype * 3 + kinds.pdl1) * n + band, -1)
    counts = blocks.count(code, 12 * n).reshape(len(blocks), 12, n)

    rows = areas.by_block
    block_areas = np.zeros((len(blocks), n))
    if not len(rows):
        block_areas[0] = areas.bands.sort_values("from_um")["area_mm2"].to_numpy(np.float64)
    else:
        begin = rows["from_um"].to_numpy(np.float64)
        # Where a band starts is the same number in both tables, up to rounding.
        which = np.searchsorted(start, begin + 1e-6, side="right") - 1
        inside = np.isfinite(begin) & (which >= 0)
        area = rows["area_mm2"].to_numpy(np.float64)
        np.add.at(block_areas, (blocks.of_areas[inside], which[inside]), area[inside])
    return np.einsum("kc,bcr->bkr", _MEMBERS, counts), block_areas


def band_of(cells: CellTable, areas: RegionAreas) -> npt.NDArray[np.int64]:
    """Return the band of each cell, by its distance alone; -1 for none."""
    bands = areas.bands.sort_values("from_um")
    if not len(bands):
        return np.full(len(cells), -1, np.int64)
    start, stop = (bands[c].to_numpy(np.float64) for c in ("from_um", "to_um"))
    distance = cells["distance_to_margin_um"].to_numpy(np.float64, na_value=np.nan)
    known = np.isfinite(distance)
    band = np.searchsorted(start, np.where(known, distance, 0.0), side="right") - 1
    known &= (band >= 0) & (distance < stop[np.clip(band, 0, None)])
    return np.where(known, band, -1).astype(np.int64)
