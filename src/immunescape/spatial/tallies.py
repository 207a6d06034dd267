"""Plain numbers of the summary: cells, areas, and cells that stain as they should not."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.results import REGION_NAMES
from immunescape.spatial.kinds import PHENOTYPES, by_region, missing_reason
from immunescape.spatial.notes import join
from immunescape.spatial.rows import Source, number

__all__ = ["count_rows", "odd_cell_rows"]

_BASE = {
    "neighbourhood": "", "statistic": "", "denominator": np.nan,
    "ci_low": np.nan, "ci_high": np.nan, "ci_method": "",
}  # fmt: skip
_NO_TUMOUR = "a field without tumour cells looks like one whose tumour stains failed"


def odd_cell_rows(source: Source, cells: CellTable) -> Iterator[dict[str, Any]]:
    """Rows of the cells that stain as none should, by region.

    ``sox10_cd8_conflict_count`` are cells positive for SOX10 and CD8: a tumour cell and a T cell
    that were not parted, or light of one stain in the channel of the other. ``s100_only_count``
    are S100+ SOX10- cells that are ``other``: dendritic cells and nerve, not tumour.
    """
    conflict = s100_only = np.zeros(len(cells), bool)
    stops = {
        "sox10_cd8_conflict_count": _missing_one(source, "sox10", "cd8"),
        "s100_only_count": _missing_one(source, "s100", "sox10"),
    }
    if "conflict" in cells:
        conflict = cells["conflict"].astype("boolean").fillna(False).to_numpy(bool)
    elif not stops["sox10_cd8_conflict_count"]:
        stops["sox10_cd8_conflict_count"] = "SOX10 and CD8 were not called by gates"
    s100, sox10 = _call(cells, "s100"), _call(cells, "sox10")
    if s100 is None or sox10 is None:
        stops["s100_only_count"] = stops["s100_only_count"] or (
            "S100 and SOX10 were not called apart"
        )
    else:
        other = source.kinds.phenotype == PHENOTYPES.index("other")
        s100_only = (s100 == 1) & (sox10 == 0) & other
    for metric, phenotype, mask in (
        ("sox10_cd8_conflict_count", "any", conflict),
        ("s100_only_count", "other", s100_only),
    ):
        counts = by_region(source.kinds.count(mask).sum((0, 1)))
        for r, region in enumerate(REGION_NAMES):
            stop = join(stops[metric], source.areas.not_evaluable.get(region, ""))
            yield {
                **_BASE,
                "metric": metric,
                "phenotype": phenotype,
                "region": region,
                "value": np.nan if stop else float(counts[r]),
                "unit": "cells",
                "numerator": np.nan if stops[metric] else float(counts[r]),
                "evaluable": not stop,
                "reason": stop,
            }


def count_rows(source: Source, regions: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the cell counts by phenotype and of the areas, which need no smallest area.

    A count stands where its stain may have failed, which its reason then says.
    """
    plain = {
        (row["phenotype"], row["region"]): number(row["count"])
        for row in regions[regions["pdl1"] == "any"].to_dict("records")
    }
    tumour = plain["tumour", "tissue"]
    least = source.params.min_stain_cells
    for phenotype in ("any", *PHENOTYPES):
        why_not = source.kinds.absent.get((phenotype, "any"), "")
        why_not = why_not or source.kinds.doubtful.get(phenotype, "")
        doubt = source.kinds.why_not(phenotype)
        if phenotype == "tumour" and tumour < least:
            doubt = _NO_TUMOUR
        for region in REGION_NAMES:
            stop = join(why_not, source.areas.not_evaluable.get(region, ""))
            count = plain[phenotype, region]
            yield {
                **_BASE,
                "metric": "cell_count",
                "phenotype": phenotype,
                "region": region,
                "value": np.nan if stop else count,
                "unit": "cells",
                "numerator": count,
                "evaluable": not stop,
                "reason": stop or doubt,
            }
    for region in REGION_NAMES:
        stop = source.areas.not_evaluable.get(region, "")
        area = float(source.areas.areas_mm2.get(region, np.nan))
        yield {
            **_BASE,
            "metric": "area",
            "phenotype": "any",
            "region": region,
            "value": np.nan if stop else area,
            "unit": "mm2",
            "numerator": area,
            "evaluable": not stop,
            "reason": stop,
        }


def _missing_one(source: Source, *markers: str) -> str:
    """Return why one of some markers, all of which are needed, is not there."""
    return join(*(missing_reason(source.missing, marker) for marker in markers))


def _call(cells: CellTable, marker: str) -> npt.NDArray[np.int8] | None:
    """Return calls of a marker, -1 where missing; None where it was not called at all."""
    if f"{marker}_positive" not in cells:
        return None
    column = cells[f"{marker}_positive"].astype("boolean").astype("Int8")
    return np.asarray(column.fillna(-1).to_numpy(np.int8))
