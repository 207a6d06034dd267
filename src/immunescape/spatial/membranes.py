"""How much of a membrane marker is on the membrane: the ratio to what is inside the cell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from immunescape.cells import CellTable
from immunescape.panel import EXPECTED_MARKERS
from immunescape.results import REGION_NAMES
from immunescape.spatial.kinds import PHENOTYPES
from immunescape.spatial.notes import join
from immunescape.spatial.rows import Source

__all__ = ["membrane_markers", "membrane_rows"]

_METRIC = "membrane_to_cytoplasm_ratio"
_OF = ("tumour", "cd8_t", "other")
_TISSUE = REGION_NAMES.index("tissue")
_BACKGROUND = "background was not subtracted, which draws the ratio towards 1"


def membrane_markers(cells: CellTable) -> tuple[str, ...]:
    """Return the markers that are read on the membrane, in the order of the columns.

    They are those with an unshared part of the rim, and the panel's expected ones; both means
    that make the ratio must be there.
    """
    suffix = "_membrane_mean"
    markers = [str(c).removesuffix(suffix) for c in cells.frame.columns if str(c).endswith(suffix)]
    return tuple(
        m
        for m in markers
        if f"{m}_cytoplasm_mean" in cells
        and (f"{m}_membrane_unshared" in cells or EXPECTED_MARKERS.get(m) == "membrane")
    )


def membrane_rows(
    source: Source, cells: CellTable, *, background_subtracted: bool = False
) -> Iterator[dict[str, Any]]:
    """Rows of the median ratio by marker (in ``statistic``) and phenotype, of the whole slide.

    The ratio of a cell is the mean of its rim over the mean of the cytoplasm within the rim, or
    over that of all its cytoplasm where only this is known. A cell without
    light in its cytoplasm has an infinite ratio and counts in the median; one without light in
    either, or without a cytoplasm, has none.

    The interval inverts that of a fraction: of the share of cells at most as high as the median,
    by blocks of the slide, it takes both ends and reads the ratios there. With few blocks the
    share is binomial, and the ends are order statistics of the cells.
    """
    markers = membrane_markers(cells)
    inside = source.kinds.region < 4
    for marker in markers or ("",):
        ratio = _ratio(cells, marker) if marker else np.full(len(cells), np.nan)
        for phenotype in _OF:
            mine = inside & (source.kinds.phenotype == PHENOTYPES.index(phenotype))
            yield {
                "metric": _METRIC,
                "phenotype": phenotype,
                "region": "tissue",
                "neighbourhood": "",
                "statistic": marker,
                "unit": "1",
                "numerator": np.nan,
                **_median(source, phenotype, ratio, mine, bool(marker), background_subtracted),
            }


def _ratio(cells: CellTable, marker: str) -> npt.NDArray[np.float64]:
    """Ratio of each cell; infinite without light in the cytoplasm, NaN without light in either."""
    part = "inner" if f"{marker}_inner_mean" in cells else "cytoplasm"
    rim, inner = (
        cells[f"{marker}_{name}_mean"].to_numpy(np.float64, na_value=np.nan)
        for name in ("membrane", part)
    )
    ratio = np.full(len(cells), np.nan)
    np.divide(rim, inner, out=ratio, where=inner > 0)
    ratio[(inner <= 0) & (rim > 0)] = np.inf
    return ratio


def _median(
    source: Source,
    phenotype: str,
    ratio: npt.NDArray[np.float64],
    mine: npt.NDArray[np.bool_],
    measured: bool,
    subtracted: bool,
) -> dict[str, Any]:
    known = mine & ~np.isnan(ratio)
    n, least = int(known.sum()), source.params.min_cells
    stop = source.kinds.why_not(phenotype)
    if not measured:
        stop = join(stop, "no marker was measured on the membrane and in the cytoplasm")
    elif not stop and n < least:
        stop = f"{n} cells, {least} needed"
    row: dict[str, Any] = {
        "value": np.nan, "denominator": float(n) if measured else np.nan,
        "ci_low": np.nan, "ci_high": np.nan, "ci_method": "",
        "evaluable": not stop, "reason": stop,
    }  # fmt: skip
    if stop:
        return row
    values = np.sort(ratio[known])
    low, high, method = _ends(source, known, ratio, values)
    # The mean of the middle two; of two infinite ones, or one of them, the lower.
    lower, upper = float(values[(n - 1) // 2]), float(values[n // 2])
    median = (lower + upper) / 2 if np.isfinite(upper) else lower
    unread = int(mine.sum()) - n
    note = join(
        f"{unread} cells without a ratio left out" if unread else "",
        "" if subtracted else _BACKGROUND,
    )
    return row | {
        "value": median, "ci_low": low, "ci_high": high, "ci_method": method, "reason": note
    }  # fmt: skip


def _ends(
    source: Source,
    known: npt.NDArray[np.bool_],
    ratio: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
) -> tuple[float, float, str]:
    """Read both ends off the sorted ratios, from the interval of the share below the median.

    Cells at the median are below it in such part that the share of all is a half.
    """
    resampling, n = source.resampling, len(values)
    middle = values[(n - 1) // 2]
    lower, equal = int((values < middle).sum()), int((values == middle).sum())
    weight = np.where(ratio < middle, 1.0, np.where(ratio == middle, (n / 2 - lower) / equal, 0.0))
    rows, n_rows = resampling.blocks.of_cells[known], len(resampling.blocks)
    share = np.bincount(rows, weight[known], n_rows)
    everyone = np.bincount(rows, minlength=n_rows)
    bounds = resampling.fractions(share[:, None], everyone[:, None])
    low_share, high_share, method = bounds.at(_TISSUE, 0)
    if not method:
        return np.nan, np.nan, ""
    ranks = np.floor(n * np.array([low_share, high_share])).astype(np.int64)
    low, high = values[np.clip(ranks, 0, n - 1)]
    return float(low), float(high), "order_statistics" if method == "wilson" else method
