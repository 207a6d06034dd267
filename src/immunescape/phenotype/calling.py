"""From gates and rules to a phenotype and a positivity for each cell.

The order on one slide: lineage gates on all cells, phenotypes without a place, the tumour region
(elsewhere), phenotypes within it, gates that depend on the phenotype, and the final calls::

    lineage = gate_lineage(cells, panel, specs, params)
    first = call_phenotypes(cells, lineage)
    ...                                       # inside: whether a cell lies in the tumour region
    placed = call_phenotypes(cells, lineage, inside_tumour=inside)
    gates = lineage + gate_by_parent(placed.cells, panel, specs, params)
    calls = call_phenotypes(cells, gates, inside_tumour=inside)
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.io.calls import ImportedCalls
from immunescape.phenotype.gates import Gate, in_parent
from immunescape.phenotype.gating import COCKTAIL
from immunescape.phenotype.rules import DEFAULT_RULES, Rule, applicable, decide

__all__ = ["Calls", "call_phenotypes"]

Mask = npt.NDArray[np.bool_]
Trivalent = npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Calls:
    """What the cells are, and what had to be left out to say so.

    Parameters
    ----------
    cells
        The cell table with ``<marker>_positive`` (nullable boolean) for every gated or imported
        marker, ``phenotype`` (``tumour``, ``cd8_t``, ``other``, ``unknown``), ``is_tumour``
        (nullable boolean: an unknown cell may still be known to be no tumour cell), ``conflict``
        (positive for SOX10 and CD8) and ``s100_only`` (nullable boolean: S100+ SOX10- and
        ``other``; missing where a missing call could make it so).
    callable_phenotypes
        Phenotypes that this panel can show at all: a count of 0 of any other says nothing.
    dropped
        Rules, or parts of them, that could not be used, one line each.
    s100_elsewhere
        Number of S100+ SOX10- cells that are ``other``: dendritic cells, nerve.
    warnings
        What a reader of the numbers should know; holds the lines of `dropped`.
    """

    cells: CellTable
    callable_phenotypes: frozenset[str]
    dropped: tuple[str, ...] = ()
    s100_elsewhere: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def conflicts(self) -> int:
        """Number of cells positive for SOX10 and CD8."""
        return int(self.cells["conflict"].sum())


def call_phenotypes(
    cells: CellTable,
    gates: tuple[Gate, ...],
    rules: tuple[Rule, ...] = DEFAULT_RULES,
    *,
    inside_tumour: Mask | None = None,
    imported: ImportedCalls | None = None,
    by_hand: Mapping[str, Mapping[int, str]] | None = None,
) -> Calls:
    """Say what each cell is and for which markers it is positive.

    A cell above the threshold of its gate is positive, one at it is not; without a value or a
    threshold it is missing. Where a marker is gated by parent, a cell that may or may not be a
    tumour cell has a call only if both gates agree on it.

    Parameters
    ----------
    cells
        Measured cells, in the order of `inside_tumour` and `imported`.
    gates
        Gates of `gate_lineage`, and of `gate_by_parent` where phenotypes are known already.
    rules
        Rules by priority; a cocktail of S100 and SOX10 stands for both markers in them.
    inside_tumour
        Whether each cell lies inside the tumour region, ``(n,)``; None before it is known, and
        then rules that ask for a place are left out.
    imported
        Calls made elsewhere. They go before gates, and an imported phenotype before the rules.
    by_hand
        Single cells that a person called otherwise: for a marker, by label, ``positive``,
        ``negative`` or ``missing``; for ``phenotype`` one of the phenotypes. They go before all
        else. The rules judge a cell by its marker as it was set, unless its phenotype was set
        too; which rules are used follows from the other cells. A marker without gate or
        imported calls cannot be set.
    """
    columns: dict[str, pd.Series[bool]] = {}
    for gate in gates:
        if gate.parent == "all" and gate.source != "imported":
            columns[gate.marker] = _nullable(_above(cells, gate))
    for marker in imported.markers if imported else ():
        assert imported is not None
        columns[marker] = imported.frame[f"{marker}_positive"].reset_index(drop=True)
    calls = {m: _trivalent(column) for m, column in columns.items()}
    stands_for_both = [m for m in COCKTAIL if m not in calls and "s100_sox10" in calls]
    for marker in stands_for_both:
        calls[marker] = calls["s100_sox10"]
    ungated = frozenset(m for m, call in calls.items() if len(call) and (call < 0).all())
    usable, dropped = applicable(
        rules, frozenset(calls), placed=inside_tumour is not None, ungated=ungated
    )
    for marker in columns:
        if by_hand and marker in by_hand:
            calls[marker] = _set_by_hand(calls[marker], marker, by_hand, cells)
            columns[marker] = _nullable(calls[marker])
    for marker in stands_for_both:
        calls[marker] = calls["s100_sox10"]
    callable_phenotypes = frozenset(r.phenotype for r in usable) | {"other"}
    if imported is not None and imported.has_phenotype:
        phenotype = imported.frame["phenotype"].to_numpy(dtype=object)
        tumour_or_not = phenotype
        dropped, callable_phenotypes = (), frozenset(phenotype) - {"unknown"} | callable_phenotypes
    else:
        phenotype = decide(usable, calls, inside_tumour, len(cells))
        tumour_or_not = decide(_either(usable, "other", "tumour"), calls, inside_tumour, len(cells))
    set_rows, words = _rows_by_hand("phenotype", by_hand, cells)
    phenotype, tumour_or_not = phenotype.copy(), tumour_or_not.copy()
    phenotype[set_rows], tumour_or_not[set_rows] = words, words
    known = cells.with_columns(
        {
            "phenotype": pd.array(phenotype, dtype="str"),
            "is_tumour": pd.arrays.BooleanArray(
                tumour_or_not == "tumour", tumour_or_not == "unknown"
            ),
        }
    )
    for marker, trivalent in _apart(known, gates).items():
        if marker not in columns:
            columns[marker] = _nullable(_set_by_hand(trivalent, marker, by_hand, cells))
    none = np.full(len(cells), -1, dtype=np.int8)
    sox10, s100, cd8 = (calls.get(m, none) for m in ("sox10", "s100", "cd8"))
    conflict = (sox10 == 1) & (cd8 == 1)
    s100_only = (s100 == 1) & (sox10 == 0) & (phenotype == "other")
    may_be = (s100 != 0) & (sox10 != 1)
    if imported is not None and imported.has_phenotype:
        may_be &= np.isin(phenotype.astype(str), ("other", "unknown"))
    else:
        as_if = calls | {"s100": np.where(may_be, 1, s100), "sox10": np.where(may_be, 0, sox10)}
        kind = decide(_either(usable, "tumour", "other"), as_if, inside_tumour, len(cells))
        of_set = may_be[set_rows] & np.isin(phenotype[set_rows].astype(str), ("other", "unknown"))
        may_be &= kind != "tumour"
        may_be[set_rows] = of_set
    elsewhere = int(s100_only.sum())
    positives = {f"{marker}_positive": column.array for marker, column in columns.items()}
    table = known.with_columns(
        {
            **positives,
            "conflict": conflict,
            "s100_only": pd.arrays.BooleanArray(s100_only, may_be & ~s100_only),
        }
    )
    warnings = (
        *dropped,
        *(imported.notes if imported else ()),
        *_counted(int(conflict.sum()), "positive for SOX10 and CD8: not counted as CD8 T cells"),
        *_counted(elsewhere, "S100+ SOX10- outside the tumour region: counted as other"),
        *_counted(int((phenotype == "unknown").sum()), "of unknown phenotype: a value is missing"),
    )
    return Calls(table, callable_phenotypes, dropped, elsewhere, warnings)


def _either(rules: tuple[Rule, ...], most: str, apart: str) -> tuple[Rule, ...]:
    """Return rules that tell one phenotype from all others, which get the name `most`."""
    return tuple(r if r.phenotype == apart else replace(r, phenotype=most) for r in rules)


def _rows_by_hand(
    key: str, by_hand: Mapping[str, Mapping[int, str]] | None, cells: CellTable
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.object_]]:
    """Return the rows of the cells that were called by hand, and what they were called."""
    named = (by_hand or {}).get(key, {})
    if not named:  # the usual case: no index of the cells is made
        return np.zeros(0, np.intp), np.zeros(0, object)
    rows = cells.frame.index.get_indexer(pd.Index(list(named), dtype=np.int64))
    there = rows >= 0
    return rows[there], np.array(list(named.values()), dtype=object)[there]


def _set_by_hand(
    call: Trivalent, marker: str, by_hand: Mapping[str, Mapping[int, str]] | None, cells: CellTable
) -> Trivalent:
    rows, words = _rows_by_hand(marker, by_hand, cells)
    if not len(rows):
        return call
    changed = call.copy()
    changed[rows] = np.where(words == "positive", 1, np.where(words == "negative", 0, -1))
    return changed


def _counted(count: int, what: str) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} cell{'s are' if count > 1 else ' is'} {what}",)


def _above(cells: CellTable, gate: Gate) -> Trivalent:
    if gate.threshold is None or gate.statistic not in cells:
        return np.full(len(cells), -1, dtype=np.int8)
    values = cells[gate.statistic].to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values > gate.threshold, -1).astype(np.int8)


def _apart(cells: CellTable, gates: tuple[Gate, ...]) -> dict[str, Trivalent]:
    """Return the calls of the markers gated by parent; unknown cells need both gates to agree."""
    result: dict[str, Trivalent] = {}
    for marker in dict.fromkeys(g.marker for g in gates if g.parent != "all"):
        by_parent = {g.parent: _above(cells, g) for g in gates if g.marker == marker}
        none = np.full(len(cells), -1, dtype=np.int8)
        tumour, rest = by_parent.get("tumour", none), by_parent.get("non_tumour", none)
        call = np.where(tumour == rest, tumour, -1).astype(np.int8)
        call = np.where(in_parent(cells, "tumour"), tumour, call)
        result[marker] = np.where(in_parent(cells, "non_tumour"), rest, call).astype(np.int8)
    return result


def _nullable(calls: Trivalent) -> "pd.Series[bool]":
    return pd.Series(pd.arrays.BooleanArray(calls == 1, calls < 0))


def _trivalent(column: "pd.Series[bool]") -> Trivalent:
    return np.asarray(column.astype("Int8").fillna(-1).to_numpy(dtype=np.int8))
