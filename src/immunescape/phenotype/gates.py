"""Gates: the threshold that makes a cell positive, and which cells it came from."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from immunescape.cells import CellTable
from immunescape.phenotype.specs import Parent
from immunescape.results import GATES_COLUMNS, empty_table

__all__ = ["INSTEAD", "TOGETHER", "Gate", "gate_table", "gate_warnings", "in_parent"]

INSTEAD = "gated on"
TOGETHER = "described together with"
"""How a note begins that tells of a statistic taken in place of one that was not measured."""


@dataclass(frozen=True)
class Gate:
    """The threshold of one marker for the cells of one parent phenotype.

    Parameters
    ----------
    marker
        Key of the marker.
    parent
        ``all``, ``tumour`` or ``non_tumour``: the cells it decides for.
    statistic
        Column of the cell table that is compared with the threshold.
    method
        ``gmm``, ``otsu``, ``tail``, ``fixed`` or ``imported``.
    source
        Where the threshold comes from: ``slide:all``, ``slide:tumour``, ``slide:non_tumour``
        (cells of the slide), the same with ``patient`` or ``batch`` (cells of its slides
        together), ``fixed`` (the study), ``file`` (a table of gates), ``imported`` (calls made
        elsewhere) or ``missing``.
    threshold
        Cells above it are positive, cells at it are not; None if missing or imported.
    gate_low, gate_high
        Range of the threshold: 2.5 % and 97.5 % quantiles of a bootstrap over blocks of the
        cells that it comes from. None where it was not estimated.
    confirmed
        Whether a person has looked at it; a fixed or imported one was made by a person.
    note
        What a reader should know; empty if all is as usual.
    """

    marker: str
    parent: Parent
    statistic: str
    method: str
    source: str
    threshold: float | None
    gate_low: float | None = None
    gate_high: float | None = None
    confirmed: bool = False
    note: str = ""


def gate_table(gates: Iterable[Gate], cells: CellTable) -> pd.DataFrame:
    """Return the gates as the table ``gates.csv``, with the calls among each parent's cells.

    Parameters
    ----------
    gates
        The gates, one row each.
    cells
        Cells called by `call_phenotypes`. A cell that may or may not be a tumour cell is in no
        parent but ``all``.
    """
    rows = []
    for gate in gates:
        calls = cells[f"{gate.marker}_positive"][in_parent(cells, gate.parent)]
        rows.append(
            {name: getattr(gate, name) for name in GATES_COLUMNS if hasattr(gate, name)}
            | {
                "positive": int(calls.sum()),
                "negative": int((~calls).sum()),
                "missing": int(calls.isna().sum()),
            }
        )
    if not rows:
        return empty_table(GATES_COLUMNS)
    table = pd.DataFrame(rows, columns=list(GATES_COLUMNS))
    numbers = ["threshold", "gate_low", "gate_high"]
    return table.assign(**{name: table[name].astype(np.float64) for name in numbers})


def gate_warnings(gates: Iterable[Gate]) -> tuple[str, ...]:
    """Return one line for each gate that did not come from its own cells or from the study.

    That a marker is gated on another statistic, or that cells were described together with
    others, stands in its note alone.
    """
    lines = []
    for gate in gates:
        cells = "" if gate.parent == "all" else f" on {gate.parent} cells"
        told = "; ".join(n for n in gate.note.split("; ") if not n.startswith((INSTEAD, TOGETHER)))
        if gate.source == "missing":
            lines.append(
                f"{gate.marker} has no gate{cells} ({told}); set one with "
                f"--gate {gate.marker}@{gate.parent}=fixed:VALUE"
            )
        elif told:
            lines.append(f"the gate of {gate.marker}{cells}: {told}")
    return tuple(lines)


def in_parent(cells: CellTable, parent: Parent) -> npt.NDArray[np.bool_]:
    """Return which cells belong to a parent, ``(n,)``.

    Parameters
    ----------
    cells
        Cells with ``is_tumour`` (nullable boolean) unless the parent is ``all``.
    parent
        A cell that may or may not be a tumour cell belongs to ``all`` only.
    """
    if parent == "all":
        return np.ones(len(cells), dtype=bool)
    wanted = cells["is_tumour"] if parent == "tumour" else ~cells["is_tumour"]
    return np.asarray(wanted.fillna(False).to_numpy(dtype=bool))
