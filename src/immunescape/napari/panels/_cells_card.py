"""The card of one cell: what it is, its values against the gates, where it lies and touches."""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from immunescape.panel import TITLES

if TYPE_CHECKING:
    from immunescape.cells import CellTable
    from immunescape.phenotype import Gate
    from immunescape.pipeline.finished import Finished

__all__ = ["NAMES", "call_of", "card_html"]

NAMES = {
    "tumour": "tumour cell",
    "cd8_t": "CD8 T cell",
    "other": "other cell",
    "unknown": "unknown",
    **TITLES,
}
"""How phenotypes and markers are called on the screen."""

_WORDS = {True: "positive", False: "negative", None: "missing"}


def call_of(value: Any) -> str:
    """Return a nullable truth in a word."""
    return "missing" if pd.isna(value) else _WORDS[bool(value)]


def card_html(finished: "Finished", cells: "CellTable", label: int) -> str:
    """Return the card of a cell as text.

    Parameters
    ----------
    finished
        The result.
    cells
        Its cell table, corrections that wait applied.
    label
        Label of the cell; one that has no row was made by a correction.
    """
    if label not in cells.frame.index:
        return (
            f"<b>cell {label}</b><br>It was made by a correction; apply it, and the cell is "
            "measured and called."
        )
    cell: pd.Series[Any] = cells.frame.loc[label]  # type: ignore[assignment]
    lines = [f"<b>cell {label}: {NAMES.get(str(cell['phenotype']), str(cell['phenotype']))}</b>"]
    if bool(cell.get("edited", False)):
        lines[0] += " (corrected)"
    lines.append(f"x {cell['x_um']:.1f} µm, y {cell['y_um']:.1f} µm" + _area(cell))
    lines.append(_place(cell))
    lines.append(_contacts(cell))
    rows = [_gate_row(finished, cell, g) for g in _deciding(finished, cell)]
    table = "".join(f"<tr>{''.join(f'<td>{c}&nbsp;&nbsp;</td>' for c in r)}</tr>" for r in rows)
    head = "<tr><td></td><td>value&nbsp;&nbsp;</td><td>gate</td><td></td></tr>"
    return "<br>".join(filter(None, lines)) + f"<table>{head}{table}</table>"


def _area(cell: "pd.Series[Any]") -> str:
    return f", {cell['area_um2']:.0f} µm²" if "area_um2" in cell else ""


def _place(cell: "pd.Series[Any]") -> str:
    if "region" not in cell:
        return ""
    region = str(cell["region"]).replace("_", " ")
    distance = float(cell.get("distance_to_margin_um", math.nan))
    if not math.isfinite(distance):
        return region
    side = "inside" if distance < 0 else "outside"
    return f"{region}, {abs(distance):.0f} µm {side} the tumour's margin"


def _contacts(cell: "pd.Series[Any]") -> str:
    if "n_contacts" not in cell:
        return ""
    text = f"touches {int(cell['n_contacts'])} cells"
    if not pd.isna(cell["n_cd8_contacts"]):
        text += f", {int(cell['n_cd8_contacts'])} of them CD8 T cells"
    nearest = float(cell.get("distance_to_cd8_um", math.nan))
    if math.isfinite(nearest):
        text += f"; nearest CD8 T cell {nearest:.0f} µm"
    return text


def _deciding(finished: "Finished", cell: "pd.Series[Any]") -> "list[Gate]":
    """Return the gates that decide for a cell of its phenotype, one a marker."""
    tumour = str(cell["phenotype"]) == "tumour"
    wanted = ("all", "tumour" if tumour else "non_tumour")
    return [g for g in finished.shared.called.gates if g.parent in wanted]


def _gate_row(finished: "Finished", cell: "pd.Series[Any]", gate: "Gate") -> tuple[str, ...]:
    value = float(cell.get(gate.statistic, math.nan))
    threshold = "none" if gate.threshold is None else f"{gate.threshold:.4g}"
    call = call_of(cell.get(f"{gate.marker}_positive"))
    shown = f"{value:.4g}" if math.isfinite(value) else "none"
    above = gate.threshold is not None and value > gate.threshold
    by_hand = gate.threshold is not None and math.isfinite(value) and call != _WORDS[above]
    note = " (by hand)" if by_hand else ""
    return NAMES.get(gate.marker, gate.marker.upper()), shown, threshold, f"<b>{call}</b>{note}"
