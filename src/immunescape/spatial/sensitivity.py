"""How far the numbers move when the slide is judged otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from immunescape.cells import CellTable
from immunescape.params import Params
from immunescape.results import SENSITIVITY_COLUMNS, RegionAreas, empty_table
from immunescape.spatial.alternatives import Alternative, Judge, Setting
from immunescape.spatial.density import DensityParams
from immunescape.spatial.kinds import missing_reason
from immunescape.spatial.rows import SummaryParams

__all__ = [
    "DOUBTFUL_SPREAD",
    "SensitivityParams",
    "sensitivity_table",
    "sensitivity_warnings",
    "sox10_alone",
    "sox10_alternative",
]

DOUBTFUL_SPREAD = 0.10
"""From where on a spread of the headline is a warning: more than 10 points."""

_HEADLINE = "pdl1_negative_fraction_touching_cd8"
_METRICS = (
    _HEADLINE,
    "pdl1_negative_fraction_not_touching_cd8",
    "touching_cd8_fraction",
    "pdl1_induction_log_odds_ratio",
    "cd8_density",
    "cd8_margin_to_centre_ratio",
    "tumour_proportion_score",
)
_KEY = ["metric", "phenotype", "region"]
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class SensitivityParams(Params):
    """How far it is asked what the numbers owe to the way they were made.

    Parameters
    ----------
    tables
        ``full`` judges the slide under each other membrane statistic, another gating method, the
        gate of the other cells, both ends of every gate, nuclei grown by other lengths, SOX10
        alone, without what is proposed for exclusion, without corrections made by hand and with
        other bandwidths of a derived tumour region; ``no_growth`` leaves out the grown nuclei,
        which need the label images once; ``none`` gives no such table.
    """

    tables: Literal["full", "no_growth", "none"] = "full"


def sensitivity_table(
    main: pd.DataFrame,
    cells: CellTable,
    pairs: pd.DataFrame,
    areas: RegionAreas,
    params: SummaryParams = SummaryParams(),
    *,
    alternatives: Sequence[Alternative],
    density: DensityParams = DensityParams(),
    missing: Mapping[str, str] | None = None,
    control_cells: Mapping[str, int] | None = None,
    control_slide: bool = False,
) -> pd.DataFrame:
    """Return the main metrics under each other way to judge the slide.

    Parameters
    ----------
    main
        The summary, of `summarise`.
    cells, pairs, areas, params, density, missing, control_cells, control_slide
        What it was made of; an alternative that leaves any of the first three open takes these.
    alternatives
        The other ways, in the order of the table.

    Returns
    -------
    DataFrame
        Columns ``SENSITIVITY_COLUMNS``: for each alternative the PD-L1-negative fractions, the
        touching fraction and the log odds ratio of tumour cells by contact and the CD8 density,
        each in seven regions, the margin to centre ratio and the tumour proportion score of the
        slide. ``difference`` is ``value - main_value``. A row that is not evaluable has no value
        and says why; point values alone, the intervals are in the summary.
    """
    judge = Judge(cells, pairs, areas, missing or {}, Setting(
        params, density, control_cells or {}, control_slide
    ))  # fmt: skip
    shown = main[main["neighbourhood"].fillna("").isin(["", "contact"])]
    shown = shown[shown["metric"].isin(_METRICS)]
    values = shown.set_index(_KEY)["value"]
    tables = []
    for alternative in alternatives:
        rows = judge.rows(alternative)
        rows = rows[rows["metric"].isin(_METRICS) & (rows["phenotype"] != "other")]
        main_value = values.reindex(pd.MultiIndex.from_frame(rows[_KEY])).to_numpy(np.float64)
        tables.append(
            rows.assign(
                kind=alternative.kind,
                variant=alternative.variant,
                main_value=main_value,
                difference=_difference(rows["value"].to_numpy(np.float64), main_value),
            )
        )
    if not tables:
        return empty_table(SENSITIVITY_COLUMNS)
    return pd.concat(tables, ignore_index=True)[list(SENSITIVITY_COLUMNS)]


def sensitivity_warnings(table: pd.DataFrame) -> tuple[str, ...]:
    """Return a line for each way to judge the slide that moves its headline by over 10 points.

    Parameters
    ----------
    table
        Of `sensitivity_table`. The headline is that of all analysed tissue. Ways to read the
        membrane are compared with each other, all other ways with the main result.

    Returns
    -------
    tuple of str
        Also a line for each way under which a headline that is evaluable no longer is.
    """
    rows = table[
        (table["metric"] == _HEADLINE)
        & (table["phenotype"] == "tumour")
        & (table["region"] == "tissue")
    ]
    return (*_spread(rows[rows["kind"] == "statistic"]), *_moves(rows))


def _spread(rows: pd.DataFrame) -> Iterator[str]:
    known = rows[rows["value"].notna() & rows["main_value"].notna()]
    if known.empty:
        return
    values = {"as reported": float(known["main_value"].iloc[0])}
    values |= dict(zip(known["variant"].astype(str), known["value"].astype(float), strict=True))
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    if values[high] - values[low] > DOUBTFUL_SPREAD + _ROUNDING:
        yield (
            f"the headline depends on how the membrane is read: {_percent(values[low])} ({low}) "
            f"to {_percent(values[high])} ({high}), all analysed tissue"
        )


def _moves(rows: pd.DataFrame) -> Iterator[str]:
    for row in rows.to_dict("records"):
        if pd.isna(row["main_value"]):
            continue
        what = f"{row['kind']} {row['variant']}"
        if row["kind"] == "edits":
            what = "none of the corrections"
        main = _percent(row["main_value"])
        if not row["evaluable"]:
            yield f"with {what} the headline of {main} is not evaluable: {row['reason']}"
        elif row["kind"] != "statistic" and abs(row["difference"]) > DOUBTFUL_SPREAD + _ROUNDING:
            yield f"with {what} the headline is {_percent(row['value'])}, not {main}"


def sox10_alone(cells: CellTable) -> CellTable:
    """Return the cells with SOX10 as the one marker of tumour cells.

    Parameters
    ----------
    cells
        Called cells: ``phenotype`` and ``sox10_positive``.

    Returns
    -------
    CellTable
        CD8 T cells as they are; of all others ``tumour`` where SOX10 is positive, ``unknown`` where
        it is missing, ``other`` where it is negative, but ``unknown`` cells stay so: they may be
        CD8 T cells. PD-L1 calls are those of the main result, by its gates.

    Raises
    ------
    ValueError
        If the cells have no calls for SOX10.

    Examples
    --------
    >>> frame = pd.DataFrame(
    ...     {
    ...         "x_um": 0.0, "y_um": 0.0,
    ...         "phenotype": ["tumour", "tumour", "other", "cd8_t"],
    ...         "sox10_positive": [True, False, False, False],
    ...     },
    ...     index=pd.Index([1, 2, 3, 4], name="label"),
    ... )
    >>> sox10_alone(CellTable(frame))["phenotype"].tolist()
    ['tumour', 'other', 'other', 'cd8_t']
    """
    if "sox10_positive" not in cells:
        raise ValueError("the cell table has no column 'sox10_positive'")
    sox10 = cells["sox10_positive"].astype("boolean")
    unread = sox10.isna().to_numpy(bool)
    positive = sox10.fillna(False).to_numpy(bool)
    before = cells["phenotype"].astype(object).fillna("unknown").to_numpy(object)
    other = np.where(unread | (before == "unknown"), "unknown", "other")
    phenotype = np.where(before == "cd8_t", "cd8_t", np.where(positive, "tumour", other))
    return cells.with_columns({"phenotype": pd.array(phenotype, dtype="str")})


def sox10_alternative(cells: CellTable, missing: Mapping[str, str] | None = None) -> Alternative:
    """Return the slide with SOX10 as the one marker of tumour cells, or why it cannot be had.

    Parameters
    ----------
    cells
        Called cells of the main result.
    missing
        Reason by marker key, for the markers that the slide lacks.
    """
    reason = missing_reason(missing or {}, "sox10")
    if not reason and not ("sox10_positive" in cells and cells["sox10_positive"].notna().any()):
        reason = "SOX10 was not called alone"
    judged = None if reason else sox10_alone(cells)
    return Alternative("phenotype", "sox10_alone", judged, None, reason=reason)


def _difference(value: np.ndarray, main: np.ndarray) -> np.ndarray:
    """Subtract; two infinite values differ by nothing that can be told."""
    result = np.full(len(value), np.nan)
    known = np.isfinite(value) & np.isfinite(main)
    np.subtract(value, main, out=result, where=known)
    return result


def _percent(value: float) -> str:
    return f"{100 * float(value):.1f} %"
