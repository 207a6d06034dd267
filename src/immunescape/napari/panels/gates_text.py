"""What the gate panel says of a gate, of the headline and of one cell."""

import html
import math
from typing import TYPE_CHECKING

from immunescape.napari.colours import ANSWER_COLOURS
from immunescape.pipeline.live_values import gate_title, origin
from immunescape.pipeline.live_why import PHENOTYPE_TITLES

if TYPE_CHECKING:
    from immunescape.phenotype import Gate
    from immunescape.pipeline.live import Moved
    from immunescape.pipeline.live_numbers import Figure, LiveNumbers
    from immunescape.pipeline.live_why import Why

__all__ = ["counts_text", "gate_text", "numbers_text", "value_text", "why_text"]

_NO = "–"


def value_text(value: float | None) -> str:
    """Return an intensity in about four digits."""
    return _NO if value is None or not math.isfinite(value) else f"{value:.4g}"


def gate_text(gate: "Gate") -> str:
    """Return where the gate of the results comes from, and its range."""
    parts = [origin(gate)]
    if gate.threshold is not None:
        parts[0] = f"{value_text(gate.threshold)} {parts[0]}"
    if gate.gate_low is not None and gate.gate_high is not None:
        parts.append(f"range {value_text(gate.gate_low)} to {value_text(gate.gate_high)}")
    text = html.escape(f"In the results: {', '.join(parts)}.")
    return f"{text}<br><i>{html.escape(gate.note)}</i>" if gate.note else text


def counts_text(moved: "Moved") -> str:
    """Return positive and negative cells of the parent, with their colours."""
    known = moved.positive + moved.negative
    share = "" if not known else f" ({100 * moved.fraction:.1f} %)"
    lines = [
        f"{_square('positive')} {moved.positive:,} positive of {known:,}{share}",
        f"{_square('negative')} {moved.negative:,} negative",
    ]
    if moved.missing:
        lines.append(f"{_square('missing')} {moved.missing:,} without a value")
    return " &nbsp; ".join(lines)


def numbers_text(before: "LiveNumbers", now: "LiveNumbers") -> str:
    """Return the headline and its kin, each as it was and as it becomes."""
    headline = _change(before.headline, now.headline, _percent, counted=True)
    density = ", ".join(
        f"{region} <b>{_change(before.cd8_density(region), now.cd8_density(region), _whole)}</b>"
        for region in ("tumour", "margin")
    )
    old, new = before.tumour_proportion_score, now.tumour_proportion_score
    return (
        "PD-L1-negative of tumour cells touching CD8<br>"
        f"<b style='font-size: large'>{headline}</b><br>"
        f"CD8 T cells per mm²: {density}<br>"
        f"PD-L1-positive tumour cells (TPS): <b>{_change(old, new, _score)}</b>"
    )


def why_text(why: "Why") -> str:
    """Return a cell's phenotype, the rule that made it, and its values against every gate."""
    title = PHENOTYPE_TITLES.get(why.phenotype, why.phenotype)
    place = why.region.replace("_", " ")
    head = f"<b>Cell {why.label}: {title}</b>, {place}<br>Rule: {html.escape(why.rule)}"
    if why.by_hand:
        head += f"<br>Corrected by hand: {html.escape(', '.join(why.by_hand))}"
    rows = []
    for check in why.checks:
        call = {True: "+", False: "−", None: "?"}[check.positive]
        colour = ANSWER_COLOURS[
            {True: "positive", False: "negative", None: "missing"}[check.positive]
        ]
        name = html.escape(gate_title(check.gate)).replace(" ", "&nbsp;")
        cells = (
            name, value_text(check.value), value_text(check.gate.threshold),
            f"<b style='color: {colour}'>{call}</b>" if check.decides else "unused",
        )  # fmt: skip
        style = "" if check.decides else " style='color: gray'"
        rows.append("".join(f"<td{style}>{c}&nbsp;</td>" for c in cells))
    header = "<td><i>gate</i></td><td><i>value</i></td><td><i>threshold</i></td><td></td>"
    table = "".join(f"<tr>{row}</tr>" for row in (header, *rows))
    return f"{head}<table cellspacing='2'>{table}</table>"


def _change(before: "Figure", now: "Figure", spell: object, *, counted: bool = False) -> str:
    assert callable(spell)
    if not now.evaluable and not before.evaluable:
        return f"not evaluable ({html.escape(now.reason)})"
    old, new = (spell(f.value) if f.evaluable else "not evaluable" for f in (before, now))
    n = f", n {now.denominator:,.0f}" if counted and math.isfinite(now.denominator) else ""
    why = "" if now.evaluable else f" ({html.escape(now.reason)})"
    return f"{new}{n}{why}" if old == new else f"{old} → {new}{n}{why}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _score(value: float) -> str:
    return f"{value:.1f} %"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _square(answer: str) -> str:
    return f"<span style='color: {ANSWER_COLOURS[answer]}'>■</span>"
