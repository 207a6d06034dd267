"""Tables of a patient's page: numbers, changes, patterns, slides."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.effects import effect_sorted, effect_text
from immunescape.report.headlines import SHOWN, Headline, rows_of_headline
from immunescape.report.html.page import Card, Cell, Column, Table, link_to
from immunescape.report.plots_cohort_parts import text_of
from immunescape.report.wording import (
    interval_text,
    n_text,
    unconfirmed,
    value_text,
)

if TYPE_CHECKING:
    from immunescape.samples import SampleResult

__all__ = [
    "changes_table",
    "number_card",
    "number_cell",
    "numbers_table",
    "patterns_table",
    "slides_table",
]


def number_card(headline: Headline, specimen: pd.DataFrame, *, beside: Sequence[str] = ()) -> Card:
    """Return one number of a specimen with its interval and n; says so where there is none.

    Parameters
    ----------
    headline
        The number.
    specimen
        Rows of ``specimens.csv`` of one specimen under one kind of gates.
    beside
        Further lines.
    """
    rows = rows_of_headline(specimen, headline).to_dict("records")
    if not rows or pd.isna(rows[0]["value"]):
        why = text_of(rows[0]["reason"]) if rows else "not in the table"
        return Card(
            what=headline.title, value="not evaluable", more=(why, *beside), known=False
        )  # fmt: skip
    row = rows[0]
    ends = interval_text(row)
    more = (n_text(row), f"95 % interval {ends}" if ends else "", *beside)
    gates, _ = unconfirmed(row)
    doubt = "gates not confirmed by a person" if gates else ""
    value = "infinite" if math.isinf(float(row["value"])) else value_text(row)
    return Card(
        what=headline.title,
        value=value.replace(" ", "\u00a0"),
        more=tuple(line for line in more if line),
        doubt=doubt,
    )


def number_cell(row: Mapping[Any, Any]) -> Cell:
    """Return a value with its interval, without unit, sorted by the value."""
    plain = {**row, "unit": ""}
    ends = interval_text(plain).replace(" %", "")
    text = value_text(plain).replace(" %", "") + (f" ({ends})" if ends else "")
    return Cell(text, _number(row["value"]))


def numbers_table(key: str, headline: Headline, rows: pd.DataFrame) -> Table:
    """Return the numbers behind a chart, one row a specimen and kind of gates."""
    found = []
    for row in rows_of_headline(rows, headline).to_dict("records"):
        found.append(
            (
                text_of(row["patient"]), text_of(row["timepoint"]), text_of(row["lesion"]),
                _gates_text(row["gates"]), Cell(value_text(row), _number(row["value"])),
                interval_text(row), n_text(row), unconfirmed(row)[1],
            )
        )  # fmt: skip
    return Table(
        key=key,
        caption=headline.title,
        columns=(
            Column("Patient"), Column("Timepoint"), Column("Lesion"), Column("Gates"),
            Column("Value", number=True), Column("95 % interval", number=True),
            Column("Counted", number=True), Column("Remark"),
        ),
        rows=found,
    )  # fmt: skip


def changes_table(
    key: str,
    patients: pd.DataFrame,
    *,
    patient: str = "",
    whole: bool = False,
    links: Mapping[str, str] = MappingProxyType({}),
) -> Table:
    """Return the changes of one patient or of all, shared gates beside each slide's own.

    Parameters
    ----------
    key
        Id of the table.
    patients
        As in ``patients.csv``.
    patient
        Confines it to one; empty takes all and names them.
    whole
        Whether rows can be sorted and filtered.
    links
        Page of each patient.
    """
    mine = patients[patients["patient"] == patient] if patient else patients
    main = "shared" if (mine["gates"] == "shared").any() else "slide"
    rows = []
    for headline in SHOWN:
        its = rows_of_headline(mine, headline).to_dict("records")
        own = {_step(row): row for row in its if row["gates"] == "slide"}
        for row in its:
            if row["gates"] != main:
                continue
            other = own.get(_step(row)) if main == "shared" else None
            rows.append(
                (
                    *(() if patient else (_linked(row["patient"], links),)),
                    f"{text_of(row['from_timepoint'])} → {text_of(row['to_timepoint'])}",
                    text_of(row["lesion"]),
                    headline.title,
                    _value(row, "from_value"),
                    _value(row, "to_value"),
                    Cell(effect_text(row) or "not evaluable", effect_sorted(row)),
                    effect_text(other) if other else "",
                    _n(row),
                    text_of(row["flags"]),
                    text_of(row["reason"]),
                )
            )  # fmt: skip
    columns = (
        *(() if patient else (Column("Patient"),)),
        Column("Step"), Column("Lesion"), Column("Number"), Column("From", number=True),
        Column("To", number=True), Column("Change (95 % interval, within slide only)", number=True),
        Column("Under each slide's own gates", number=True), Column("Slides, cells", number=True),
        Column("Flags"), Column("Remarks"),
    )  # fmt: skip
    return Table(
        key=key, caption="Changes from timepoint to timepoint", columns=columns, rows=rows,
        sorts=whole, filters=whole, row_heads=False,
    )  # fmt: skip


def patterns_table(key: str, patterns: pd.DataFrame, *, every: bool = False) -> Table:
    """Return patterns with the evidence for and against, the rule, and what others would say.

    Parameters
    ----------
    key
        Id of the table.
    patterns
        Rows of ``patterns.csv``.
    every
        Whether rows that do not hold are among them; those that do then stand out.
    """
    rows: list[Sequence[str | Cell]] = []
    marked: list[int] = []
    for row in patterns.to_dict("records"):
        if every and pd.notna(row["holds"]) and bool(row["holds"]):
            marked.append(len(rows))
        rows.append(
            (
                text_of(row["timepoint"]) or "course", text_of(row["words"]),
                text_of(row["evidence_for"]), text_of(row["evidence_against"]),
                text_of(row["rule"]), text_of(row["otherwise"]),
            )
        )  # fmt: skip
    return Table(
        key=key,
        caption="What the numbers are consistent with"
        + ("; bold where the rule holds" if every else ""),
        columns=(
            Column("When"), Column("Pattern"), Column("For it"), Column("Against it"),
            Column("Rule"), Column("With other thresholds"),
        ),
        rows=rows,
        marked=frozenset(marked),
        row_heads=False,
    )  # fmt: skip


def slides_table(key: str, results: "Sequence[SampleResult]", *above: str) -> Table:
    """Return the slides with links to their own reports; `above` leads to the cohort's folder."""
    rows = [
        (
            Cell(r.sample.sample_id, None, link_to(*above, "slides", r.folder.name, "report.html")),
            r.sample.timepoint, "" if r.sample.day is None else f"{r.sample.day:g}",
            r.sample.lesion, r.sample.site.replace("_", " "), r.sample.batch, r.sample.slide.name,
            "; ".join(r.warnings),
        )
        for r in results
    ]  # fmt: skip
    return Table(
        key=key,
        caption="Slides, each with a report of its own",
        columns=(
            Column("Slide"), Column("Timepoint"), Column("Day", number=True), Column("Lesion"),
            Column("Site"), Column("Batch"), Column("File"), Column("What to know"),
        ),
        rows=rows,
    )  # fmt: skip


def _linked(patient: Any, links: Mapping[str, str]) -> Cell:
    name = text_of(patient)
    return Cell(name, None, links.get(name, ""))


def _gates_text(gates: Any) -> str:
    return "shared" if gates == "shared" else "each slide's own"


def _step(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(text_of(row[c]) for c in ("patient", "lesion", "from_timepoint", "to_timepoint"))


def _value(row: Mapping[Any, Any], column: str) -> Cell:
    return Cell(value_text({**row, "value": row[column]}), _number(row[column]))


def _n(row: Mapping[Any, Any]) -> str:
    slides, cells = row["n_slides"], row["n_cells"]
    return ", ".join("" if pd.isna(n) else f"{float(n):,.0f}" for n in (slides, cells))


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
