"""What a sheet of a workbook is made of, and how wide and high that is."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Formatted", "Sheet", "high", "plain", "widths"]

_LOOKED_AT = 300
_LINE_PT = 15.0
_NARROW, _WIDE = 7.0, 60.0


@dataclass(frozen=True)
class Formatted:
    """A value that is shown in a way of its own.

    Parameters
    ----------
    value
        A number.
    form
        How a spreadsheet shows it.
    """

    value: Any
    form: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Sheet:
    """One sheet.

    Parameters
    ----------
    name
        On its tab; at most 31 letters.
    told
        What it holds, for the list of sheets.
    headers
        One a column, with the unit.
    rows
        Values; a missing one leaves its cell empty.
    formats
        How numbers of a column are shown, by its place; others as they are.
    still
        How many columns stay in view when the sheet is moved sideways.
    wrapped
        Places of columns whose text breaks into lines.
    filters
        Whether columns have buttons to filter by.
    """

    name: str
    told: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    formats: Mapping[int, str]
    still: int = 0
    wrapped: frozenset[int] = frozenset()
    filters: bool = True


def plain(value: Any) -> str | int | float | bool | None:
    """Return a value as a spreadsheet knows it; None for a missing one."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        if math.isnan(number):
            return None
        if math.isinf(number):
            return "infinite" if number > 0 else "minus infinite"
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return str(value)


def high(row: Sequence[Any], places: Iterable[int], wide: Sequence[float]) -> float:
    """Return how high a row is whose text breaks into lines; not every program measures it."""
    lines = 1
    for i in places:
        if i < len(row) and isinstance(row[i], str):
            lines = max(lines, len(textwrap.wrap(row[i], max(int(wide[i] * 1.1), 4))))
    return _LINE_PT * lines


def widths(sheet: Sheet) -> list[float]:
    """Return the width of each column, in letters, from its header and first rows."""
    found = []
    for i, header in enumerate(sheet.headers):
        longest = max((len(word) for word in header.split()), default=0) + 3.0
        for row in sheet.rows[:_LOOKED_AT]:
            longest = max(longest, _letters(row[i], sheet.formats.get(i, "")) + 1.5)
        found.append(min(max(longest, _NARROW), _WIDE))
    return found


def _letters(value: Any, form: str) -> int:
    """Return how many letters a value takes."""
    if isinstance(value, Formatted):
        value, form = value.value, value.form
    value = plain(value)
    if value is None:
        return 0
    if isinstance(value, str):
        return max(len(line) for line in (value.splitlines() or [""]))
    if not form or isinstance(value, bool):
        return len(f"{value:.10g}") if not isinstance(value, bool) else 5
    places = len(form.partition(".")[2])
    return len(f"{value:,.{places}f}") + form.count("%")
