"""The workbook of one slide, and that of a cohort: ``report.xlsx``."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.report.headlines import SHOWN
from immunescape.report.text import NOT_FOR_DIAGNOSIS
from immunescape.report.wording import METRIC_TITLES, PHENOTYPE_TITLES, marker_title, region_title
from immunescape.report.workbook_cells import Formatted, Sheet
from immunescape.report.workbook_cohort import (
    gathered,
    headline_sheet,
    main_results,
    patient_sheet,
)
from immunescape.report.workbook_columns import COLUMNS, TABLE_COLUMNS, tables_with
from immunescape.report.workbook_sheets import table_sheet, write_workbook
from immunescape.results import REGION_NAMES

if TYPE_CHECKING:
    from immunescape.samples import SampleResult

__all__ = ["write_cohort_workbook", "write_slide_workbook"]

_SLIDE_TABLES = (
    ("Summary", "summary", "Every number of the slide, for every region and rule of contact."),
    ("Regions", "regions", "Counts, areas and densities by region."),
    ("Bands", "bands", "Counts and densities by distance to the margin."),
    ("Gates", "gates", "Above which value a cell is positive, and how that was found."),
    ("Sensitivity", "sensitivity", "The headline with the slide judged in other ways."),
    ("Quality", "quality", "Tissue that is folded, blurred or pigmented, and what lies in it."),
    ("Segmentation", "segmentation", "How the nuclei look, tile by tile."),
)
_COHORT_TABLES = (
    ("Changes", "patients", "From timepoint to timepoint in each patient; intervals are those of "
     "chance within these slides only."),
    ("Comparisons", "comparisons", "From timepoint to timepoint over patients; read effect and "
     "interval before p."),
    ("Patterns", "patterns", "What the numbers are consistent with, and what argues against it."),
    ("Specimens", "specimens", "Every number of every specimen, its slides summed."),
)  # fmt: skip
_FRACTIONS = "fraction"
_IN_ANY_REGION = ("cd8_density",)
_UNITS = {"1": "", "per_mm2": "per mm²", "mm2": "mm²", "log_odds": "log odds ratio",
          "percent": "%", "per_100_tumour_cells": "per 100 tumour cells"}  # fmt: skip


def write_slide_workbook(folder: Path, name: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write ``report.xlsx`` of one slide.

    Parameters
    ----------
    folder
        The result folder; it must exist.
    name
        Name of the slide.
    tables
        Its tables by name; see ``results.SlideResult``. Those that are not there have no sheet.
    """
    sheets = [_slide_headline(tables["summary"])] if "summary" in tables else []
    sheets += [
        table_sheet(title, told, tables[key], still=2 if key != "quality" else 1)
        for title, key, told in _SLIDE_TABLES
        if key in tables
    ]
    held = [key for _, key, _ in _SLIDE_TABLES if key in tables]
    _write(folder, f"Slide {name}", sheets, held, ())


def write_cohort_workbook(
    folder: Path, results: Sequence["SampleResult"], tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write ``report.xlsx`` of a cohort.

    Parameters
    ----------
    folder
        Folder of the cohort; it must exist.
    results
        The slides that were analysed; of one that stands there under two kinds of gates the
        shared ones are shown.
    tables
        ``specimens, patients, comparisons, patterns, staining, failures`` by name; those that are
        not there have no sheet.
    """
    sheets, held, results = [], [], main_results(results)
    carried = tuple(dict.fromkeys(c for r in results for c in r.sample.carried))
    if "specimens" in tables:
        specimens = tables["specimens"]
        samples = [r.sample for r in results]
        sheets += [headline_sheet(specimens, samples), patient_sheet(specimens, samples)]
        held.append("specimens")
    for title, key, told in _COHORT_TABLES:
        if key in tables:
            sheets.append(table_sheet(title, told, tables[key], still=2))
            held.append(key)
    for title, key, told, rows in (
        ("Regions", "regions", "Counts, areas and densities by region, of every slide.", None),
        ("Bands", "bands", "CD8 T cells and tumour cells by distance to the margin, of every "
         "slide; bands.csv of a slide holds the other cells.", ("cd8_t", "tumour")),
        ("Gates", "gates", "Above which value a cell is positive, of every slide.", None),
    ):  # fmt: skip
        found = gathered(results, key, rows)
        if found is not None:
            sheets.append(table_sheet(title, told, found, still=4))
            held.append(key)
    if "staining" in tables:
        told = "Whether the stains of slides that share gates can be compared."
        sheets.append(table_sheet("Staining", told, tables["staining"], still=1))
        held.append("staining")
    if "failures" in tables:
        told = "Slides that could not be analysed, with what to do about it."
        sheets.append(table_sheet("Failures", told, tables["failures"], still=1))
        held.append("failures")
    patients = {r.sample.patient for r in results}
    people = "1 patient" if len(patients) == 1 else f"{len(patients)} patients"
    slides = "1 slide" if len(results) == 1 else f"{len(results)} slides"
    title = f"Cohort of {people}, {slides}"
    _write(folder, title, sheets, held, carried)


def _write(
    folder: Path, title: str, sheets: Sequence[Sheet], held: Sequence[str], carried: Sequence[str]
) -> None:
    dictionary = _dictionary(held, carried)
    every = (*sheets, dictionary)
    about = Sheet(
        name="About",
        told="",
        headers=("Sheet", "Holds", "Rows"),
        rows=[
            (title, NOT_FOR_DIAGNOSIS, None),
            ("", "Empty cells are missing values, never 0. Numbers are stored as in the CSV files; "
             "cells only show fewer digits.", None),
            *((sheet.name, sheet.told, len(sheet.rows)) for sheet in every),
        ],
        formats={2: "#,##0"},
        wrapped=frozenset((0, 1)),
        filters=False,
    )  # fmt: skip
    write_workbook(folder / "report.xlsx", (about, *every), title=title)


def _slide_headline(summary: pd.DataFrame) -> Sheet:
    """Return the main rows: by contact, of the whole slide; CD8 densities of every region."""
    near = summary["neighbourhood"].fillna("").isin(("", "contact"))
    whole = summary["region"] == "tissue"
    some = summary["metric"].isin(_IN_ANY_REGION) & summary["region"].isin(REGION_NAMES)
    rows = [_headline_row(row) for row in summary[near & (whole | some)].to_dict("records")]
    return Sheet(
        name="Headline",
        told="The main numbers of the slide, with intervals and what was counted.",
        headers=(
            "What", "Cells", "Where", "Value", "Unit", "95 % interval, low",
            "95 % interval, high", "Interval by", "Counted", "Out of (cells or mm²)",
            "With the PD-L1 gate low", "With the PD-L1 gate high", "p", "Evaluable", "Remark",
        ),
        rows=rows,
        formats={8: "#,##0", 9: "#,##0.###", 12: "0.000"},
        still=3,
    )  # fmt: skip


def _headline_row(row: Mapping[Any, Any]) -> list[Any]:
    metric, unit = str(row["metric"]), str(row["unit"])
    shown = _form(metric, unit)
    title = METRIC_TITLES.get(metric, metric.replace("_", " "))
    if metric == "membrane_to_cytoplasm_ratio":
        title = f"{marker_title(str(row['statistic']))}, {title}"
    return [
        title,
        PHENOTYPE_TITLES.get(str(row["phenotype"]), row["phenotype"]),
        region_title(str(row["region"])),
        Formatted(row["value"], shown),
        "%" if "%" in shown else _UNITS.get(unit, unit),
        Formatted(row["ci_low"], shown),
        Formatted(row["ci_high"], shown),
        _words(row["ci_method"]),
        row["numerator"],
        row["denominator"],
        Formatted(row["gate_low_value"], shown),
        Formatted(row["gate_high_value"], shown),
        row["p_value"],
        row["evaluable"],
        row["reason"],
    ]


def _form(metric: str, unit: str) -> str:
    for headline in SHOWN:
        if headline.metric == metric:
            return headline.excel
    return "0.0%" if _FRACTIONS in metric else "#,##0" if unit == "cells" else "0.00"


def _words(value: Any) -> Any:
    return value.replace("_", " ") if isinstance(value, str) else value


def _dictionary(held: Sequence[str], carried: Sequence[str]) -> Sheet:
    """Return the sheet that explains every column of the tables held."""
    used = dict.fromkeys(column for table in held for column in TABLE_COLUMNS[table])
    rows: list[tuple[str, str, str, str]] = [
        (name, COLUMNS[name].unit, COLUMNS[name].meaning, ", ".join(tables_with(name, held)))
        for name in used
    ]
    rows += [
        (name, "", "A further column of the sample sheet, as it was given.", "sample sheet")
        for name in carried
        if name not in used
    ]
    return Sheet(
        name="Data dictionary",
        told="What every column means, and its unit.",
        headers=("Column", "Unit", "Meaning", "Tables"),
        rows=rows,
        formats={},
        still=1,
        wrapped=frozenset((2, 3)),
    )
