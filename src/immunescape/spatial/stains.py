"""Whether the slide itself shows that its stains worked; a failed stain looks like escape."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.spatial.kinds import PHENOTYPES, Kinds, kinds_of
from immunescape.spatial.rows import SummaryParams

__all__ = ["control_positives", "no_control", "unproven_of", "unproven_stains"]

_CD8 = PHENOTYPES.index("cd8_t")
_OTHER = PHENOTYPES.index("other")


def unproven_stains(
    cells: CellTable,
    params: SummaryParams = SummaryParams(),
    *,
    missing: Mapping[str, str] | None = None,
    control_cells: Mapping[str, int] | None = None,
    control_slide: bool = False,
) -> dict[str, str]:
    """Return the stains of which nothing shows that they worked.

    A gate that comes from other slides, from a file or from the study calls a slide negative whose
    stain failed. Its CD8 T cells must not then be read as a desert, nor its cells as negative for
    PD-L1. A gate found on the slide itself always has cells above it.

    Parameters
    ----------
    cells
        Table with ``phenotype`` and ``region``, and ``pdl1_positive`` where PD-L1 was gated.
        Cells left out of the regions show nothing.
    params
        ``min_stain_cells`` is how many positive cells show that a stain worked.
    missing
        Reason by marker key, for the markers that the slide lacks; they are not listed again.
    control_cells
        Positive cells by marker key in tissue drawn as control.
    control_slide
        Whether a control slide of the same batch vouches for the stains: then none is listed.

    Returns
    -------
    dict
        Reason by marker key, of ``cd8`` and ``pdl1``.

    Examples
    --------
    >>> import pandas as pd
    >>> from immunescape.cells import CellTable
    >>> frame = pd.DataFrame(
    ...     {"x_um": [0.0], "y_um": [0.0], "phenotype": ["cd8_t"], "region": ["centre"]},
    ...     index=pd.Index([1], name="label"),
    ... )
    >>> unproven_stains(CellTable(frame), missing={"pdl1": "no such channel"})["cd8"]
    '1 CD8 T cells on this slide do not show that the stain worked'
    """
    if control_slide:
        return {}
    return unproven_of(kinds_of(cells, missing), params, missing or {}, control_cells or {})


def unproven_of(
    kinds: Kinds,
    params: SummaryParams,
    missing: Mapping[str, str],
    control: Mapping[str, int],
) -> dict[str, str]:
    """Return what `unproven_stains` does where no control slide vouches."""
    inside = kinds.count()[:, :, :4].sum(2)
    found = {}
    for marker, name, count in (
        ("cd8", "CD8 T cells", inside[_CD8].sum()),
        ("pdl1", "PD-L1-positive cells", inside[:, 1].sum()),
    ):
        seen = int(count) + int(control.get(marker, 0))
        if marker not in missing and seen < params.min_stain_cells:
            found[marker] = f"{seen} {name} on this slide do not show that the stain worked"
    if "pdl1" in found:
        found["pdl1"] += ": stain failure cannot be told from biology"
    return found


def control_positives(cells: CellTable, inside: npt.NDArray[np.bool_]) -> dict[str, int]:
    """Count the cells in tissue drawn as control that show that a stain worked.

    Parameters
    ----------
    cells
        Called cells: ``phenotype``, and ``pdl1_positive`` where PD-L1 was gated.
    inside
        Whether each cell lies in the control tissue, ``(n,)``.

    Returns
    -------
    dict
        ``cd8``: CD8 T cells; ``pdl1``: PD-L1-positive cells that are not tumour cells. They are
        the `control_cells` of the summary.
    """
    phenotype = cells["phenotype"].astype(object).to_numpy(object)
    positive = np.zeros(len(cells), bool)
    if "pdl1_positive" in cells:
        column = cells["pdl1_positive"].astype("boolean")
        positive = column.fillna(False).to_numpy(bool)
    return {
        "cd8": int((inside & (phenotype == "cd8_t")).sum()),
        "pdl1": int((inside & positive & (phenotype != "tumour")).sum()),
    }


def no_control(
    kinds: Kinds, params: SummaryParams, control_cells: Mapping[str, int] | None = None
) -> str:
    """Return why the slide itself does not show that its stains worked; excluded cells are out."""
    control = control_cells or {}
    inside = kinds.count()[:, :, :4].sum(2)
    pdl1 = int(inside[_CD8, 1] + inside[_OTHER, 1]) + int(control.get("pdl1", 0))
    cd8 = int(inside[_CD8].sum()) + int(control.get("cd8", 0))
    if min(pdl1, cd8) >= params.min_control_cells:
        return ""
    return (
        "stain failure cannot be told from biology: "
        f"{pdl1} PD-L1-positive cells other than tumour and {cd8} CD8 T cells on the slide, "
        f"{params.min_control_cells} of each needed"
    )
