"""Sheets in which specimens and patients stand side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.headlines import HEADLINES, SHOWN, Headline, rows_of_headline
from immunescape.report.workbook_cells import Formatted, Sheet
from immunescape.samples import timepoint_order

if TYPE_CHECKING:
    from immunescape.samples import Sample, SampleResult

__all__ = ["gathered", "headline_sheet", "main_results", "patient_sheet"]

_WHOSE = ("patient", "timepoint", "lesion", "specimen", "gates")
_SHEET = ("sample_id", "patient", "timepoint", "specimen", "lesion", "site", "batch")


def headline_sheet(specimens: pd.DataFrame, samples: Sequence["Sample"]) -> Sheet:
    """Return one row a specimen with the three numbers, their intervals and counts.

    Parameters
    ----------
    specimens
        As in ``specimens.csv``.
    samples
        Where the slides come from; gives the further columns of the sheet.
    """
    carried = _carried(samples)
    headers = ["Patient", "Timepoint", "Lesion", "Specimen", "Gates", "Site", "Day", "Slides"]
    headers += list(carried)
    formats: dict[int, str] = {}
    for headline in HEADLINES:
        for what in ("", ", 95 % low", ", 95 % high"):
            formats[len(headers)] = headline.excel
            headers.append(headline.axis + what)
        headers += [f"{headline.title}: counted", f"{headline.title}: out of (cells or mm²)"]
        formats |= {len(headers) - 2: "#,##0", len(headers) - 1: "#,##0.###"}
        headers.append(f"{headline.title}: remark")
    rows = []
    for whose, mine in _each(specimens, _WHOSE):
        first = mine.iloc[0]
        row = [*whose, first["site"], first["day"], first["n_slides"]]
        row += [_told(samples, str(whose[0]), str(whose[1]), column) for column in carried]
        for headline in HEADLINES:
            row += _numbers(mine, headline)
        rows.append(row)
    return Sheet(
        name="Headline",
        told="The three numbers of every specimen, with intervals and what was counted.",
        headers=headers,
        rows=rows,
        formats=formats,
        still=2,
    )


def _numbers(specimen: pd.DataFrame, headline: Headline) -> list[Any]:
    found = rows_of_headline(specimen, headline)
    if found.empty:
        return [None] * 5 + ["not in the table"]
    columns = ("value", "ci_low", "ci_high", "numerator", "denominator", "reason")
    return [found.iloc[0][column] for column in columns]


def patient_sheet(specimens: pd.DataFrame, samples: Sequence["Sample"]) -> Sheet:
    """Return one row a patient, lesion and number, with the timepoints side by side.

    Parameters
    ----------
    specimens
        As in ``specimens.csv``. Where a patient has two specimens of a lesion at a timepoint,
        each has a row.
    samples
        Where the slides come from; gives the order of the timepoints.
    """
    timepoints = _timepoints(specimens, samples)
    carried = _carried(samples)
    headers = ["Patient", "Lesion", "Number", "Gates", *carried, "Unit"]
    start = len(headers)
    headers += [*timepoints]
    headers += [f"{t}, 95 % {end}" for t in timepoints for end in ("low", "high")]
    headers += [f"{t}, {what}" for t in timepoints for what in ("counted", "out of")]
    counts = start + 3 * len(timepoints)
    formats = {counts + i: "#,##0.###" for i in range(2 * len(timepoints))}
    rows = []
    for headline in SHOWN:
        mine = rows_of_headline(specimens, headline)
        at_once = ["patient", "timepoint", "lesion", "gates"]
        mine = mine.assign(_nth=mine.groupby(at_once, dropna=False).cumcount())
        for (patient, lesion, gates, _), its in _each(mine, ("patient", "lesion", "gates", "_nth")):
            at = {str(row["timepoint"]): row for row in its.to_dict("records")}
            row = [patient, lesion, headline.title, gates]
            row += [_told(samples, str(patient), "", column) for column in carried]
            row.append(headline.axis.rpartition(", ")[2] if ", " in headline.axis else "")
            for columns in (("value",), ("ci_low", "ci_high"), ("numerator", "denominator")):
                for timepoint in timepoints:
                    for column in columns:
                        value = at[timepoint][column] if timepoint in at else None
                        shown = column not in ("numerator", "denominator")
                        row.append(Formatted(value, headline.excel) if shown else value)
            rows.append(row)
    return Sheet(
        name="Patient by timepoint",
        told="Each number with the timepoints side by side, one row a patient and lesion.",
        headers=headers,
        rows=rows,
        formats=formats,
        still=3,
    )


def main_results(results: Sequence["SampleResult"]) -> list["SampleResult"]:
    """Return each slide once: under the shared gates, or under its own where it has no others."""
    shared = {r.sample.sample_id for r in results if r.gates == "shared"}
    return [r for r in results if r.gates == "shared" or r.sample.sample_id not in shared]


def gathered(
    results: Sequence["SampleResult"], table: str, phenotypes: Sequence[str] | None = None
) -> pd.DataFrame | None:
    """Return a table of all slides below each other, each row with where it comes from.

    Parameters
    ----------
    results
        The slides.
    table
        Name of the table.
    phenotypes
        Confines it to some phenotypes, of any PD-L1 status.

    Returns
    -------
    DataFrame or None
        None where no slide has it.
    """
    parts = []
    for result in results:
        if table not in result.tables:
            continue
        mine = result.tables[table]
        if phenotypes is not None:
            mine = mine[mine["phenotype"].isin(phenotypes) & (mine["pdl1"] == "any")]
        told = {name: getattr(result.sample, name) for name in _SHEET}
        told = {name: value for name, value in told.items() if name not in mine}
        mine = mine.copy()
        for place, (name, value) in enumerate(told.items()):
            mine.insert(place, name, value)
        parts.append(mine)
    return pd.concat(parts, ignore_index=True) if parts else None


def _carried(samples: Sequence["Sample"]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(column for sample in samples for column in sample.carried))


def _told(samples: Sequence["Sample"], patient: str, timepoint: str, column: str) -> str:
    """Return what the sheet tells of a patient, at a timepoint or over all; each value once."""
    values = [
        s.carried.get(column, "")
        for s in samples
        if s.patient == patient and timepoint in ("", s.timepoint)
    ]
    return ", ".join(dict.fromkeys(value for value in values if value))


def _timepoints(specimens: pd.DataFrame, samples: Sequence["Sample"]) -> tuple[str, ...]:
    known = timepoint_order(samples)
    held = dict.fromkeys(str(t) for t in specimens["timepoint"])
    return tuple(t for t in known if t in held) + tuple(t for t in held if t not in known)


def _each(table: pd.DataFrame, columns: Sequence[str]) -> Any:
    """Return the groups of a table by some columns, a missing value being one of its own."""
    if table.empty:
        return []
    grouped = table.groupby(list(columns), sort=False, dropna=False)
    return [
        (
            tuple("" if missing else k for k, missing in zip(key, pd.isna(list(key)), strict=True)),
            mine,
        )
        for key, mine in grouped
    ]
