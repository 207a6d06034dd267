"""What is proposed for exclusion, as a table and as shapes."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunescape.quality import pigmented_cells, proposal_regions, quality_table
from immunescape.results import QUALITY_COLUMNS, REGION_NAMES, empty_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shapely.geometry.base import BaseGeometry

    from immunescape.cells import CellTable
    from immunescape.margin import MarginMap
    from immunescape.pipeline.measured import Measured

__all__ = ["proposal_shapes", "proposals_table"]


def proposals_table(measured: "Measured", kept: "MarginMap", cells: "CellTable") -> pd.DataFrame:
    """Return what each proposal would remove, or removed, by region.

    Parameters
    ----------
    measured
        Holds the proposals on the working grid.
    kept
        Regions of the slide with no proposal left out.
    cells
        Called cells.

    Returns
    -------
    pandas.DataFrame
        Columns ``QUALITY_COLUMNS``; without rows where nothing is proposed.
    """
    pigmented = pigmented_cells(measured.cells, measured.panel)
    masks = {name: proposal.mask for name, proposal in measured.proposals.items()}
    if not masks and not pigmented.any():
        return empty_table(QUALITY_COLUMNS)
    tissue = measured.tissue
    codes = np.full(tissue.mask.shape, -1, np.int8)
    places = kept.locate(cells.points_um).set_axis(cells.frame.index)
    if masks:
        # only where something is proposed is a region asked for
        rows, columns = np.nonzero(np.logical_or.reduce(list(masks.values())))
        points = np.column_stack([tissue.x_um[columns], tissue.y_um[rows]])
        code = {name: number for number, name in enumerate(REGION_NAMES[:4])}
        found = kept.locate(points)["region"].map(code).fillna(-1)
        codes[rows, columns] = found.to_numpy(np.int8)
    return quality_table(
        masks,
        codes,
        tissue.grid_um,
        tissue.frame_um,
        cells.with_columns(places),
        pigmented=pigmented,
        applied=tuple(masks) if measured.exclude_proposed else (),
    )


def proposal_shapes(measured: "Measured") -> "Mapping[str, BaseGeometry]":
    """Return the outlines of the proposals, under names that QuPath shows as classes."""
    masks = {name: proposal.mask for name, proposal in measured.proposals.items()}
    return proposal_regions(masks, measured.tissue.grid_um, measured.tissue.frame_um).shapes
