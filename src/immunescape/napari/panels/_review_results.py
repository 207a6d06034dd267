"""What the answers of a review say, in words and numbers."""

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from immunescape.panel import TITLES
from immunescape.spatial.agreement import agreement_table, readers_table
from immunescape.spatial.review_cells import calls_to_review

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.phenotype import Gate

__all__ = ["gate_text", "markers_called", "results_html", "title_of"]

_LEGEND = (
    "<p>Precision: of the cells called positive, those that are. Missed rate: of the cells called "
    "negative, those that are positive. Sensitivity: of all positive cells of the slide, those "
    "called so. In brackets 95 % intervals.</p>"
)


def title_of(marker: str) -> str:
    """Return a marker as a reader knows it."""
    return TITLES.get(marker, marker.upper())


def markers_called(cells: "CellTable") -> tuple[str, ...]:
    """Return the markers with calls to ask about, those of the question first."""
    found = [c.removesuffix("_positive") for c in cells.frame.columns if c.endswith("_positive")]
    found = [m for m in found if cells[f"{m}_positive"].notna().any()]
    first = [m for m in ("pdl1", "cd8", "sox10", "s100") if m in found]
    return (*first, *(m for m in found if m not in first))


def gate_text(gates: "tuple[Gate, ...]", marker: str) -> str:
    """Return what the calls of a marker were made by, as it stands beside each answer."""
    texts = []
    for gate in gates:
        if gate.marker != marker:
            continue
        if gate.threshold is None:
            texts.append(gate.source)
            continue
        parent = "" if gate.parent == "all" else f" ({gate.parent})"
        texts.append(f"{gate.statistic} > {gate.threshold:.6g}{parent}")
    return "; ".join(texts)


def results_html(answers: "pd.DataFrame", cells: "CellTable", gates: Mapping[str, str]) -> str:
    """Return the numbers of a review as text.

    Parameters
    ----------
    answers
        Every answer that was given on this slide.
    cells
        The cell table.
    gates
        What the calls of each marker are made by now; answers to other gates are left out.
    """
    if answers.empty:
        return ""
    sizes = {}
    for marker in set(answers["marker"]) & set(gates):
        called = calls_to_review(cells, marker)
        positive = int(called.sum())
        sizes[marker] = (positive, len(called) - positive)
    now = answers["gate"] == answers["marker"].map(dict(gates))
    lines = []
    table = agreement_table(answers[now], sizes)
    for (marker, reader), rows in table.groupby(["marker", "reader"], sort=False):
        lines.append(f"<p><b>{title_of(str(marker))}</b>, read by {html.escape(str(reader))}</p>")
        lines.append(f"<table>{''.join(_line(row) for row in rows.to_dict('records'))}</table>")
        unclear = int(rows.loc[rows["metric"] == "sensitivity", "cannot_tell"].sum())
        if unclear:
            lines.append(f"<p>{unclear} could not be told</p>")
    for row in readers_table(answers[now]).to_dict("records"):
        kappa = _kappa(row["kappa"], row["ci_low"], row["ci_high"])
        lines.append(
            f"<p>{html.escape(row['reader'])} and {html.escape(row['other_reader'])} agree on "
            f"{title_of(row['marker'])} in {row['agreement']:.0%} of {row['cells']} cells; "
            f"kappa {kappa}</p>"
        )
    if lines:
        lines.append(_LEGEND)
    if old := int((~now).sum()):
        lines.append(f"<p>Not counted: {old} answer{'' if old == 1 else 's'} to earlier gates.</p>")
    return "".join(lines)


def _kappa(value: float, low: float, high: float) -> str:
    if math.isnan(value):
        return "not defined"
    # where all answers agree both ends are 1, which says nothing of how sure that is
    return f"{value:.2f}" if low == high else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _line(row: "dict[Any, Any]") -> str:
    value, low, high = (float(row[k]) for k in ("value", "ci_low", "ci_high"))
    name = str(row["metric"])
    cells = [name.replace("_", " "), "no answer yet", "", ""]
    if not math.isnan(value):
        cells[1] = f"<b>{value:.0%}</b>"
        cells[2] = "" if math.isnan(low) else f"({low:.0%} to {high:.0%})"
        of = f"{row['numerator']:.0f} of {row['denominator']:.0f}"
        cells[3] = "" if name == "sensitivity" else of
    return f"<tr>{''.join(f'<td>{cell}&nbsp;&nbsp;</td>' for cell in cells)}</tr>"
