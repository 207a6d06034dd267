"""What each proposed exclusion would cost, and its outline for a person to edit."""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from immunescape.cells import CellTable
from immunescape.io.masks import polygons_from_mask
from immunescape.regions import Regions
from immunescape.results import QUALITY_COLUMNS, REGION_NAMES

__all__ = ["PROPOSED", "proposal_regions", "quality_table"]

PROPOSED = "Proposed exclusion: "
"""Class names of proposals in QuPath begin like this."""

_SUMS = {
    "margin": ("inner_margin", "outer_margin"),
    "tumour": ("centre", "inner_margin"),
    "tissue": REGION_NAMES[:4],
}
_NOTES = {
    "saturated": "the brightest cells lie here: leaving them out lowers every positive share",
    "pigmented_cells": "cells bright in every marker, wherever they lie",
    "all": "all of the places together",
}


def quality_table(
    proposals: Mapping[str, npt.NDArray[np.bool_]],
    region_codes: npt.NDArray[np.integer],
    grid_um: float,
    frame_um: tuple[float, float],
    cells: CellTable,
    *,
    pigmented: npt.NDArray[np.bool_] | None = None,
    applied: Collection[str] = (),
) -> pd.DataFrame:
    """Count what each proposal would remove, or removed, by region.

    Parameters
    ----------
    proposals
        ``(y, x)`` bool masks on the working grid, from `assess_quality`.
    region_codes
        ``(y, x)`` integers on the same grid: 0 to 3 for the first four of ``REGION_NAMES``,
        -1 where nothing is counted. As they are before any proposal is left out.
    grid_um
        Edge of a grid cell in µm.
    frame_um
        Width and height of the slide: the last row and column of the grid end there.
    cells
        With ``region`` (before any proposal is left out) and ``phenotype``. A cell belongs to a
        proposal if its centroid lies in one of its grid cells.
    pigmented
        From `pigmented_cells`: a further issue ``pigmented_cells``, which has no area of its own
        and is never left out by itself.
    applied
        Issues that were left out of the result.

    Returns
    -------
    pandas.DataFrame
        ``QUALITY_COLUMNS``; seven rows an issue. Where several places are proposed, ``all`` counts
        every cell and place in any of them once. No rows without a proposal.
    """
    rows, columns = region_codes.shape
    area = np.outer(_lengths(rows, grid_um, frame_um[1]), _lengths(columns, grid_um, frame_um[0]))
    xy = np.floor(cells.points_um / grid_um).astype(np.intp)
    at = np.clip(xy[:, 1], 0, rows - 1), np.clip(xy[:, 0], 0, columns - 1)
    issues = {name: (mask[at], mask) for name, mask in proposals.items()}
    if len(issues) > 1:
        found = list(issues.values())
        every, everywhere = (np.logical_or.reduce([f[k] for f in found]) for k in (0, 1))
        issues["all"] = (every, everywhere)
    if pigmented is not None and pigmented.any():
        nowhere = np.zeros(region_codes.shape, bool)
        issues["pigmented_cells"] = (np.asarray(pigmented, bool), nowhere)
    left_out = {*applied, *(["all"] if set(proposals) <= set(applied) else [])}
    region = cells["region"].to_numpy(object)
    phenotype = cells["phenotype"].to_numpy(object)
    table = []
    for issue, (hit, mask) in issues.items():
        inside = mask & (region_codes >= 0)
        um2 = np.bincount(region_codes[inside], area[inside], 4)
        for name in REGION_NAMES:
            parts = _SUMS.get(name, (name,))
            here = hit & np.isin(region, parts)
            mm2 = sum(float(um2[REGION_NAMES.index(p)]) for p in parts) / 1e6
            table.append(
                {
                    "issue": issue,
                    "region": name,
                    "cells": int(here.sum()),
                    "tumour_cells": int((here & (phenotype == "tumour")).sum()),
                    "cd8_cells": int((here & (phenotype == "cd8_t")).sum()),
                    "area_mm2": mm2,
                    "applied": issue in left_out,
                    "note": _NOTES.get(issue, ""),
                }
            )
    return pd.DataFrame(table, columns=list(QUALITY_COLUMNS))


def proposal_regions(
    proposals: Mapping[str, npt.NDArray[np.bool_]],
    grid_um: float,
    frame_um: tuple[float, float],
) -> Regions:
    """Return the outline of each proposal, cut at the frame.

    Parameters
    ----------
    proposals
        ``(y, x)`` bool masks on the working grid.
    grid_um
        Edge of a grid cell in µm.
    frame_um
        Width and height of the slide.

    Returns
    -------
    Regions
        Names such as ``Proposed exclusion: fold``. A person who agrees with one changes its class
        to ``Ignore*`` in QuPath and hands it back as an annotation.
    """
    frame = shapely.box(0, 0, *frame_um)
    outlines = {name: polygons_from_mask(mask, grid_um) for name, mask in proposals.items()}
    return Regions(
        {f"{PROPOSED}{name}": shapely.intersection(o, frame) for name, o in outlines.items()}
    )


def _lengths(number: int, grid_um: float, total_um: float) -> npt.NDArray[np.float64]:
    lengths = np.full(number, grid_um)
    lengths[-1] = total_um - (number - 1) * grid_um
    return lengths
