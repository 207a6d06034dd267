"""The first numbers of a cohort with a parameter varied, timepoint by timepoint."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from immunescape.report.headlines import HEADLINES, rows_of_headline
from immunescape.report.html.page import Cell, Column, Table
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.wording import value_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["sweep_summary"]


def sweep_summary(key: str, sweep: "pd.DataFrame | None", timepoints: Sequence[str]) -> Table:
    """Return the median over slides, with the lowest and highest, for each value of a parameter.

    Parameters
    ----------
    key
        Id of the table.
    sweep
        As in ``sweep.csv`` of a cohort; None where nothing was varied.
    timepoints
        In the order of time.

    Returns
    -------
    Table
        A row a number, parameter and value, in the order of the table; without rows where nothing
        was varied. Slides that cannot be judged are left out and not counted.
    """
    rows: list[Sequence[str | Cell]] = []
    if sweep is not None and len(sweep):
        main = sweep[sweep["gates"] == "shared"] if (sweep["gates"] == "shared").any() else sweep
        for headline in HEADLINES:
            mine = rows_of_headline(main, headline)
            by = ["parameter", "parameter_value"]
            for (parameter, value), its in mine.groupby(by, sort=False, dropna=False):
                cells = [_cell(its[its["timepoint"] == t]) for t in timepoints]
                rows.append((headline.title, text_of(parameter), _value(value), *cells))
    return Table(
        key=key,
        caption="Median over slides (lowest to highest; n) with a parameter varied",
        columns=(
            Column("Number"), Column("Parameter"), Column("Value", number=True),
            *(Column(timepoint, number=True) for timepoint in timepoints),
        ),
        rows=rows,
        row_heads=False,
    )  # fmt: skip


def _cell(rows: "pd.DataFrame") -> Cell:
    known = rows[rows["value"].notna()]
    if known.empty:
        return Cell("not evaluable" if len(rows) else "no slide", None)
    first = known.iloc[0].to_dict()

    def shown(value: float) -> str:
        return value_text({**first, "value": value})

    middle, low, high = (float(v) for v in known["value"].quantile([0.5, 0.0, 1.0]))
    return Cell(f"{shown(middle)} ({shown(low)} to {shown(high)}; {len(known)})", middle)


def _value(value: Any) -> Cell:
    try:
        return Cell(f"{float(value):g}", float(value))
    except (TypeError, ValueError):
        return Cell(text_of(value), None)
