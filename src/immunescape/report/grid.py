"""Numbers and plain tables as a terminal shows them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

__all__ = [
    "count",
    "estimate",
    "grid",
    "interval",
    "p_value",
    "percent",
    "percents",
    "three_digits",
    "two_places",
]


def grid(header: Sequence[str], lines: Iterable[Sequence[str]], left: int) -> str:
    """Align columns, the first `left` to the left and the others to the right."""
    table = [tuple(header), *(tuple(line) for line in lines)]
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    rule = tuple("-" * width for width in widths)
    aligned = [
        "  ".join(
            text.ljust(width) if i < left else text.rjust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (table[0], rule, *table[1:])
    ]
    return "\n".join(aligned)


def estimate(row: Mapping[str, Any], form: Callable[[Any], str]) -> str:
    """Return the value of a row with its interval; a dash where there is none."""
    if pd.isna(row["value"]):
        return "-"
    return f"{form(row['value'])} ({interval(row, form)})"


def interval(row: Mapping[str, Any], form: Callable[[Any], str]) -> str:
    """Return both ends of the interval of a row."""
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return "-"
    return f"{form(row['ci_low'])} to {form(row['ci_high'])}"


def percent(value: Any) -> str:
    """Return a fraction in percent."""
    return "-" if pd.isna(value) else f"{100 * float(value):.1f} %"


def percents(low: Any, high: Any) -> str:
    """Return two fractions in percent, an end that is not known as a question mark."""
    if pd.isna(low) and pd.isna(high):
        return "-"
    ends = ["?" if pd.isna(end) else f"{100 * float(end):.1f}" for end in (low, high)]
    return f"{ends[0]} to {ends[1]} %"


def three_digits(value: Any) -> str:
    """Return three significant digits, all digits of what is larger."""
    number = float(value)
    if not math.isfinite(number):
        return "infinite"
    places = 2 - math.floor(math.log10(abs(number))) if number else 0
    return f"{number:.{max(0, places)}f}" if number >= 0.01 or number == 0 else f"{number:.2g}"


def two_places(value: Any) -> str:
    """Return a number with two places."""
    return f"{float(value):.2f}"


def p_value(value: Any) -> str:
    """Return a p value with three places."""
    return "-" if pd.isna(value) else f"{float(value):.3f}"


def count(value: Any) -> str:
    """Return a whole number."""
    return "-" if pd.isna(value) else f"{float(value):.0f}"
