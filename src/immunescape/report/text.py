"""The headline as plain tables for a terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from immunescape.results import REGION_NAMES

__all__ = ["NOT_FOR_DIAGNOSIS", "headline_tables"]

NOT_FOR_DIAGNOSIS = "For research use, not for diagnosis."

_GROUPS = (
    ("tumour", "touching", "pdl1_negative_fraction_touching_cd8", "tumour, touching CD8"),
    ("tumour", "not", "pdl1_negative_fraction_not_touching_cd8", "tumour, not touching"),
    ("other", "touching", "pdl1_negative_fraction_touching_cd8", "other, touching CD8"),
    ("other", "not", "pdl1_negative_fraction_not_touching_cd8", "other, not touching"),
)
_RATIO = "cd8_margin_to_centre_ratio"
_RATIO_LABEL = "margin / centre"
_WITH_NOTES = (_RATIO_LABEL,)  # what concerns every density is said of the first table already
_ODDS = "pdl1_induction_log_odds_ratio"
_COLUMNS_AT_ONCE = 3


def headline_tables(
    slides: Mapping[str, Mapping[str, pd.DataFrame]], *, region: str = "tissue"
) -> str:
    """Return the three headline tables of some slides, in their order.

    Parameters
    ----------
    slides
        Tables of each slide by the name to print, a timepoint say; of each, ``summary`` is read.
    region
        Region of the first and third table; one of the seven.

    Returns
    -------
    str
        PD-L1-negative fractions, densities of CD8 T cells, and PD-L1 by contact, each followed by
        what is not evaluable; then the notes on their main rows, each once; at the end a line
        about use, alone where there is no slide.
    """
    summaries = {name: tables["summary"] for name, tables in slides.items()}
    if not summaries:
        return NOT_FOR_DIAGNOSIS + "\n"
    notes = _Notes()
    parts = [
        _fraction_table(summaries, region, notes),
        _density_table(summaries, notes),
        _contact_table(summaries, region, notes),
        *filter(None, [notes.text()]),
        NOT_FOR_DIAGNOSIS,
    ]
    return "\n\n".join(parts) + "\n"


def _fraction_table(summaries: Mapping[str, pd.DataFrame], region: str, notes: "_Notes") -> str:
    lines, remarks = [], _Remarks(notes)
    for slide, summary in summaries.items():
        for i, (phenotype, _, metric, label) in enumerate(_GROUPS[:3]):
            row = _row(summary, metric, region, phenotype, "contact")
            remarks.add(slide, label, row, notes=i == 0)
            lines.append(
                (
                    slide if i == 0 else "",
                    label,
                    _percent(row["value"]),
                    _range(row, _percent),
                    _count(row["numerator"]),
                    _count(row["denominator"]),
                )
            )
    header = ("slide", "cells", "PD-L1-negative", "95 % interval", "negative", "n")
    title = f"1. PD-L1-negative fraction of cells by contact with CD8 T cells, {_place(region)}"
    return _render(title, header, lines, remarks, left=2)


def _density_table(summaries: Mapping[str, pd.DataFrame], notes: "_Notes") -> str:
    widths = {
        f"{float(width):g}"
        for summary in summaries.values()
        for width in summary["margin_width_um"].dropna().unique()
    }
    margin = f", margin {' or '.join(sorted(widths, key=float))} µm each side" if widths else ""
    title = f"2. CD8 T cells per mm² (95 % interval){margin}"
    names, remarks, blocks = list(summaries), _Remarks(notes), []
    for start in range(0, len(names), _COLUMNS_AT_ONCE):
        some = names[start : start + _COLUMNS_AT_ONCE]
        lines = []
        for label in (*REGION_NAMES, _RATIO_LABEL):
            cells = []
            for slide in some:
                if label in REGION_NAMES:
                    row = _row(summaries[slide], "cd8_density", label, "cd8_t", "")
                else:
                    row = _row(summaries[slide], _RATIO, "tissue", "cd8_t", "")
                remarks.add(slide, label.replace("_", " "), row, notes=label in _WITH_NOTES)
                cells.append(_estimate(row, _three_digits))
            lines.append((label.replace("_", " "), *cells))
        blocks.append(_grid(("region", *some), lines, left=1))
    return "\n".join([title, "", *"\n\n".join(blocks).splitlines(), *remarks.lines()])


def _contact_table(summaries: Mapping[str, pd.DataFrame], region: str, notes: "_Notes") -> str:
    lines, remarks = [], _Remarks(notes)
    for slide, summary in summaries.items():
        for i, (phenotype, side, metric, label) in enumerate(_GROUPS):
            row = _row(summary, metric, region, phenotype, "contact")
            negative, known = row["numerator"], row["denominator"]
            odds = ""
            if side == "touching":
                effect = _row(summary, _ODDS, region, phenotype, "contact")
                remarks.add(slide, f"{phenotype}, log odds ratio", effect, notes=i == 0)
                odds = _estimate(effect, _two_places)
            lines.append(
                (
                    slide if i == 0 else "",
                    label,
                    _count(known - negative),
                    _count(negative),
                    _count(known),
                    odds,
                )
            )
    header = ("slide", "cells", "PD-L1+", "PD-L1-", "n", "log odds ratio (95 % interval)")
    title = (
        f"3. PD-L1 by contact with CD8 T cells, {_place(region)}; log odds ratio of PD-L1+, "
        "touching against not"
    )
    return _render(title, header, lines, remarks, left=2)


def _row(
    summary: pd.DataFrame, metric: str, region: str, phenotype: str, neighbourhood: str
) -> Mapping[str, Any]:
    """Return one row of a summary; one that says so where the summary lacks it."""
    mine = summary[
        (summary["metric"] == metric)
        & (summary["region"] == region)
        & (summary["phenotype"] == phenotype)
        & (summary["neighbourhood"].fillna("") == neighbourhood)
    ]
    if len(mine):
        return {str(column): value for column, value in mine.iloc[0].items()}
    nothing = dict.fromkeys(("value", "ci_low", "ci_high", "numerator", "denominator"), math.nan)
    return {**nothing, "evaluable": False, "reason": "not in the summary"}


class _Notes:
    """Collects the notes of all tables: each text once, with the slides and rows it concerns."""

    def __init__(self) -> None:
        self._notes: dict[str, dict[str, list[str]]] = {}

    def add(self, text: str, slide: str, subject: str) -> None:
        """Take up one note on one row."""
        self._notes.setdefault(text, {}).setdefault(slide, []).append(subject)

    def text(self) -> str:
        """Lines to print below the tables; a note on several rows names the slides alone."""
        lines = []
        for text, slides in self._notes.items():
            subjects = {subject for some in slides.values() for subject in some}
            row = f" ({subjects.pop()})" if len(subjects) == 1 else ""
            lines.append(f"note: {', '.join(slides)}{row}: {text}")
        return "\n".join(lines)


class _Remarks:
    """Collects what is not evaluable, each reason once, and passes notes on."""

    def __init__(self, notes: _Notes) -> None:
        self._subjects: dict[str, list[str]] = {}
        self._stops: dict[str, dict[str, list[str]]] = {}
        self._notes = notes

    def add(self, slide: str, subject: str, row: Mapping[str, Any], *, notes: bool = True) -> None:
        """Take up the reason of a row; of an evaluable one only where `notes` asks for it."""
        self._subjects.setdefault(slide, []).append(subject)
        reason = "" if pd.isna(row["reason"]) else str(row["reason"])
        if not bool(row["evaluable"]):
            stops = self._stops.setdefault(reason or "no reason given", {})
            stops.setdefault(slide, []).append(subject)
        elif notes:
            for part in filter(None, reason.split("; ")):
                self._notes.add(part, slide, subject)

    def lines(self) -> list[str]:
        """Lines to print below a table; a slide alone stands for all of its rows."""
        lines = []
        for reason, slides in self._stops.items():
            where = []
            for slide, subjects in slides.items():
                rows = "" if subjects == self._subjects[slide] else f" ({', '.join(subjects)})"
                where.append(slide + rows)
            lines.append(f"not evaluable: {'; '.join(where)}: {reason}")
        return lines


def _render(
    title: str,
    header: Sequence[str],
    lines: Iterable[Sequence[str]],
    remarks: _Remarks,
    left: int,
) -> str:
    return "\n".join([title, "", _grid(header, lines, left), *remarks.lines()])


def _grid(header: Sequence[str], lines: Iterable[Sequence[str]], left: int) -> str:
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


def _place(region: str) -> str:
    return "all analysed tissue" if region == "tissue" else region.replace("_", " ")


def _estimate(row: Mapping[str, Any], form: Any) -> str:
    if pd.isna(row["value"]):
        return "-"
    return f"{form(row['value'])} ({_range(row, form)})"


def _range(row: Mapping[str, Any], form: Any) -> str:
    if pd.isna(row["ci_low"]) or pd.isna(row["ci_high"]):
        return "-"
    return f"{form(row['ci_low'])} to {form(row['ci_high'])}"


def _percent(value: Any) -> str:
    return "-" if pd.isna(value) else f"{100 * float(value):.1f} %"


def _three_digits(value: Any) -> str:
    """Three significant digits, all digits of what is larger."""
    number = float(value)
    if not math.isfinite(number):
        return "infinite"
    places = 2 - math.floor(math.log10(abs(number))) if number else 0
    return f"{number:.{max(0, places)}f}" if number >= 0.01 or number == 0 else f"{number:.2g}"


def _two_places(value: Any) -> str:
    return f"{float(value):.2f}"


def _count(value: Any) -> str:
    return "-" if pd.isna(value) else f"{float(value):.0f}"
