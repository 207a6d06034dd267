"""Tables that people keep: CSV however their office writes it, or a workbook; rows of text."""

import csv
import datetime
import io
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

from immunescape.errors import SheetError

__all__ = ["Row", "Table", "read_rows"]

_WORKBOOKS = (".xlsx", ".xlsm")
_SAVE = "save it as CSV in UTF-8, or as xlsx"


@dataclass(frozen=True)
class Row:
    """One row as text.

    Parameters
    ----------
    line
        Line of the file it begins on, the header being line 1 where nothing stands above it.
    values
        Text by column, without surrounding space.
    extra
        Whether values stand to the right of the last column.
    """

    line: int
    values: dict[str, str]
    extra: bool = False


@dataclass(frozen=True)
class Table:
    """A table as text.

    Parameters
    ----------
    columns
        The header; known columns in lower case, others as they were written.
    rows
        Rows that hold anything.
    decimal_comma
        Whether a comma may be a decimal one.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decimal_comma: bool = False

    def number(self, text: str) -> float | None:
        """Return the finite number that a text is; None if it is none."""
        try:
            value = float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None


def read_rows(path: Path, known: tuple[str, ...]) -> Table:
    """Read a table of text.

    Parameters
    ----------
    path
        CSV with commas, semicolons or tabs, with or without a byte order mark; or xlsx, of which
        the first sheet is read. Numbers of a workbook are as it stores them, dates are ISO.
    known
        Columns that are recognised in any case.

    Raises
    ------
    SheetError
        If the file cannot be read, holds no header, or names a column twice.
    """
    if not path.is_file():
        raise SheetError(path.name, ("there is no such file; check the path",))
    lines, comma = (
        _workbook(path) if path.suffix.lower() in _WORKBOOKS else _text(path)
    )  # fmt: skip
    if not lines:
        raise SheetError(path.name, (f"it is empty; the first line names {', '.join(known[:3])}",))
    (_, header), *rest = lines
    columns = tuple(c.strip().lower() if c.strip().lower() in known else c.strip() for c in header)
    twice = [c for c in dict.fromkeys(columns) if c and columns.count(c) > 1]
    if twice:
        raise SheetError(
            path.name, tuple(f"line 1: the column {c} stands there twice; keep one" for c in twice)
        )
    rows = []
    for line, texts in rest:
        values = [t.strip() for t in texts]
        if not any(values):
            continue
        extra = any(values[len(columns) :])
        values += [""] * (len(columns) - len(values))
        named = {c: v for c, v in zip(columns, values, strict=False) if c}
        rows.append(Row(line, named, extra))
    return Table(tuple(c for c in columns if c), tuple(rows), comma)


def _text(path: Path) -> tuple[list[tuple[int, list[str]]], bool]:
    try:
        data = path.read_bytes()
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = data.decode("utf-16" if utf16 else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SheetError(path.name, (f"it is no text in UTF-8; {_SAVE}",)) from error
    head = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines, begins = [], 1
    try:
        for values in reader:
            if values:
                lines.append((begins, values))
            begins = reader.line_num + 1
    except csv.Error as error:
        problem = f"line {begins}: {error}; put text with quotation marks or a separator in quotes"
        raise SheetError(path.name, (problem,)) from error
    while lines and not any(v.strip() for v in lines[0][1]):
        lines.pop(0)
    return lines, delimiter != ","


def _workbook(path: Path) -> tuple[list[tuple[int, list[str]]], bool]:
    from openpyxl import load_workbook

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of drop-down lists and styles, which are not read
            book = load_workbook(path, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            lines = [
                (number, [_cell(value) for value in values])
                for number, values in enumerate(sheet.iter_rows(values_only=True), start=1)
            ]
            book.close()
    except Exception as error:  # openpyxl raises whatever a broken archive makes it raise
        raise SheetError(path.name, (f"it is no workbook that can be read; {_SAVE}",)) from error
    return [(n, values) for n, values in lines if any(v.strip() for v in values)], False


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    return str(value)
