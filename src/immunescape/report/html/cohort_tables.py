"""Tables of a cohort's page: comparisons, specimens, flags, failures."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.effects import effect_sorted, effect_text
from immunescape.report.headlines import HEADLINES, SHOWN, Headline, rows_of_headline
from immunescape.report.html.page import Card, Cell, Column, Table
from immunescape.report.html.patient_tables import number_cell
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.wording import METRIC_TITLES, PHENOTYPE_TITLES, region_title

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "comparison_card",
    "comparisons_table",
    "failures_table",
    "flags_table",
    "specimens_table",
]


def comparison_card(comparisons: pd.DataFrame, headline: Headline, step: tuple[str, str]) -> Card:
    """Return the change of one number over all patients, effect and interval first.

    Parameters
    ----------
    comparisons
        Rows of ``comparisons.csv`` under one kind of gates.
    headline
        The number.
    step
        From which timepoint to which.
    """
    what = f"{headline.title}, {step[0]} → {step[1]}"
    rows = [
        row
        for row in rows_of_headline(comparisons, headline).to_dict("records")
        if (text_of(row["from_timepoint"]), text_of(row["to_timepoint"])) == step
        and not text_of(row["group"])
        and text_of(row["subset"]) in ("", "all")
    ]
    if not rows or pd.isna(rows[0]["effect"]):
        why = text_of(rows[0]["reason"]) if rows else "no patient has both timepoints"
        return Card(what=what, value="not evaluable", more=(why,), known=False)
    row = rows[0]
    value, _, ends = effect_text(row).partition(" (")
    more = [f"95 % interval {ends.rstrip(')')}" if ends else "no interval"]
    more.append(_n_text(row))
    more.append(_p_text(row))
    if text_of(row["reason"]):
        more.append(text_of(row["reason"]))
    flags = text_of(row["flags"])
    return Card(
        what=what, value=value.replace(" ", "\u00a0"), more=tuple(filter(None, more)), doubt=flags
    )


def comparisons_table(key: str, comparisons: pd.DataFrame) -> Table:
    """Return the comparisons of the numbers chosen beforehand, and of those that are drawn.

    Parameters
    ----------
    key
        Id of the table.
    comparisons
        Rows of ``comparisons.csv`` under one kind of gates.
    """
    rows: list[Sequence[str | Cell]] = []
    for row in comparisons.to_dict("records"):
        shown = [h for h in SHOWN if h.of(row)]
        if not shown and text_of(row.get("family")) != "main":
            continue
        group = " ".join(filter(None, (text_of(row["group_column"]), text_of(row["group"]))))
        rows.append(
            (
                shown[0].title if shown else _title(row),
                f"{text_of(row['from_timepoint'])} → {text_of(row['to_timepoint'])}",
                ", ".join(filter(None, (group, _subset(row)))) or "all",
                Cell(effect_text(row) or "not evaluable", effect_sorted(row)),
                Cell(effect_text(row, "mixed_effect"), _number(row["mixed_effect"])),
                _p(row["p_value"]), _p(row["smallest_p_value"]), _p(row["q_value"]),
                _count(row["n_patients"]), _count(row["n_slides"]), _count(row["n_cells"]),
                text_of(row["flags"]),
                "; ".join(filter(None, (text_of(row[c]) for c in ("reason", "mixed_note")))),
            )
        )  # fmt: skip
    return Table(
        key=key,
        caption="Changes over patients: effect and interval before p. The patient is the unit; q "
        "is p corrected over the metrics of one family",
        columns=(
            Column("Number"), Column("Step"), Column("Patients"),
            Column("Mean change (95 % interval)", number=True),
            Column("Mixed model (95 % interval)", number=True), Column("p", number=True),
            Column("Smallest p attainable", number=True), Column("q", number=True),
            Column("n patients", number=True), Column("n slides", number=True),
            Column("n cells", number=True), Column("Flags"), Column("Remarks"),
        ),
        rows=rows,
        row_heads=False,
        sorts=True,
        filters=True,
    )  # fmt: skip


def specimens_table(key: str, specimens: pd.DataFrame, links: Mapping[str, str]) -> Table:
    """Return one row a specimen with the first numbers, each with its interval.

    Parameters
    ----------
    key
        Id of the table.
    specimens
        Rows of ``specimens.csv`` under one kind of gates.
    links
        Page of each patient.
    """
    shown = (*HEADLINES, *(h for h in SHOWN if h.key in ("cd8_in_centre", "cd8_at_margin")))
    by = ["patient", "timepoint", "specimen"]
    rows: list[Sequence[str | Cell]] = []
    for _, mine in specimens.groupby(by, sort=False, dropna=False) if len(specimens) else ():
        first = mine.iloc[0].to_dict()
        patient = text_of(first["patient"])
        found = [rows_of_headline(mine, headline).to_dict("records") for headline in shown]
        rows.append(
            (
                Cell(patient, None, links.get(patient, "")), text_of(first["timepoint"]),
                text_of(first["lesion"]), text_of(first["site"]).replace("_", " "),
                text_of(first["tumour_source"]), _count(first["n_slides"]),
                _count(first["n_cells"]),
                *(number_cell(some[0]) if some else "" for some in found),
            )
        )  # fmt: skip
    return Table(
        key=key,
        caption="Specimens: each number with its 95 % interval",
        columns=(
            Column("Patient"), Column("Timepoint"), Column("Lesion"), Column("Site"),
            Column("Tumour"), Column("Slides", number=True), Column("Cells", number=True),
            *(Column(headline.axis, number=True) for headline in shown),
        ),
        rows=rows,
        sorts=True,
        filters=True,
    )  # fmt: skip


def flags_table(key: str, patients: pd.DataFrame, comparisons: pd.DataFrame) -> Table:
    """Return every flag with the patients, or the comparisons, that it concerns."""
    whom: dict[str, dict[str, None]] = {}
    for row in patients.to_dict("records"):
        for flag in filter(None, text_of(row["flags"]).split("; ")):
            whom.setdefault(flag, {})[f"patient {text_of(row['patient'])}"] = None
    for row in comparisons.to_dict("records"):
        for flag in filter(None, text_of(row["flags"]).split("; ")):
            step = f"{text_of(row['from_timepoint'])} → {text_of(row['to_timepoint'])}"
            whom.setdefault(flag, {})[f"comparison {step}"] = None
    rows = [(flag, str(len(some)), ", ".join(some)) for flag, some in whom.items()]
    return Table(
        key=key,
        caption="What makes rows doubtful, and whom it concerns",
        columns=(Column("Flag"), Column("How many", number=True), Column("Whom it concerns")),
        rows=rows,
    )


def failures_table(key: str, failures: pd.DataFrame) -> Table:
    """Return the slides that could not be analysed, with the remedy."""
    rows: list[Sequence[str | Cell]] = [
        (
            *(text_of(row[c]) for c in ("sample_id", "patient", "step", "error", "remedy")),
            _count(row["attempts"]),
            text_of(row["log"]),
        )
        for row in failures.to_dict("records")
    ]
    return Table(
        key=key,
        caption="Slides that could not be analysed",
        columns=(
            Column("Slide"), Column("Patient"), Column("Step"), Column("Error"), Column("Remedy"),
            Column("Attempts", number=True), Column("Log"),
        ),
        rows=rows,
        sorts=True,
        filters=len(rows) > 10,
    )  # fmt: skip


def _title(row: Mapping[Any, Any]) -> str:
    metric = text_of(row["metric"])
    who = PHENOTYPE_TITLES.get(text_of(row["phenotype"]), text_of(row["phenotype"]))
    where = region_title(text_of(row["region"]))
    return f"{who}: {METRIC_TITLES.get(metric, metric.replace('_', ' '))}, {where}"


def _subset(row: Mapping[Any, Any]) -> str:
    subset = text_of(row["subset"])
    return "" if subset == "all" else f"only {subset}" if subset else ""


def _n_text(row: Mapping[Any, Any]) -> str:
    counts = [(row[f"n_{what}s"], what) for what in ("patient", "slide", "cell")]
    texts = [f"{float(n):,.0f} {what}{'' if n == 1 else 's'}" for n, what in counts]
    return f"n = {', '.join(texts)}"


def _p_text(row: Mapping[Any, Any]) -> str:
    if pd.isna(row["p_value"]):
        return ""
    least = row["smallest_p_value"]
    text = f"p = {_p(row['p_value']).text}"
    if pd.notna(least):
        text += f" (smallest attainable {_p(least).text})"
    return text + ("" if pd.isna(row["q_value"]) else f", q = {_p(row['q_value']).text}")


def _p(value: Any) -> Cell:
    if pd.isna(value):
        return Cell("", None)
    number = float(value)
    return Cell(f"{number:.3f}" if number >= 0.001 else f"{number:.1g}", number)


def _count(value: Any) -> Cell:
    return Cell("" if pd.isna(value) else f"{float(value):,.0f}", _number(value))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
