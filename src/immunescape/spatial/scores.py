"""Scores after those of the clinic: how many cells of a whole slide are PD-L1-positive."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.results import REGION_NAMES
from immunescape.spatial.kinds import PHENOTYPES
from immunescape.spatial.notes import join, unread_note
from immunescape.spatial.rows import Source, fraction_row

__all__ = ["score_rows"]

_MACROPHAGE = ("cd68_positive", "cd163_positive")
_LYMPHOCYTE = ("cd3_positive", "cd45_positive")
_HIGHEST = 100.0
_TUMOUR = PHENOTYPES.index("tumour")
_TISSUE = REGION_NAMES.index("tissue")


def score_rows(source: Source, cells: CellTable) -> Iterator[dict[str, Any]]:
    """Rows of the three scores, of the analysed tissue of the whole slide; none is clinical.

    ``tumour_proportion_score`` is PD-L1-positive tumour cells in percent of the tumour cells that
    have a PD-L1 value. The other two put more than tumour cells above the line and are cells per
    100 such tumour cells, at most 100: ``combined_positive_score`` tumour cells, macrophages (CD68
    or CD163) and lymphocytes (CD3 or CD45, and CD8 T cells), ``pdl1_all_cells_score`` every cell.
    """
    kinds = source.kinds
    inside = kinds.region < 4
    tumour = inside & (kinds.phenotype == _TUMOUR)
    known = int(kinds.count(tumour)[_TUMOUR, 1:].sum())
    stop = source.needs("tumour", "pdl1") or kinds.absent.get(("tumour", "positive"), "")
    lacking = bool(stop)
    least = source.params.min_tumour_cells
    if not lacking:
        few = f"{known} tumour cells, {least} needed" if known < least else ""
        stop = join(few, source.unproven("pdl1"))
    gates = source.gate_note()
    base = {
        "region": "tissue", "neighbourhood": "", "statistic": source.statistic,
        "denominator": np.nan if lacking else float(known),
        "ci_low": np.nan, "ci_high": np.nan, "ci_method": "",
    }  # fmt: skip

    counts = source.resampling.count(kinds)[:, _TUMOUR]
    bounds = source.resampling.fractions(counts[:, 1:2], counts[:, 1:].sum(1, keepdims=True))
    yield fraction_row(
        {**base, "metric": "tumour_proportion_score", "phenotype": "tumour"},
        None if lacking else (int(counts[:, 1].sum()), known),
        stop,
        join(unread_note(counts[:, 0].sum()), gates),
        bounds.at(_TISSUE, 0),
        scale=100,
        unit="percent",
    )

    immune, unmarked = _immune(cells, kinds.phenotype == PHENOTYPES.index("cd8_t"))
    for metric, mask, why, note in (
        ("combined_positive_score", tumour | (inside & immune), unmarked, ""),
        ("pdl1_all_cells_score", inside, "", "not CPS"),
    ):
        counted = kinds.count(mask).sum((0, 2))
        above, unread = int(counted[1]), unread_note(counted[0])
        halt = join(stop, why)
        score = np.nan if halt else 100 * above / known
        capped = f"capped at {_HIGHEST:g}" if score > _HIGHEST else ""
        yield {
            **base,
            "metric": metric,
            "phenotype": "any",
            "value": min(score, _HIGHEST) if not halt else np.nan,
            "unit": "per_100_tumour_cells",
            "numerator": np.nan if lacking or why else float(above),
            "evaluable": not halt,
            "reason": join(note, halt) if halt else join(note, capped, unread, gates),
        }


def _immune(cells: CellTable, cd8: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.bool_], str]:
    """Macrophages and lymphocytes, and why they cannot be told; empty where they can."""
    immune = cd8.copy()
    unmarked, uncalled = [], []
    for name, columns in (("macrophages", _MACROPHAGE), ("lymphocytes", _LYMPHOCYTE)):
        there = [column for column in columns if column in cells]
        called = [column for column in there if bool(cells[column].notna().any())]
        if not there:
            unmarked.append(name)
        elif not called:
            uncalled.append(name)
        for column in called:
            immune |= cells[column].astype("boolean").fillna(False).to_numpy(bool)
    return immune, join(
        f"the panel does not mark {' and '.join(unmarked)}" if unmarked else "",
        f"no cell has a call for {' and '.join(uncalled)}" if uncalled else "",
    )
