"""Sheets of a workbook: values, formats and widths; nothing in them can run."""

import re
import zipfile
from collections.abc import Iterable, Sequence
from copy import copy
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from immunescape.io.output import atomic_path
from immunescape.report.workbook_cells import Formatted, Sheet, high, plain, widths

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

__all__ = ["MOST_ROWS", "table_sheet", "write_workbook"]

MOST_ROWS = 1_048_576
"""Rows that a sheet can have, its header included."""
_MOST_LETTERS = 32_767
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TIME = (1980, 1, 1, 0, 0, 0)
_STAMP = b"1980-01-01T00:00:00Z"
_STAMPED = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")

_BY_UNIT = {
    "1": "0.000", "per_mm2": "#,##0.0", "mm2": "0.0000", "cells": "#,##0", "log_odds": "0.00",
    "percent": "0.0", "per_100_tumour_cells": "0.0",
}  # fmt: skip
_IN_UNIT = frozenset((
    "value", "ci_low", "ci_high", "gate_low_value", "gate_high_value", "main_value", "difference",
    "from_value", "to_value",
))  # fmt: skip
_BY_COLUMN = {
    "area_mm2": "0.0000", "tissue_mm2": "0.0000", "density_per_mm2": "#,##0.0",
    "threshold": "0.0##", "gate_low": "0.0##", "gate_high": "0.0##", "severity": "0.00",
    "median_area_um2": "0.0", "effect": "0.000", "mixed_effect": "0.000", "mixed_ci_low": "0.000",
    "mixed_ci_high": "0.000", "p_value": "0.0000", "q_value": "0.0000",
    "smallest_p_value": "0.0000000",
}  # fmt: skip


def table_sheet(name: str, told: str, table: pd.DataFrame, *, still: int = 0) -> Sheet:
    """Return a table of a result as a sheet; its columns keep their names.

    Parameters
    ----------
    name, told, still
        See `Sheet`.
    table
        Numbers whose unit stands in the column ``unit`` of their row are shown to fit it.
    """
    columns = [str(column) for column in table.columns]
    formats = {i: _BY_COLUMN[c] for i, c in enumerate(columns) if c in _BY_COLUMN}
    places = [i for i, c in enumerate(columns) if c in _IN_UNIT] if "unit" in columns else []
    scaled = "effect_scale" in columns  # there an interval is one of the effect
    places = [i for i in places if not (scaled and columns[i].startswith("ci_"))]
    of_density = not scaled and "unit" not in columns and "density_per_mm2" in columns
    interval = "0.000" if scaled else _BY_COLUMN["density_per_mm2"] if of_density else ""
    formats |= {i: interval for i, c in enumerate(columns) if c in ("ci_low", "ci_high")}
    unit = columns.index("unit") if "unit" in columns else 0
    rows: list[list[Any]] = []
    for values in table.itertuples(index=False, name=None):
        row = list(values)
        form = _BY_UNIT.get(str(row[unit]), "") if places else ""
        if form:
            for i in places:
                row[i] = Formatted(row[i], form)
        rows.append(row)
    return Sheet(name=name, told=told, headers=columns, rows=rows, formats=formats, still=still)


def write_workbook(path: Path, sheets: Iterable[Sheet], *, title: str) -> None:
    """Write sheets as one workbook, whole or not at all.

    Text stays text: what a spreadsheet would take for a formula is marked as quoted. Infinite
    numbers are words. Text that is too long for a cell, and rows too many for a sheet, are cut,
    and that is said in their place. The same sheets give the same bytes.

    Parameters
    ----------
    path
        The file; its folder must exist.
    sheets
        In their order.
    title
        Title of the document.
    """
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.title = _text(title)
    book.properties.creator = "immunescape"
    for sheet in sheets:
        _fill(book.create_sheet(sheet.name), sheet)
    saved = BytesIO()
    book.save(saved)
    with atomic_path(path) as beside, zipfile.ZipFile(beside, "w") as target:
        with zipfile.ZipFile(saved) as source:
            for name in source.namelist():
                data = source.read(name)
                if name == "docProps/core.xml":
                    data = _STAMPED.sub(rb"\g<1>" + _STAMP + rb"\g<2>", data)
                entry = zipfile.ZipInfo(name, _TIME)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o600 << 16
                target.writestr(entry, data)


def _fill(target: Any, sheet: Sheet) -> None:
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter

    wide = widths(sheet)
    for i, width in enumerate(wide, start=1):
        target.column_dimensions[get_column_letter(i)].width = width
    target.freeze_panes = f"{get_column_letter(sheet.still + 1)}2"
    target.page_setup.orientation = "landscape"
    target.page_setup.paperSize = 9  # A4
    target.page_setup.fitToHeight = 0
    target.sheet_properties.pageSetUpPr = _fit_to_page()
    target.print_title_rows = "1:1"
    if sheet.filters and sheet.rows:
        last = min(len(sheet.rows) + 1, MOST_ROWS)
        target.auto_filter.ref = f"A1:{get_column_letter(len(sheet.headers))}{last}"
    cells = _Cells(target)
    heads = []
    for header in sheet.headers:
        cell = cells.of(header, "")
        cell.font = Font(name="Calibri", size=11, bold=True)
        cell.fill = PatternFill("solid", fgColor="E3E8EE")
        cell.alignment = Alignment(vertical="top", wrap_text=True)
        heads.append(cell)
    target.row_dimensions[1].height = high(sheet.headers, range(len(heads)), wide)
    target.append(heads)
    for number, row in enumerate(_that_fit(sheet), start=2):
        if sheet.wrapped:
            target.row_dimensions[number].height = high(row, sheet.wrapped, wide)
        target.append(
            [
                cells.of(value, sheet.formats.get(i, ""), _alignment(i, sheet))
                for i, value in enumerate(row)
            ]
        )


def _alignment(place: int, sheet: Sheet) -> Literal["", "top", "wrapped"]:
    if not sheet.wrapped:
        return ""
    return "wrapped" if place in sheet.wrapped else "top"


def _that_fit(sheet: Sheet) -> Iterable[Sequence[Any]]:
    """Return the rows that a sheet has room for; where some are left out a last one says so."""
    room = MOST_ROWS - 1
    if len(sheet.rows) <= room:
        return sheet.rows
    kept = room - 1
    said = f"{len(sheet.rows) - kept} more rows do not fit into a sheet; the CSV file holds all"
    return (*sheet.rows[:kept], (said,))


def _fit_to_page() -> Any:
    from openpyxl.worksheet.properties import PageSetupProperties

    return PageSetupProperties(fitToPage=True)


class _Cells:
    """Makes the cells of a sheet: numbers, truth, and text that is never more than text.

    How a cell looks is worked out once for all that look alike.
    """

    def __init__(self, sheet: "WriteOnlyWorksheet") -> None:
        self._sheet = sheet
        self._looks: dict[tuple[str, str, bool], Any] = {}

    def of(self, value: Any, form: str, alignment: str = "") -> Any:
        """Return the cell of a value."""
        from openpyxl.cell import WriteOnlyCell

        if isinstance(value, Formatted):
            value, form = value.value, value.form
        value = plain(value)
        runs = False
        if isinstance(value, str):
            value, form = _text(value) or None, ""
            runs = value is not None and value.lstrip(" ").startswith(_RUNS)
        elif value is None or isinstance(value, bool):
            form = ""
        cell: Any = WriteOnlyCell(self._sheet, value)
        if isinstance(value, str):
            cell.data_type = "s"
        if form or alignment or runs:
            self._dress(cell, form, alignment, runs)
        return cell

    def _dress(self, cell: Any, form: str, alignment: str, runs: bool) -> None:
        from openpyxl.styles import Alignment

        look = self._looks.get((form, alignment, runs))
        if look is None:
            if form:
                cell.number_format = form
            if alignment:
                cell.alignment = Alignment(vertical="top", wrap_text=alignment == "wrapped")
            cell.quotePrefix = runs
            self._looks[form, alignment, runs] = copy(cell._style)
        else:
            cell._style = copy(look)


def _text(text: str) -> str:
    """Return text as a cell can hold it."""
    text = _NOT_XML.sub("\ufffd", text)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"
