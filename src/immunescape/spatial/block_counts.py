"""Counts of a slide by block and region: what other slides of the same specimen are summed with."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.intervals import find_blocks
from immunescape.results import BLOCKS_COLUMNS, PHENOTYPES, REGION_NAMES, RegionAreas, empty_table
from immunescape.spatial.kinds import kinds_of

__all__ = ["block_counts"]

_SIDES = ("touching", "apart")
_PDL1 = ("missing", "positive", "negative")
_BY_CONTACT = ("tumour", "other")


def block_counts(
    cells: CellTable, areas: RegionAreas, *, missing: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Count the cells of each block by region, phenotype, contact and PD-L1.

    Parameters
    ----------
    cells
        Table with ``phenotype``, ``region`` and what `add_contact_columns` adds;
        ``pdl1_positive`` where PD-L1 was gated. Excluded cells are in no row.
    areas
        ``by_block`` holds the area of each block by region.
    missing
        Reason by marker key, for the markers that the slide lacks.

    Returns
    -------
    DataFrame
        Columns ``BLOCKS_COLUMNS``, blocks in the order of their rows and columns, only those
        that hold tissue or a cell; no rows where blocks are not known. A count is missing, never
        0, where a marker that it needs is; whether a cell touches a CD8 T cell needs CD8.
    """
    kinds = kinds_of(cells, missing)
    if not len(areas.by_block):
        return empty_table(BLOCKS_COLUMNS)
    blocks = find_blocks(cells.points_um, kinds.region, areas.by_block)
    apart = ~cells["touching_cd8"].fillna(False).to_numpy(bool)
    code = (apart * 4 + kinds.phenotype) * 3 + kinds.pdl1
    counts = blocks.count(code, 24).reshape(len(blocks), 2, 4, 3)
    columns: dict[str, object] = {
        "row": blocks.row,
        "column": blocks.column,
        "region": np.array(REGION_NAMES[:4], object)[blocks.region],
        "area_mm2": blocks.area_mm2,
    }
    no_cd8 = ("cd8_t", "any") in kinds.absent
    for name in ("cd8_t", "unknown"):
        here = counts[:, :, PHENOTYPES.index(name)].sum((1, 2))
        lost = (name, "any") in kinds.absent
        columns[name] = pd.array([pd.NA] * len(blocks) if lost else here, dtype="Int64")
    for name in _BY_CONTACT:
        for s, side in enumerate(_SIDES):
            for p, status in enumerate(_PDL1):
                lost = no_cd8 or (name, status if p else "any") in kinds.absent
                here = counts[:, s, PHENOTYPES.index(name), p]
                column = pd.array([pd.NA] * len(blocks) if lost else here, dtype="Int64")
                columns[f"{name}_{side}_{status}"] = column
    return pd.DataFrame(columns)[list(BLOCKS_COLUMNS)]
