"""The headline as plain tables for a terminal of 100 columns."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from immunescape.report.grid import (
    count,
    estimate,
    grid,
    p_value,
    percent,
    percents,
    three_digits,
    two_places,
)
from immunescape.report.remarks import Notes, Remarks, wrapped
from immunescape.results import REGION_NAMES, SENSITIVITY_COLUMNS, empty_table

__all__ = ["NOT_FOR_DIAGNOSIS", "headline_tables"]

NOT_FOR_DIAGNOSIS = "For research use, not for diagnosis."

_HEADLINE = "pdl1_negative_fraction_touching_cd8"
_APART = "pdl1_negative_fraction_not_touching_cd8"
_GROUPS = (
    ("tumour", _HEADLINE, "tumour, touching CD8"),
    ("tumour", _APART, "tumour, not touching"),
    ("other", _HEADLINE, "other, touching CD8"),
    ("other", _APART, "other, not touching"),
)
_RATIO = "cd8_margin_to_centre_ratio"
_RATIO_LABEL = "margin / centre"
_WITH_NOTES = (_RATIO_LABEL,)  # what concerns every density is said of the first table already
_ODDS = "pdl1_induction_log_odds_ratio"
_COLUMNS_AT_ONCE = 3
_UNCONFIRMED = "automatic gate not confirmed"
_VARIED = {
    "statistic": "membrane reading",
    "gate": "gate of PD-L1, CD8",
    "method": "method of the gates",
    "growth": "growth of nuclei, µm",
    "phenotype": "tumour markers",
    "quality": "tissue left out",
    "bandwidth": "tumour region, µm",
}
_WIDE_MOVE = 0.10


def headline_tables(
    slides: Mapping[str, Mapping[str, pd.DataFrame]], *, region: str = "tissue"
) -> str:
    """Return the headline tables of some slides, in their order.

    Parameters
    ----------
    slides
        Tables of each slide by the name to print, a timepoint say; of each, ``summary`` is read
        and, where it is there, ``sensitivity``.
    region
        Region of the tables but the second; one of the seven.

    Returns
    -------
    str
        PD-L1-negative fractions with their intervals and at both ends of the PD-L1 gate,
        densities of CD8 T cells, PD-L1 by contact, and where a slide was judged otherwise how far
        the headline moved; each followed by what is not evaluable. Then the notes on their main
        rows, each once; at the end a line about use, alone where there is no slide.
    """
    summaries = {name: tables["summary"] for name, tables in slides.items()}
    if not summaries:
        return NOT_FOR_DIAGNOSIS + "\n"
    notes = Notes()
    parts = [
        _fraction_table(summaries, region, notes),
        _density_table(summaries, notes),
        _contact_table(summaries, region, notes),
        _sensitivity_table(slides, region),
        notes.text(),
        NOT_FOR_DIAGNOSIS,
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _fraction_table(summaries: Mapping[str, pd.DataFrame], region: str, notes: Notes) -> str:
    lines, remarks = [], Remarks(notes)
    unconfirmed: dict[str, list[str]] = {}
    for slide, summary in summaries.items():
        for i, (phenotype, metric, label) in enumerate(_GROUPS[:3]):
            row = _row(summary, metric, region, phenotype, "contact")
            gates, row = _without_gates(row)
            if gates and i == 0:
                unconfirmed.setdefault(gates, []).append(slide)
            remarks.add(slide, label, row, notes=i == 0)
            lines.append(
                (
                    slide if i == 0 else "",
                    label,
                    percent(row["value"]) + ("*" if gates else " "),
                    percents(row["ci_low"], row["ci_high"]),
                    percents(*sorted((row["gate_low_value"], row["gate_high_value"]), key=_last)),
                    f"{count(row['numerator'])} / {count(row['denominator'])}",
                )
            )
    header = ("slide", "cells", "PD-L1-neg. ", "95 % interval", "PD-L1 gate range", "cells")
    title = f"1. PD-L1-negative fraction of cells by contact with CD8 T cells, {_place(region)}"
    stars = [
        wrapped(f"* {gates} ({', '.join(marked)})" if len(summaries) > 1 else f"* {gates}")
        for gates, marked in unconfirmed.items()
    ]
    return _render(title, header, lines, [*stars, *remarks.lines()], left=2)


def _density_table(summaries: Mapping[str, pd.DataFrame], notes: Notes) -> str:
    widths = {
        f"{float(width):g}"
        for summary in summaries.values()
        for width in summary["margin_width_um"].dropna().unique()
    }
    margin = f", margin {' or '.join(sorted(widths, key=float))} µm each side" if widths else ""
    title = f"2. CD8 T cells per mm² (95 % interval){margin}"
    names, remarks, blocks = list(summaries), Remarks(notes), []
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
                _, row = _without_gates(row)
                remarks.add(slide, label.replace("_", " "), row, notes=label in _WITH_NOTES)
                cells.append(estimate(row, three_digits))
            lines.append((label.replace("_", " "), *cells))
        blocks.append(grid(("region", *some), lines, left=1))
    return "\n".join([title, "", *"\n\n".join(blocks).splitlines(), *remarks.lines()])


def _contact_table(summaries: Mapping[str, pd.DataFrame], region: str, notes: Notes) -> str:
    lines, remarks = [], Remarks(notes)
    for slide, summary in summaries.items():
        for i, (phenotype, metric, label) in enumerate(_GROUPS):
            row = _row(summary, metric, region, phenotype, "contact")
            negative, known = row["numerator"], row["denominator"]
            odds = p = ""
            if metric == _HEADLINE:
                _, effect = _without_gates(_row(summary, _ODDS, region, phenotype, "contact"))
                remarks.add(slide, f"{phenotype}, log odds ratio", effect, notes=i == 0)
                odds, p = estimate(effect, two_places), p_value(effect["p_value"])
            lines.append(
                (
                    slide if i == 0 else "",
                    label,
                    count(known - negative),
                    count(negative),
                    count(known),
                    odds,
                    p,
                )
            )
    header = ("slide", "cells", "PD-L1+", "PD-L1-", "n", "log odds ratio (95 % interval)", "p")
    title = (
        f"3. PD-L1 by contact with CD8 T cells, {_place(region)}; log odds ratio of PD-L1+, "
        "touching\n   against not, p by relabelling CD8 within 50 µm"
    )
    return _render(title, header, lines, remarks.lines(), left=2)


def _sensitivity_table(slides: Mapping[str, Mapping[str, pd.DataFrame]], region: str) -> str:
    """Return how far the headline moves, a line a slide and what is varied; empty without any."""
    lines, remarks = [], Remarks(Notes())
    for slide, tables in slides.items():
        rows = tables.get("sensitivity", empty_table(SENSITIVITY_COLUMNS))
        rows = rows[
            (rows["metric"] == _HEADLINE)
            & (rows["phenotype"] == "tumour")
            & (rows["region"] == region)
        ]
        name = slide
        for kind, mine in rows.groupby("kind", sort=False):
            what = _VARIED.get(str(kind), str(kind).replace("_", " "))
            for _, row in mine.iterrows():
                judged = {str(column): value for column, value in row.items()}
                remarks.add(slide, f"{what}: {row['variant']}", judged, notes=False)
            known = mine[mine["value"].notna()].sort_values("value", kind="stable")
            if len(known):
                ends = known.iloc[[0, -1]].to_dict("records")
                values = [f"{percent(end['value'])} ({end['variant']})" for end in ends]
                lines.append((name, what, *values, _points([e["difference"] for e in ends])))
                name = ""
    stops = remarks.lines()
    if not lines and not stops:
        return ""
    header = ("slide", "judged otherwise", "lowest", "highest", "move")
    title = (
        f"4. Tumour cells touching CD8: PD-L1-negative fraction judged otherwise, {_place(region)}"
    )
    wide = [f"! moves by more than {100 * _WIDE_MOVE:.0f} points"]
    if not any(line[-1].endswith("!") for line in lines):
        wide = []
    return _render(title, header, lines, [*wide, *stops], left=4)


def _points(differences: Sequence[Any]) -> str:
    """Return the largest move in points."""
    known = [float(d) for d in differences if not pd.isna(d)]
    if not known:
        return "- "
    far = max(known, key=abs)
    return f"{100 * far:+.1f}{'!' if abs(far) > _WIDE_MOVE + 1e-9 else ' '}"


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
    numbers = (
        "value", "ci_low", "ci_high", "numerator", "denominator",
        "gate_low_value", "gate_high_value", "p_value",
    )  # fmt: skip
    return {**dict.fromkeys(numbers, math.nan), "evaluable": False, "reason": "not in the summary"}


def _without_gates(row: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Take the note on gates that nobody confirmed out of a row's reason and return both."""
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])
    parts = reason.split("; ")
    gates = [part for part in parts if part.startswith(_UNCONFIRMED)]
    if not gates:
        return "", row
    rest = "; ".join(part for part in parts if part not in gates)
    return gates[0], {**row, "reason": rest}


def _last(value: Any) -> float:
    """Sort what is missing last."""
    return math.inf if pd.isna(value) else float(value)


def _render(
    title: str,
    header: Sequence[str],
    lines: Iterable[Sequence[str]],
    below: Sequence[str],
    left: int,
) -> str:
    return "\n".join([title, "", grid(header, lines, left), *below])


def _place(region: str) -> str:
    return "all analysed tissue" if region == "tissue" else region.replace("_", " ")
