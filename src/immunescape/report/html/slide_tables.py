"""The tables of a slide's page."""

import math
from typing import Any

import pandas as pd

from immunescape.report.grid import percent, three_digits
from immunescape.report.html.page import Cell, Column, Table
from immunescape.report.methods import Setting, checklist, settings
from immunescape.report.plots_parts import shortened
from immunescape.report.told import Told
from immunescape.report.wording import (
    gates_text,
    interval_text,
    marker_title,
    n_text,
    p_text,
    region_title,
    row_title,
    value_text,
)

__all__ = [
    "all_settings",
    "changed_settings",
    "facts",
    "gate_table",
    "induction_table",
    "items_table",
    "provenance_table",
    "quality_table",
    "segmentation_table",
    "summary_table",
]

_MOST_FACT = 90
_FIGURES = (
    ("cells", "cells", "{:.0f}"),
    ("cells_per_mm2", "cells per mm² of tissue", "{:.0f}"),
    ("diameter_p50_um", "median diameter of a nucleus, µm", "{:.1f}"),
    ("tiles_judged", "tiles judged", "{:.0f}"),
    ("tiles_flagged", "tiles that stand out", "{:.0f}"),
    ("missed_stain_share", "nuclear stain without a nucleus", "%"),
    ("empty_share", "tissue without cells near by", "%"),
    ("small_share", "small nuclei", "%"),
    ("large_share", "large nuclei", "%"),
    ("touching_frame", "cells that the frame cuts", "{:.0f}"),
)


def facts(told: Told) -> tuple[tuple[str, str], ...]:
    """Return what a reader wants to know of the slide at once."""
    summary = told.tables["summary"]
    sources = summary["tumour_source"].dropna().unique()
    site = told.study.slide.site.replace("_", " ")
    found = [
        ("stains", ", ".join(marker_title(s.marker) for s in told.panel.markers)),
        ("tumour region", str(sources[0]) if len(sources) else "none"),
        ("margin", f"{told.study.margin.width_um:g} µm each side"),
        ("site", site),
        ("reviewed by", told.study.reviewed_by or "nobody named"),
    ]
    return tuple((word, shortened(value, _MOST_FACT)) for word, value in found if value)


def induction_table(told: Told) -> Table:
    """Return the fractions and the odds ratio by contact, by region."""
    rows: list[tuple[str | Cell, ...]] = []
    negative = "pdl1_negative_fraction"
    for metric, phenotype, words in (
        (f"{negative}_touching_cd8", "tumour", "PD-L1−, tumour touching CD8"),
        (f"{negative}_not_touching_cd8", "tumour", "PD-L1−, tumour not touching"),
        (f"{negative}_touching_cd8", "other", "PD-L1−, other touching CD8"),
        (f"{negative}_not_touching_cd8", "other", "PD-L1−, other not touching"),
        ("pdl1_induction_log_odds_ratio", "tumour", "log odds ratio of PD-L1+, tumour"),
        ("pdl1_induction_log_odds_ratio", "other", "log odds ratio of PD-L1+, other"),
    ):
        for region in ("tissue", "centre", "margin"):
            row = told.row(metric, phenotype, region)
            known = pd.notna(row["value"])
            rows.append(
                (
                    words,
                    region_title(region),
                    Cell(value_text(row), _number(row["value"])),
                    interval_text(row),
                    n_text(row),
                    gates_text(row),
                    p_text(row) if known else str(row["reason"]),
                )
            )
    heads = ("what", "region", "value", "95 % interval", "n", "at both gate ends", "p, or why not")
    numbers = {"value", "95 % interval"}
    return Table(
        key="table-contact",
        caption="PD-L1 by contact; p by relabelling CD8 T cells among non-tumour cells near by",
        columns=tuple(Column(h, h in numbers) for h in heads),
        rows=rows,
        sorts=True,
    )


def gate_table(told: Told) -> Table:
    """Return the gates."""
    heads = ("marker", "statistic", "method", "from", "threshold", "range", "+", "−", "missing",
             "confirmed", "note")  # fmt: skip
    numbers = {"threshold", "range", "+", "−", "missing"}
    rows: list[tuple[str | Cell, ...]] = []
    for row in told.tables["gates"].to_dict("records"):
        parent = "" if row["parent"] == "all" else f"@{row['parent']}"
        rows.append(
            (
                marker_title(str(row["marker"]) + parent),
                str(row["statistic"]).replace("_", " "),
                _text(row["method"]),
                _text(row["source"]),
                Cell(_digits(row["threshold"]), _number(row["threshold"])),
                f"{_digits(row['gate_low'])} to {_digits(row['gate_high'])}"
                if pd.notna(row["gate_low"])
                else "",
                _count(row["positive"]),
                _count(row["negative"]),
                _count(row["missing"]),
                "yes" if bool(row["confirmed"]) else "no",
                _text(row["note"]),
            )
        )
    return Table(
        key="table-gates",
        caption="Gates: threshold, its range by resampling, and the calls among its cells",
        columns=tuple(Column(h, h in numbers) for h in heads),
        rows=rows,
    )


def segmentation_table(told: Told) -> Table:
    """Return how the nuclei were judged."""
    figures = told.result.provenance.get("segmentation_quality", {}).get("figures", {})
    rows: list[tuple[str | Cell, ...]] = []
    for key, words, form in _FIGURES:
        value = figures.get(key)
        if value is None:
            said = "not judged"
        else:
            said = percent(value) if form == "%" else form.format(value)
        rows.append((words, said))
    return Table(
        key="table-segmentation",
        caption="The segmentation",
        columns=(Column("what"), Column("value", True)),
        rows=rows,
    )


def quality_table(told: Told) -> Table:
    """Return what pixels look unfit for measurement, over all analysed tissue."""
    quality = told.tables.get("quality", pd.DataFrame())
    if not quality.empty:
        quality = quality[quality["region"] == "tissue"]
        quality = quality.sort_values("issue", key=lambda c: c == "all", kind="stable")
    rows: list[tuple[str | Cell, ...]] = [
        (
            "all of them together"
            if row["issue"] == "all"
            else str(row["issue"]).replace("_", " "),
            _count(row["cells"]),
            _count(row["tumour_cells"]),
            _count(row["cd8_cells"]),
            Cell(three_digits(row["area_mm2"]), _number(row["area_mm2"])),
            "yes" if bool(row["applied"]) else "no",
        )
        for row in quality.to_dict("records")
    ]
    heads = ("what", "cells", "tumour cells", "CD8 T cells", "mm²", "left out")
    return Table(
        key="table-quality",
        caption="Places that look unfit for measurement, all analysed tissue",
        columns=tuple(Column(h, 0 < k < 5) for k, h in enumerate(heads)),
        rows=rows,
    )


def changed_settings(told: Told) -> Table:
    """Return the parameters that differ from their defaults."""
    return _settings_table(
        "table-changed", "Parameters that differ from their defaults",
        [s for s in settings(told.study) if s.changed],
    )  # fmt: skip


def all_settings(told: Told) -> Table:
    """Return every parameter."""
    return _settings_table("table-parameters", "All parameters", settings(told.study))


def _settings_table(key: str, caption: str, some: Any) -> Table:
    def name(one: Setting) -> str:
        return f"{one.step}.{one.name}" if one.step else one.name

    return Table(
        key=key,
        caption=caption,
        columns=tuple(map(Column, ("parameter", "value", "default"))),
        rows=[(name(s), s.value, s.default) for s in some],
        marked=frozenset(i for i, s in enumerate(some) if s.changed),
        filters=len(some) > 20,
    )


def provenance_table(told: Told) -> Table:
    """Return what produced the result; it holds no path, date or person."""
    record = told.result.provenance
    rows = [
        (f"input: {i.role}", f"{i.file}, {i.size_bytes} bytes, SHA-256 {i.sha256}")
        for i in told.study.input
    ]
    rows += [
        ("format", f"{record.get('format', '')}, {record.get('pixel_size_um', 0):g} µm a pixel"),
        *((f"labels: {k}", str(v)) for k, v in record.get("segmentation", {}).items()),
        (
            "steps, wall time",
            "; ".join(
                f"{s['step']} {'taken over' if s['reused'] else format(s['wall_s'], '.1f') + ' s'}"
                for s in record.get("steps", ())
            ),
        ),
        ("versions", ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())),
    ]
    return Table(
        key="table-provenance",
        caption="What produced the result",
        columns=(Column("what"), Column("value")),
        rows=rows,
    )


def items_table(told: Told) -> Table:
    """Return the checklist."""
    return Table(
        key="table-checklist",
        caption="Topics named by guidance, and what this result says of them",
        columns=tuple(map(Column, ("topic", "named by", "here"))),
        rows=[(item.topic, item.source, item.answer) for item in checklist(told)],
    )


def summary_table(told: Told) -> Table:
    """Return every row of the summary, to sort and filter."""
    rows: list[tuple[str | Cell, ...]] = [
        (
            row_title(row),
            region_title(str(row["region"])),
            Cell(value_text(row), _number(row["value"])),
            interval_text(row),
            n_text(row),
            gates_text(row),
            p_text(row),
            _text(row["reason"]),
        )
        for row in told.tables["summary"].to_dict("records")
    ]
    heads = ("what", "region", "value", "95 % interval", "n", "at both gate ends", "p", "reason")
    numbers = {"value", "95 % interval"}
    return Table(
        key="table-summary",
        caption="Every row of summary.csv",
        columns=tuple(Column(h, h in numbers) for h in heads),
        rows=rows,
        sorts=True,
        filters=True,
    )


def _number(value: Any) -> float | str:
    number = float(value) if pd.notna(value) else math.nan
    return number if math.isfinite(number) else ""


def _digits(value: Any) -> str:
    return "" if pd.isna(value) else f"{float(value):.4g}"


def _count(value: Any) -> str | Cell:
    return "" if pd.isna(value) else f"{int(value)}"


def _text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)
