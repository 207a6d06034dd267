"""Tables that set gates and stains of a patient's slides side by side."""

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.headlines import SHOWN, rows_of_headline
from immunescape.report.html.page import Column, Table
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.wording import interval_text, marker_title, value_text
from immunescape.report.workbook_columns import STAINING_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from immunescape.report.html.page import Cell
    from immunescape.samples import SampleResult

__all__ = ["backgrounds_table", "gates_table", "staining_table"]

_FAR = 2.0
"""A background that differs by more than this factor between slides is marked."""


def gates_table(key: str, specimens: pd.DataFrame, patients: pd.DataFrame) -> Table:
    """Return each number of a patient's specimens under shared gates and under their own.

    Rows of a specimen that takes part in a flagged change stand out.
    """
    flagged = {
        (text_of(row["metric"]), text_of(row["phenotype"]), text_of(row["region"]), timepoint)
        for row in patients.to_dict("records")
        if "gates" in text_of(row["flags"])
        for timepoint in (text_of(row["from_timepoint"]), text_of(row["to_timepoint"]))
    }
    rows: list[Sequence[str | Cell]] = []
    marked: list[int] = []
    for headline in SHOWN:
        its = rows_of_headline(specimens, headline).to_dict("records")
        own = {
            (text_of(r["timepoint"]), text_of(r["specimen"])): r
            for r in its
            if r["gates"] == "slide"
        }
        for row in its:
            where = text_of(row["timepoint"])
            other = own.get((where, text_of(row["specimen"])))
            if row["gates"] != "shared" or other is None:
                continue
            if (headline.metric, headline.phenotype, headline.region, where) in flagged:
                marked.append(len(rows))
            rows.append(
                (
                    headline.title, where, text_of(row["lesion"]), _with_ends(row),
                    _with_ends(other), _difference(row, other),
                )
            )  # fmt: skip
    return Table(
        key=key,
        caption="Numbers under gates shared over the patient or batch, and under each slide's own; "
        "bold where a conclusion about a change depends on it",
        columns=(
            Column("Number"), Column("Timepoint"), Column("Lesion"),
            Column("Shared gates", number=True), Column("Each slide's own gates", number=True),
            Column("Difference", number=True),
        ),
        rows=rows,
        marked=frozenset(marked),
        row_heads=False,
    )  # fmt: skip


def staining_table(key: str, staining: pd.DataFrame) -> Table:
    """Return whether the stains of a patient's slides can be compared; doubtful rows stand out."""
    rows: list[Sequence[str | Cell]] = []
    marked: list[int] = []
    # a cohort that was collected before exposures were read tells of none
    for row in staining.reindex(columns=list(STAINING_COLUMNS)).to_dict("records"):
        others = text_of(row["not_comparable_with"]).replace("|", ", ")
        if others or text_of(row["exposed_otherwise"]):
            marked.append(len(rows))
        level, spread = (_plain(_float(row[c])) for c in ("dim_level", "dim_spread"))
        rows.append(
            (
                text_of(row["sample_id"]), text_of(row["timepoint"]),
                marker_title(text_of(row["marker"])), f"{level} ± {spread}" if spread else level,
                _plain(_float(row["positive_cells"])), _plain(_float(row["exposure_ms"])), others,
                text_of(row["note"]),
            )
        )  # fmt: skip
    return Table(
        key=key,
        caption="Stains of slides that share gates. Dim cells lie at the same level where stain "
        "and exposure are alike, however many cells are positive; bold where they are not",
        columns=(
            Column("Slide"), Column("Timepoint"), Column("Marker"),
            Column("Level of dim cells", number=True), Column("Positive cells", number=True),
            Column("Exposure, ms", number=True), Column("Cannot be compared with"),
            Column("Remark"),
        ),
        rows=rows,
        marked=frozenset(marked),
        row_heads=False,
    )  # fmt: skip


def backgrounds_table(key: str, results: "Sequence[SampleResult]") -> Table:
    """Return the stains of a patient's slides side by side: background, gates, control cells.

    Parameters
    ----------
    key
        Id of the table.
    results
        Its slides, under shared gates and under their own.
    """
    names = list(dict.fromkeys(r.sample.sample_id for r in results))
    quantities: dict[str, dict[str, float]] = {}
    for result in results:
        name = result.sample.sample_id
        for what, value in _stains(result):
            quantities.setdefault(what, {})[name] = value
    rows: list[Sequence[str | Cell]] = []
    marked: list[int] = []
    for what, values in quantities.items():
        known = [v for v in values.values() if not math.isnan(v)]
        spread = max(known) / min(known) if known and min(known) > 0 else math.nan
        if what.startswith("background") and spread > _FAR:
            marked.append(len(rows))
        cells = [_plain(values.get(name, math.nan)) for name in names]
        rows.append((what, *cells, "" if math.isnan(spread) else f"× {spread:.2f}"))
    return Table(
        key=key,
        caption="Stains of the slides side by side, in the units of the images; bold where "
        f"backgrounds differ by more than {_FAR:g} times, which makes them hard to compare",
        columns=(
            Column("What"), *(Column(name, number=True) for name in names),
            Column("Highest / lowest", number=True),
        ),
        rows=rows,
        marked=frozenset(marked),
        row_heads=False,
    )  # fmt: skip


def _stains(result: "SampleResult") -> Iterator[tuple[str, float]]:
    channels = result.provenance.get("correction", {}).get("quality", {})
    for channel, told in channels.items():
        if "background" in told:
            yield f"background of {channel}", float(told["background"])
    whose = "shared gate" if result.gates == "shared" else "own gate"
    for row in result.tables.get("gates", pd.DataFrame()).to_dict("records"):
        parent = "" if row["parent"] == "all" else f"@{row['parent']}"
        title = marker_title(f"{row['marker']}{parent}")
        yield f"{title}: {whose}", _float(row["threshold"])
        if result.gates == "shared":
            yield f"{title}: positive cells", _float(row["positive"])


def _with_ends(row: Mapping[Any, Any]) -> str:
    ends = interval_text(row)
    return value_text(row) + (f" ({ends})" if ends else "")


def _difference(row: Mapping[Any, Any], other: Mapping[Any, Any]) -> str:
    if pd.isna(row["value"]) or pd.isna(other["value"]):
        return ""
    shared, own = float(row["value"]), float(other["value"])
    if "fraction" in str(row["metric"]):
        return f"{100 * (own - shared):+.1f} points"
    if "score" in str(row["metric"]):
        return f"{own - shared:+.1f} points"
    if str(row["unit"]) == "log_odds" or not (shared > 0 and math.isfinite(shared)):
        return f"{own - shared:+.2f}"
    return f"× {own / shared:.2f}"


def _float(value: Any) -> float:
    return math.nan if pd.isna(value) else float(value)


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value:,.1f}" if value % 1 else f"{value:,.0f}"
