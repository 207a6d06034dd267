"""Why a cell was called what it was called: its values against every gate, and the rule."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from immunescape.panel import TITLES
from immunescape.phenotype import Gate, Rule, in_parent
from immunescape.phenotype.gating import COCKTAIL
from immunescape.phenotype.rules import applicable, decide

if TYPE_CHECKING:
    from immunescape.pipeline.live import LiveGates

__all__ = ["PHENOTYPE_TITLES", "Check", "Why", "why_called"]

PHENOTYPE_TITLES = {
    "tumour": "tumour cell",
    "cd8_t": "CD8 T cell",
    "other": "other cell",
    "unknown": "unknown",
}
"""How phenotypes are called on the screen."""

_PLACES = {"anywhere": "", "tumour": " inside the tumour", "outside_tumour": " outside the tumour"}


@dataclass(frozen=True)
class Check:
    """One gate, asked about one cell.

    Parameters
    ----------
    gate
        The gate.
    value
        The cell's; NaN where it has none.
    positive
        What the cell was called, where the gate decides; else whether its value is above the
        threshold. None where it has no call.
    decides
        Whether the cell is of the gate's parent.
    """

    gate: Gate
    value: float
    positive: bool | None
    decides: bool


@dataclass(frozen=True)
class Why:
    """Why one cell was called so.

    Parameters
    ----------
    label
        Label of the cell.
    phenotype
        What it was called.
    rule
        The rule that made it so, in words.
    region
        Where it lies.
    checks
        Every gate, in the order of the slide's.
    by_hand
        What a person set, such as ``CD8 positive``; empty where nothing.
    """

    label: int
    phenotype: str
    rule: str
    region: str
    checks: tuple[Check, ...]
    by_hand: tuple[str, ...] = ()


def why_called(live: "LiveGates", label: int) -> Why | None:
    """Explain one cell; None where the slide has no cell of that label.

    Parameters
    ----------
    live
        The slide.
    label
        Label of the cell.
    """
    index = live.calls.frame.index
    if label not in index:
        return None
    row = int(index.get_indexer(pd.Index([label]))[0])
    one = type(live.calls)(live.calls.frame.iloc[[row]])
    checks = []
    for gate in live.gates:
        value = float(live.measured.cells[gate.statistic].to_numpy(np.float64)[row])
        decides = bool(in_parent(one, gate.parent)[0])
        positive = None
        if decides:
            call = one[f"{gate.marker}_positive"].iloc[0]
            positive = None if pd.isna(call) else bool(call)
        elif gate.threshold is not None and np.isfinite(value):
            positive = value > gate.threshold
        checks.append(Check(gate, value, positive, decides))
    phenotype = str(one["phenotype"].iloc[0])
    return Why(
        label=label,
        phenotype=phenotype,
        rule=_rule(live, label, row, phenotype),
        region=str(one["region"].iloc[0]),
        checks=tuple(checks),
        by_hand=tuple(
            f"{_title(key) if key != 'phenotype' else 'phenotype'} {words[label]}"
            for key, words in live.called.by_hand.calls.items()
            if label in words
        ),
    )


def _rule(live: "LiveGates", label: int, row: int, phenotype: str) -> str:
    """Return the rule that a cell meets, by the calls it has."""
    if label in live.called.by_hand.calls.get("phenotype", {}):
        return "none: a person set the phenotype"
    if live.called.phenotypes_given:
        return "as the imported table says"
    calls, ungated = {}, set()
    lineage = [g.marker for g in live.called.gates if g.parent == "all"]
    for marker in lineage:
        column = live.calls[f"{marker}_positive"]
        value = column.iloc[row]
        calls[marker] = np.array([-1 if pd.isna(value) else int(value)], np.int8)
        if not column.notna().any():
            ungated.add(marker)
    for marker in COCKTAIL:
        if marker not in calls and "s100_sox10" in calls:
            calls[marker] = calls["s100_sox10"]
            ungated |= {marker} if "s100_sox10" in ungated else set()
    usable, _ = applicable(
        live.study.rule, frozenset(calls), placed=True, ungated=frozenset(ungated)
    )
    inside = live.called.inside[[row]]
    unsure: list[str] = []
    for rule in usable:
        # under a name of its own a rule that holds cannot be taken for none that does
        met = decide((replace(rule, phenotype="tumour"),), calls, inside, 1)[0]
        if met == "tumour" and phenotype != "unknown":
            return _in_words(rule)
        if met != "other":
            unsure.append(_in_words(rule))
        if met == "tumour":
            break
    if phenotype != "unknown":
        return "no rule holds"
    return f"a value is missing: it could be {' or '.join(dict.fromkeys(unsure))}"


def _in_words(rule: Rule) -> str:
    clauses = [f"{_title(m)}+" for m in rule.positive] + [f"{_title(m)}−" for m in rule.negative]
    return f"{' '.join(clauses)}{_PLACES[rule.place]}"


def _title(marker: str) -> str:
    return TITLES.get(marker, marker.upper())
