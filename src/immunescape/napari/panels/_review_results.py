"""What the answers of a review say, in words and numbers."""

import html
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from immunescape.panel import TITLES
from immunescape.spatial.agreement import agreement_table, calls_to_review, readers_table

if TYPE_CHECKING:
    import pandas as pd

    from immunescape.cells import CellTable
    from immunescape.phenotype import Gate

__all__ = ["gate_text", "markers_called", "results_html", "title_of"]

_WORDS = {
    "precision": "called positive, and positive",
    "missed_rate": "called negative, yet positive",
    "sensitivity": "of the positive, called so",
}
_TIPS = "precision, missed rate and sensitivity"


def title_of(marker: str) -> str:
    """Return a marker as a reader knows it."""
    return TITLES.get(marker, marker.upper())


def markers_called(cells: "CellTable") -> tuple[str, ...]:
    """Return the markers with calls to ask about, those of the question first."""
    found = [c.removesuffix("_positive") for c in cells.frame.columns if c.endswith("_positive")]
    found = [m for m in found if len(calls_to_review(cells, m))]
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
    for marker in gates:
        counts = calls_to_review(cells, marker).value_counts()
        sizes[marker] = (int(counts.get("positive", 0)), int(counts.get("negative", 0)))
    now = answers["gate"] == answers["marker"].map(dict(gates))
    lines = []
    table = agreement_table(answers[now], sizes)
    for (marker, reader), rows in table.groupby(["marker", "reader"], sort=False):
        lines.append(f"<p><b>{title_of(str(marker))}</b>, read by {html.escape(str(reader))}<br>")
        for row in rows.to_dict("records"):
            lines.append(_line(row))
        unclear = int(rows.loc[rows["metric"] == "sensitivity", "cannot_tell"].sum())
        if unclear:
            lines.append(f"could not be told: {unclear}<br>")
        lines.append("</p>")
    for row in readers_table(answers[now]).to_dict("records"):
        kappa = "not defined" if math.isnan(row["kappa"]) else (
            f"{row['kappa']:.2f} ({row['ci_low']:.2f} to {row['ci_high']:.2f})"
        )  # fmt: skip
        lines.append(
            f"<p>{html.escape(row['reader'])} and {html.escape(row['other_reader'])} agree on "
            f"{title_of(row['marker'])} in {row['agreement']:.0%} of {row['cells']} cells; "
            f"kappa {kappa}</p>"
        )
    if old := int((~now).sum()):
        lines.append(f"<p>Not counted: {old} answers to earlier gates.</p>")
    return "".join(lines)


def _line(row: "dict[str, object]") -> str:
    value, low, high = (float(row[k]) for k in ("value", "ci_low", "ci_high"))  # type: ignore[arg-type]
    name = str(row["metric"])
    label = name.replace("_", " ")
    if math.isnan(value):
        return f"{label}: no answer yet<br>"
    interval = "" if math.isnan(low) else f" ({low:.0%} to {high:.0%})"
    of = ""
    if name != "sensitivity":
        of = f", {row['numerator']:.0f} of {row['denominator']:.0f}"
    return f"{label} <b>{value:.0%}</b>{interval}{of}: {_WORDS[name]}<br>"
